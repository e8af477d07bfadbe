"""A list to choose from: rows of spans with a cursor, and nothing that moves by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from mato_panes.rendering.line import Line, cells, spread
from mato_panes.widgets import paint


@dataclass(frozen=True, slots=True)
class Row:
    """One row; all text in it is shown text."""

    key: str
    """What choosing it gives; "" for a heading, which cannot be chosen."""
    left: Line
    right: Line = ()


class Listing(Widget, can_focus=True):
    """Rows with a cursor that keys and mouse move; Enter or a click chooses."""

    DEFAULT_CSS = """
    Listing { height: 1fr; width: 1fr; }
    """

    class Chosen(Message):
        """A row was chosen."""

        def __init__(self, listing: Listing, key: str) -> None:
            super().__init__()
            self.listing = listing
            self.key = key

        @property
        def control(self) -> Listing:
            return self.listing

    class Moved(Chosen):
        """The cursor has come to another row."""

    def __init__(
        self,
        *,
        surface: str = "overlay",
        empty: str = "",
        quiet: bool = False,
        id: str | None = None,
    ) -> None:
        """`quiet`: the cursor shows only while the list has the focus."""
        super().__init__(id=id)
        self.surface = surface
        self.quiet = quiet
        self.empty = empty
        """Shown text where there are no rows."""
        self.rows: tuple[Row, ...] = ()
        self.cursor = 0
        self._top = 0

    @property
    def key(self) -> str:
        """The key of the row under the cursor; "" where there is none."""
        return self.rows[self.cursor].key if self.cursor < len(self.rows) else ""

    def show(self, rows: Sequence[Row], *, at: str | None = None) -> None:
        """Show these rows; the cursor goes to the row `at`, else stays on its key or its place."""
        wanted = self.key if at is None else at
        before = self.key
        picture = self.rows, self.cursor, self._top
        self.rows = tuple(rows)
        places = [index for index, row in enumerate(self.rows) if row.key]
        same = [index for index in places if self.rows[index].key == wanted]
        near = min(places, key=lambda index: abs(index - self.cursor), default=0)
        self.cursor = same[0] if wanted and same else near
        self._follow()
        if picture != (self.rows, self.cursor, self._top):
            self.refresh()
        if self.key != before:
            self.post_message(self.Moved(self, self.key))

    def step(self, by: int) -> None:
        """Move the cursor by so many rows that can be chosen; it stops at the ends."""
        places = [index for index, row in enumerate(self.rows) if row.key]
        if not places:
            return
        at = places.index(self.cursor) if self.cursor in places else 0
        self._go(places[min(max(at + by, 0), len(places) - 1)])

    def choose(self) -> None:
        """Choose the row under the cursor."""
        if self.key:
            self.post_message(self.Chosen(self, self.key))

    def _go(self, index: int) -> None:
        if index != self.cursor:
            self.cursor = index
            self._follow()
            self.refresh()
            self.post_message(self.Moved(self, self.key))

    def _follow(self) -> None:
        height = self.size.height
        if not height:
            return  # it is not known yet how many rows are seen
        top = self.cursor
        while top > 0 and not self.rows[top - 1].key:
            top -= 1  # a heading stays with its first row
        if self.cursor >= self._top + height:
            self._top = self.cursor - height + 1
        self._top = min(self._top, top, max(0, len(self.rows) - 1))
        self._top = max(0, min(self._top, len(self.rows) - height)) if self.rows else 0

    def on_resize(self) -> None:
        top = self._top
        self._follow()
        if self._top != top:
            self.refresh()

    def on_key(self, event: events.Key) -> None:
        match event.key:
            case "up" | "k" | "ctrl+k":
                self.step(-1)
            case "down" | "j" | "ctrl+j":
                self.step(1)
            case "pageup":
                self.step(-max(self.size.height - 1, 1))
            case "pagedown":
                self.step(max(self.size.height - 1, 1))
            case "home":
                self.step(-len(self.rows))
            case "end":
                self.step(len(self.rows))
            case "enter":
                self.choose()
            case _:
                return
        event.stop()
        event.prevent_default()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        index = self._top + event.y
        if index < len(self.rows) and self.rows[index].key:
            self._go(index)

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y
        if index < len(self.rows) and index == self.cursor:
            self.choose()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(3)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-3)
        event.stop()

    def _scroll(self, by: int) -> None:
        top = max(0, min(self._top + by, len(self.rows) - self.size.height))
        if top != self._top:
            self._top = top
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        index = self._top + y
        if not self.rows and self.empty and y == 0:
            return paint.strip(self, ((" " + self.empty, "dim"),), width, self.surface)
        if index >= len(self.rows):
            return paint.strip(self, (), width, self.surface)
        row = self.rows[index]
        here = index == self.cursor and bool(row.key) and (self.has_focus or not self.quiet)
        mark = "▸" if here else " "
        more = " "
        if y == 0 and self._top > 0:
            more = "↑"
        elif y == self.size.height - 1 and index < len(self.rows) - 1:
            more = "↓"
        body: Line = spread(((mark, "key"), *row.left), (*row.right, (" ", "text")), width - 1)
        gap: Line = ((" " * (width - 1 - cells(body)), "text"), (more, "dim"))
        body = (*body, *gap)
        return paint.strip(self, body, width, "selection" if here else self.surface)
