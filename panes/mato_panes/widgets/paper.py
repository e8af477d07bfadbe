"""Lines to read and scroll; a line costs something only while it is visible."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mato_panes.rendering.line import Line, cells
from mato_panes.widgets import paint

WIDEST = 4096
"""Cells of a line that can be scrolled to."""


class Paper(ScrollView, can_focus=True):
    """Read-only lines of spans; keys as in a pager."""

    DEFAULT_CSS = """
    Paper { height: 1fr; scrollbar-size: 1 1; background: $mato-surface-overlay; }
    """

    def __init__(self, lines: Sequence[Line] = (), *, surface: str = "overlay") -> None:
        super().__init__()
        self.surface = surface
        self._lines: tuple[Line, ...] = ()
        self.show(lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines; the place stays."""
        self._lines = tuple(lines)
        widest = max((cells(line) for line in self._lines), default=0)
        self.virtual_size = Size(min(widest, WIDEST), len(self._lines))
        self.refresh()

    def on_key(self, event: events.Key) -> None:
        match event.character or event.key:
            case "g":
                self.scroll_home(animate=False)
            case "G":
                self.scroll_end(animate=False)
            case "j":
                self.scroll_relative(y=1, animate=False)
            case "k":
                self.scroll_relative(y=-1, animate=False)
            case " ":
                self.scroll_relative(y=self.size.height, animate=False)
            case _:
                return
        event.stop()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        at = int(top) + y
        line = self._lines[at] if at < len(self._lines) else ()
        width = max(self.virtual_size.width, self.size.width)
        whole = paint.strip(self, line, width, self.surface)
        return whole.crop(int(left), int(left) + self.size.width)
