"""What an agent has said and done: a view of its entries that costs what is visible of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from mato_panes.messages import (
    CallAnswered,
    CopyWanted,
    FrameFocusWanted,
    StopRequested,
    WholeOutputWanted,
)
from mato_panes.rendering.document import Document
from mato_panes.rendering.entry import plain_text
from mato_panes.rendering.finding import Finder
from mato_panes.rendering.line import Line, plain
from mato_panes.rendering.paint import Look, Paint, index_at
from mato_panes.rendering.viewport import Place, Viewport
from mato_panes.widgets.marking import Marking
from mato_panes.widgets.paint import app_of
from mato_sessions.entries import AnyEntry, CallEntry

BAR_CELLS = 3
"""The cursor's bar at the left; a blank and the scrollbar at the right."""
WHEEL_LINES = 3


class Transcript(Widget, can_focus=True):
    """The entries of one agent.

    It scrolls by itself instead of by Textual's virtual size: a line more must not cost a layout.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Transcript {
        height: 1fr;
        width: 1fr;
        background: $mato-surface-pane;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "cursor(1)", "next entry", show=False),
        Binding("k,up", "cursor(-1)", "previous entry", show=False),
        Binding("enter,space", "unfold", "fold or unfold", show=False),
        Binding("a", "answer(True)", "allow", show=False),
        Binding("d", "answer(False)", "deny", show=False),
        Binding("y", "copy", "copy the entry", show=False),
        Binding("o", "whole", "whole output", show=False),
        Binding("v", "mark", "mark lines", show=False),
        Binding("pageup", "page(-1.0)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1.0)", "page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "half a page down", show=False),
        Binding("home,g", "start", "first entry", show=False),
        Binding("end,G", "end", "follow the end", show=False),
        Binding("slash", "search", "search", show=False),
        Binding("n", "hit(True)", "next hit", show=False),
        Binding("N", "hit(False)", "previous hit", show=False),
        Binding("S", "stop", "stop the turn", show=False),
        Binding("i", "leave(True)", "write", show=False),
        Binding("escape,q", "leave", "leave", show=False),
    ]

    class SearchWanted(Message):
        """The search line shall open."""

    class ComposerWanted(Message):
        """The person wants to write."""

    def __init__(
        self,
        agent: str,
        entries: Sequence[AnyEntry],
        *,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.agent = agent
        self.document = Document(entries, 80)
        self.viewport = Viewport(self.document, 0)
        self.cursor: int | None = None
        """Index of the entry that keys act on."""
        self.finder: Finder | None = None
        self.marking: Marking | None = None
        """Copy mode, or a selection by mouse."""
        self._anchor_key = ""
        self._cursor_key = ""
        self._rows: list[Place] = []
        self._painted: list[tuple[Line, Look]] = []
        self._strips: LRUCache[tuple[Line, Look], Strip] = LRUCache(512)
        self._paint: Paint | None = None
        self._dragged = False
        self._thumb_held = False

    # --- what is shown ----------------------------------------------------------------------

    def sync(self, changed: Iterable[int], now_us: int) -> None:
        """Show what has changed in the entries, by index, ascending.

        `now_us` is the time that running things have reached, by the clock of `mono_us`.
        """
        self.document.update(changed)
        self.document.tick(now_us)
        self._realign()
        self.repaint()

    def _realign(self) -> None:
        """Find the reader's entry and the cursor's again, should entries have moved."""
        entries = self.document.entries
        if not self.viewport.following and self._anchor_key:
            top = self.viewport.top
            if found := self._index_of(self._anchor_key, top.entry):
                self.viewport.top = Place(found, top.line)
        if self.cursor is not None:
            found = self._index_of(self._cursor_key, self.cursor)
            self.cursor = min(self.cursor, len(entries) - 1) if found is None else found

    def _index_of(self, key: str, guess: int) -> int | None:
        entries = self.document.entries
        if guess < len(entries) and entries[guess].key == key:
            return guess
        return next((i for i in range(len(entries) - 1, -1, -1) if entries[i].key == key), None)

    def repaint(self) -> None:
        """Ask for a new picture of the rows that look different from the last one."""
        if not self.is_mounted:
            return
        rows = self.viewport.rows()
        painted = self._looks(rows)
        self._rows = rows
        self._anchor_key = self.document.entries[rows[0].entry].key if rows else ""
        before, self._painted = self._painted, painted
        width = self.size.width
        if len(before) != len(painted):
            self.refresh()
            return
        changed = [
            y for y, (old, new) in enumerate(zip(before, painted, strict=True)) if old != new
        ]
        if not changed:
            return
        first, last = changed[0], changed[-1]
        if len(changed) * 2 > last - first:
            self.refresh(Region(0, first, width, last - first + 1))
        else:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _looks(self, rows: list[Place]) -> list[tuple[Line, Look]]:
        """Line and decorations of every row."""
        document, finder, marking = self.document, self.finder, self.marking
        thumb = self.viewport.thumb()
        needle = finder.needle if finder else ""
        hit = finder.now if finder else None
        hit_line = finder.line(document, hit) if finder and hit else -1
        cursor = self.cursor if self.has_focus and marking is None else None
        badge = self._badge()
        looks: list[tuple[Line, Look]] = []
        for y in range(self.size.height):
            in_thumb = None if thumb is None else thumb[0] <= y < thumb[0] + thumb[1]
            note = badge if y == self.size.height - 1 else ""
            if y >= len(rows):
                looks.append(((), Look(thumb=in_thumb, badge=note)))
                continue
            place = rows[y]
            line = document.line(*place)
            marked = marking.span(place) if marking else None
            look = Look(
                cursor=place.entry == cursor and place.line >= document.gap(place.entry),
                selected=marked,
                needle=needle,
                found=hit is not None and place == Place(hit.entry, hit_line),
                thumb=in_thumb,
                badge=note,
            )
            looks.append((line, look))
        return looks

    def _badge(self) -> str:
        """What stands over the last row: the copy mode's place, or what is below."""
        if self.marking is not None and self.marking.by_keys:
            below = self.document.total
            at = sum(self.document.sizes[: self.marking.cursor.entry]) + self.marking.cursor.line
            return f" copy {at + 1}/{below} "
        if self.finder is not None:
            position, count = self.finder.position(self.document), self.finder.count(self.document)
            return f" {position}/{count} · n N " if count else " not found "
        if self.viewport.following:
            return ""
        fresh = self.viewport.fresh()
        return f" ↓ {fresh} new below " if fresh else " ↓ more below "

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows in `crop`; only these are turned into strips, and kept for the next time."""
        if self._paint is None:
            self._paint = Paint(app_of(self).theme_variables)
        width = self.size.width
        if not self._painted:
            self._painted = [((), Look())] * self.size.height
        strips = [self._strip(y, width) for y in crop.line_range]
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def _strip(self, y: int, width: int) -> Strip:
        row = self._painted[y] if y < len(self._painted) else ((), Look())
        strip = self._strips.get(row)
        if strip is None:
            assert self._paint is not None
            strip = self._paint.strip(row[0], width, row[1])
            for line_filter in self.get_line_filters():
                strip = strip.apply_filter(line_filter, self.background_colors[1])
            self._strips[row] = strip
        return strip

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._paint = None
        self._strips.clear()

    # --- events -----------------------------------------------------------------------------

    def on_mount(self) -> None:
        app_of(self).theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, _theme: Theme) -> None:
        self.notify_style_update()
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._strips.clear()
        width = event.size.width - BAR_CELLS
        if width != self.document.width:
            self.viewport.rewrap(width)
        self.viewport.height = event.size.height
        self._painted = []
        self.repaint()

    def watch_has_focus(self, _has_focus: bool) -> None:
        super().watch_has_focus(_has_focus)
        self.document.focus(_has_focus)
        if _has_focus and self.cursor is None and (waiting := self.document.waiting()):
            self._move_to(waiting[0])
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.viewport.scroll(WHEEL_LINES)
        self.repaint()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.viewport.scroll(-WHEEL_LINES)
        self.repaint()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button != 1:
            return
        event.stop()
        self._dragged = False
        self.marking = None
        if event.x == self.size.width - 1 and self.viewport.thumb() is not None:
            self._thumb_held = True
            self._go_to_row(event.y)
        elif place := self._place_at(event.y):
            self.marking = Marking(place, max(0, event.x - 1))
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._thumb_held:
            self._go_to_row(event.y)
        elif self.marking is not None and not self.marking.by_keys and event.button:
            if event.y < 0 or event.y >= self.size.height:
                self.viewport.scroll(-1 if event.y < 0 else 1)
                self.viewport.rows()
                self.repaint()
            row = min(max(0, event.y), len(self._rows) - 1)
            if place := self._place_at(row):
                self.marking.move(place, max(0, event.x - 1))
                self._dragged = True
                self.repaint()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        if self._thumb_held:
            self._thumb_held = False
            return
        marking = self.marking
        if marking is None or marking.by_keys:
            return
        if self._dragged and (text := self._marked_text(marking)):
            self.post_message(CopyWanted(text))
        elif event.button == 1:
            self.marking = None
            self._clicked(event.y)
        self.repaint()

    def _clicked(self, y: int) -> None:
        if y == self.size.height - 1 and self._badge():
            self.viewport.follow()
            return
        if place := self._place_at(y):
            self._move_to(place.entry, reveal=False)
            self.document.fold(place.entry, not self.document.unfolded(place.entry))

    def _go_to_row(self, y: int) -> None:
        self.viewport.go(self.viewport.place_at(max(0, y) / max(1, self.size.height - 1)))
        self.repaint()

    def _place_at(self, y: int) -> Place | None:
        return self._rows[y] if 0 <= y < len(self._rows) else None

    def _marked_text(self, marking: Marking) -> str:
        """The marked lines as they are on the screen, without the spaces at their ends."""
        first, last = marking.ends()
        parts: list[str] = []
        place = first
        while place <= last:
            text = plain(self.document.line(*place))
            start, end = marking.span(place) or (0, -1)
            stop = len(text) if end < 0 else index_at(text, end)
            parts.append(text[index_at(text, start) : stop].rstrip())
            following = self.viewport.moved(place, 1)
            if following == place:
                break
            place = following
        return "\n".join(parts)

    # --- actions ----------------------------------------------------------------------------

    def _move_to(self, entry: int, *, reveal: bool = True) -> None:
        self.cursor = entry
        self._cursor_key = self.document.entries[entry].key
        if reveal:
            self.viewport.reveal(entry)

    def action_cursor(self, step: int) -> None:
        """Go to the next or previous entry; through a long one, half a page at a time."""
        rows = self._rows
        if not rows:
            return
        if self.marking is not None and self.marking.by_keys:
            self._mark_moved(step)
            return
        if self.cursor is None or not rows[0].entry <= self.cursor <= rows[-1].entry:
            self._move_to(rows[-1].entry if step < 0 or self.viewport.following else rows[0].entry)
        else:
            final = Place(self.cursor, self.document.height(self.cursor) - 1)
            if step > 0 and final > rows[-1]:
                self.viewport.scroll(self.size.height // 2)
            elif step < 0 and Place(self.cursor, self.document.gap(self.cursor)) < rows[0]:
                self.viewport.scroll(-(self.size.height // 2))
            elif 0 <= self.cursor + step < len(self.document.entries):
                self._move_to(self.cursor + step)
        self.repaint()

    def action_unfold(self) -> None:
        """Fold or unfold the entry; in copy mode enter copies."""
        if self.marking is not None and self.marking.by_keys:
            self.action_copy()
            return
        if self.cursor is not None:
            self.document.fold(self.cursor, not self.document.unfolded(self.cursor))
            self.repaint()

    def action_answer(self, allowed: bool) -> None:
        """Answer the call under the cursor, if its end is in sight; else go to one that waits.

        So no key decides about something that has just come, or that nobody can have read.
        """
        waiting = self.document.waiting()
        if not waiting or self.marking is not None:
            return
        if self.cursor not in waiting:
            self._move_to(next((i for i in waiting if i > (self.cursor or 0)), waiting[0]))
        else:
            final = Place(self.cursor, self.document.height(self.cursor) - 1)
            if final not in self._rows:
                self.viewport.reveal(*final)
            elif not self.document.is_answering(self.cursor):
                entry = self.document.entries[self.cursor]
                assert isinstance(entry, CallEntry)
                rule = "approved in the pane" if allowed else "denied in the pane"
                self.document.answering(self.cursor, allowed)
                self.post_message(CallAnswered(entry.call, allowed, rule))
        self.repaint()

    def answer_failed(self, call: str) -> None:
        """The answer has not reached the daemon: the card can be answered again."""
        for index in self.document.waiting():
            entry = self.document.entries[index]
            if isinstance(entry, CallEntry) and entry.call == call:
                self.document.answering(index, None)
        self.repaint()

    def action_copy(self) -> None:
        """Copy what is marked, else the entry under the cursor."""
        if self.marking is not None:
            text = self._marked_text(self.marking)
            self.marking = None
            self.post_message(CopyWanted(text))
        elif self.cursor is not None:
            self.post_message(CopyWanted(plain_text(self.document.entries[self.cursor])))
        self.repaint()

    def action_whole(self) -> None:
        """Show the whole output of the call under the cursor."""
        entry = self.document.entries[self.cursor] if self.cursor is not None else None
        if isinstance(entry, CallEntry) and entry.whole is not None:
            self.post_message(WholeOutputWanted(entry.whole.sha256, entry.title or entry.name))

    def action_page(self, pages: float) -> None:
        """Scroll by so many pages."""
        lines = max(1, int(abs(pages) * (self.size.height - 1))) * (1 if pages > 0 else -1)
        if self.marking is not None and self.marking.by_keys:
            self._mark_moved(lines)
            return
        self.viewport.scroll(lines)
        self.repaint()

    def action_start(self) -> None:
        """Go to the beginning."""
        if self.marking is not None and self.marking.by_keys:
            self.marking.move(Place(0, 0))
        self.viewport.start()
        self.repaint()

    def action_end(self) -> None:
        """Go to the end and follow it."""
        self.viewport.follow()
        rows = self.viewport.rows()
        if self.marking is not None and self.marking.by_keys and rows:
            self.marking.move(rows[-1])
        self.repaint()

    def action_mark(self) -> None:
        """In copy mode: begin to mark lines here, or leave off. Elsewhere: enter copy mode."""
        if self.marking is None:
            self.copy_mode()
        else:
            self.marking.toggle()
        self.repaint()

    def copy_mode(self) -> None:
        """Move by lines with tmux's keys, mark with v, copy with y or enter."""
        self.focus()
        if self._rows:
            self.marking = Marking(self._rows[-1], by_keys=True)
        self.repaint()

    def _mark_moved(self, lines: int) -> None:
        assert self.marking is not None
        place = self.viewport.moved(self.marking.cursor, lines)
        self.marking.move(place)
        self.viewport.reveal(*place)
        self.repaint()

    def action_search(self) -> None:
        """Open the search line."""
        self.post_message(self.SearchWanted())

    def find(self, needle: str) -> None:
        """Search; an empty text ends it. The first hit is looked for from what is seen, upwards."""
        self.finder = Finder(needle) if needle else None
        if self.finder is not None and self._rows:
            self._show(self.finder.step(self.document, False, self._rows[-1].entry))
        self.repaint()

    def action_hit(self, forward: bool) -> None:
        """Go to the next hit, or the one before."""
        if self.finder is not None and self._rows:
            self._show(self.finder.step(self.document, forward, self._rows[0].entry))
            self.repaint()

    def _show(self, hit: tuple[int, int] | None) -> None:
        finder = self.finder
        if hit is None or finder is None or finder.now is None:
            return
        if finder.needle not in self._text_of(hit[0]):
            self.document.fold(hit[0], True)
        self._move_to(hit[0], reveal=False)
        self.viewport.reveal(hit[0], finder.line(self.document, finder.now))

    def _text_of(self, entry: int) -> str:
        document = self.document
        lines = (document.line(entry, number) for number in range(document.height(entry)))
        return "\n".join(map(plain, lines)).lower()

    def action_stop(self) -> None:
        """End the agent's turn."""
        self.post_message(StopRequested(self.agent))

    def action_leave(self, write: bool = False) -> None:
        """Leave copy mode, else the search, else the transcript."""
        if write:
            self.post_message(self.ComposerWanted())
        elif self.marking is not None:
            self.marking = None
        elif self.finder is not None:
            self.finder = None
        else:
            self.post_message(FrameFocusWanted())
        self.repaint()
