"""Screens: what covers the workspace for a moment."""
