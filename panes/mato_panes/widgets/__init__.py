"""Widgets: the parts of panes and frame."""
