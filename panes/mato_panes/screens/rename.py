"""Asking for a name: one line, with the old name in it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Input

from mato.text import display
from mato_panes.screens.dialog import Dialog

LONGEST = 80
"""Characters of a name."""


class Rename(Dialog[str]):
    """Ends with the new name, not empty, or None."""

    DEFAULT_CSS = """
    Rename Input { border: none; height: 1; padding: 0; background: $mato-surface-overlay; }
    Rename Input:focus { border: none; background-tint: $foreground 0%; }
    """

    def __init__(self, title: str, name: str) -> None:
        super().__init__(title, "Enter takes · Esc leaves")
        self._name_before = display(name, newline=False)

    def body(self) -> Iterable[Widget]:
        line = Input(self._name_before, max_length=LONGEST, compact=True, select_on_focus=False)
        line.cursor_blink = False
        yield line

    def on_input_submitted(self, event: Input.Submitted) -> None:
        name = event.value.strip()
        self.dismiss(name if name and name != self._name_before else None)
