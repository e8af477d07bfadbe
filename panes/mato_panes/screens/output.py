"""The whole output of a call, to scroll in and to copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.widget import Widget

from mato.text import display
from mato_panes.messages import CopyWanted
from mato_panes.rendering.line import Line
from mato_panes.screens.dialog import Dialog
from mato_panes.widgets.paper import Paper


class OutputViewer(Dialog[None]):
    """Read only; ends with None."""

    DEFAULT_CSS = """
    OutputViewer > #box { width: 94%; height: 90%; padding: 0; }
    OutputViewer Paper { background: $mato-surface-code; }
    """

    leaving: ClassVar[frozenset[str]] = frozenset({"escape", "ctrl+c", "q"})

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title, "↑↓←→ space g G scroll · c copies · Esc leaves")
        self._text = display(text).expandtabs(8)

    def body(self) -> Iterable[Widget]:
        lines: list[Line] = [((line, "output"),) for line in self._text.split("\n")]
        yield Paper(lines, surface="code")

    def on_key(self, event: events.Key) -> None:
        if event.key == "c":
            event.stop()
            event.prevent_default()  # the dialog's own handler comes next
            self.post_message(CopyWanted(self._text))
