"""Palettes, their contrast, and their conversion to Textual themes."""
