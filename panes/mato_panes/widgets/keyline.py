"""The keys of a dialog with what they do, wrapped to its width; a click is as good as the key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from mato.text import display
from mato_panes.bindings import named
from mato_panes.rendering.line import Line, Span, cells
from mato_panes.widgets import paint

_GAP = "   "


class Key(NamedTuple):
    """One key and what it does here."""

    key: str
    """As Textual names it, or the character."""
    does: str


class KeyLine(Widget):
    """As many lines as it needs."""

    DEFAULT_CSS = """
    KeyLine { height: auto; width: 1fr; }
    """

    class Pressed(Message):
        """The mouse pressed a key's place."""

        def __init__(self, key: str, time_s: float) -> None:
            super().__init__()
            self.key = key
            self.time_s = time_s
            """As of `textual.events.Event.time`."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: tuple[Key, ...] = ()

    def show(self, keys: Sequence[Key]) -> None:
        """Show these keys, where they differ from what is there."""
        if tuple(keys) != self.keys:
            self.keys = tuple(keys)
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._rows(width)))

    def _rows(self, width: int) -> list[list[Key]]:
        rows: list[list[Key]] = []
        used = 0
        for key in self.keys:
            more = cells(_said(key))
            if not rows or used + len(_GAP) + more > width:
                rows.append([])
                used = -len(_GAP)
            rows[-1].append(key)
            used += len(_GAP) + more
        return rows

    def render_line(self, y: int) -> Strip:
        rows = self._rows(self.size.width)
        spans: list[Span] = []
        for key in rows[y] if y < len(rows) else ():
            if spans:
                spans.append((_GAP, "text"))
            spans.extend(_said(key))
        return paint.strip(self, tuple(spans), self.size.width, "overlay")

    def on_click(self, event: events.Click) -> None:
        event.stop()
        rows = self._rows(self.size.width)
        at = 0
        for key in rows[event.y] if event.y < len(rows) else ():
            wide = cells(_said(key))
            if at <= event.x < at + wide:
                self.post_message(self.Pressed(key.key, event.time))
                return
            at += wide + len(_GAP)


def _said(key: Key) -> Line:
    return (named(key.key), "key"), (f" {display(key.does, newline=False)}", "text")
