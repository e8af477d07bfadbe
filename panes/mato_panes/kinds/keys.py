"""The keys of a pane's own parts: one table for the widgets, the help and the README."""

from __future__ import annotations

from typing import NamedTuple


class PaneKey(NamedTuple):
    """One thing that keys do in a transcript or a composer."""

    keys: tuple[str, ...]
    """Textual's names."""
    action: str
    """What the widget calls; empty where the widget reads the key itself."""
    title: str


READING: tuple[PaneKey, ...] = (
    PaneKey(("j", "down"), "cursor(1)", "Next entry"),
    PaneKey(("k", "up"), "cursor(-1)", "Previous entry"),
    PaneKey(("enter", "space"), "unfold", "Fold or unfold the entry"),
    PaneKey(("a",), "answer('allow')", "Allow; run a cut call again"),
    PaneKey(("A",), "answer('session')", "Allow what is like it too"),
    PaneKey(("d",), "answer('deny')", "Deny; give a cut call up"),
    PaneKey(("f",), "answer('done')", "A cut call is done"),
    PaneKey(("y",), "copy", "Copy the entry, or what is marked"),
    PaneKey(("v",), "mark", "Mark lines"),
    PaneKey(("o",), "whole", "Open the whole output"),
    PaneKey(("slash",), "search", "Search"),
    PaneKey(("n",), "hit(True)", "Next hit"),
    PaneKey(("N",), "hit(False)", "Previous hit"),
    PaneKey(("pageup",), "page(-1.0)", "A page up"),
    PaneKey(("pagedown", "ctrl+f"), "page(1.0)", "A page down"),
    PaneKey(("ctrl+u",), "page(-0.5)", "Half a page up"),
    PaneKey(("ctrl+d",), "page(0.5)", "Half a page down"),
    PaneKey(("g", "home"), "start", "To the beginning"),
    PaneKey(("G", "end"), "end", "To the end, and follow it"),
    PaneKey(("S",), "stop", "Stop the turn"),
    PaneKey(("C",), "go_on", "Let a paused agent go on"),
    PaneKey(("i", "tab"), "leave(True)", "Write"),
    PaneKey(("escape", "q"), "leave", "Leave copy mode, the search, the pane"),
)
"""In a transcript that has the focus."""

WRITING: tuple[PaneKey, ...] = (
    PaneKey(("enter",), "", "Send; while the agent works: queue"),
    PaneKey(("ctrl+j", "alt+enter", "shift+enter"), "", "New line"),
    PaneKey(("up", "down"), "", "Earlier prompts, from the first line"),
    PaneKey(("ctrl+c",), "", "Copy, or put the draft aside (↓ back)"),
    PaneKey(("tab", "escape"), "", "Read"),
)
"""In a composer that has the focus."""
