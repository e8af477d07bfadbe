"""Kinds of panes."""
