"""What an agent has said and done: a view of its entries that costs what is visible of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from mato_panes.guarding import Guard
from mato_panes.kinds.keys import READING
from mato_panes.messages import (
    CallAnswered,
    CopyWanted,
    FrameFocusWanted,
    GoOnWanted,
    StopRequested,
    WholeOutputWanted,
)
from mato_panes.rendering.document import Document
from mato_panes.rendering.entry import waiting_line
from mato_panes.rendering.line import Line, clip
from mato_panes.rendering.paint import Look, Paint
from mato_panes.rendering.reply import Reply, rule
from mato_panes.rendering.viewport import Viewport
from mato_panes.store import Wait
from mato_panes.widgets.marking import Marking
from mato_panes.widgets.paint import app_of
from mato_panes.widgets.reading import Reading
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
        Binding(",".join(key.keys), key.action, key.title, show=False) for key in READING
    ]

    class SearchWanted(Message):
        """The search line shall open."""

    class ComposerWanted(Message):
        """The person wants to write."""

    def __init__(self, agent: str, entries: Sequence[AnyEntry]) -> None:
        super().__init__()
        self.agent = agent
        self.reading = Reading(entries)
        self.guard = Guard()
        """Of the cards that wait."""
        self._pressed_s = 0.0
        self._painted: list[tuple[Line, Look]] = []
        self._strips: LRUCache[tuple[Line, Look], Strip] = LRUCache(512)
        self._paint: Paint | None = None
        self._dragged = False
        self._thumb_held = False

    @property
    def document(self) -> Document:
        return self.reading.document

    @property
    def viewport(self) -> Viewport:
        return self.reading.viewport

    # --- what is shown ----------------------------------------------------------------------

    def sync(
        self, changed: Iterable[int], now_us: int, wait: Wait | None = None, hint: str = ""
    ) -> None:
        """Show what has changed in the entries, by index, ascending.

        `now_us` is the time that running things have reached, by the clock of `mono_us`; `wait`
        what the agent waits for; `hint` shown text where there are no entries.
        """
        self.reading.sync(changed, now_us)
        self.reading.note = waiting_line(wait, now_us, self.document.width) if wait else ()
        self.reading.hint = clip(((hint, "dim"),), self.document.width)
        self.repaint(by_hand=False)

    def repaint(self, *, by_hand: bool = True) -> None:
        """Ask for a new picture of the rows that look different from the last one."""
        if not self.is_mounted:
            return
        before = self._painted
        self._painted = painted = self.reading.look(focused=self.has_focus)
        self.guard.drawn(self.reading.questions(), monotonic(), by_hand=by_hand)
        if len(before) != len(painted):
            self.refresh()
            return
        changed = [y for y, row in enumerate(painted) if row != before[y]]
        if not changed:
            return
        width = self.size.width
        first, last = changed[0], changed[-1]
        if len(changed) * 2 > last - first:
            self.refresh(Region(0, first, width, last - first + 1))
        else:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

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
        self.reading.height = event.size.height
        self._painted = []
        self.repaint(by_hand=False)

    def watch_has_focus(self, _has_focus: bool) -> None:
        super().watch_has_focus(_has_focus)
        self.document.focus(_has_focus)
        if _has_focus:
            self.reading.attend()
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
        self.reading.marking = None
        if event.x == self.size.width - 1 and self.viewport.thumb() is not None:
            self._thumb_held = True
            self._go_to_row(event.y)
        elif place := self.reading.place_at(event.y):
            self.reading.marking = Marking(place, max(0, event.x - 1))
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        marking = self.reading.marking
        if self._thumb_held:
            self._go_to_row(event.y)
        elif marking is not None and not marking.by_keys and event.button:
            if event.y < 0 or event.y >= self.size.height:
                self.viewport.scroll(-1 if event.y < 0 else 1)
                self.repaint()
            row = min(max(0, event.y), len(self.reading.rows) - 1)
            if place := self.reading.place_at(row):
                marking.move(place, max(0, event.x - 1))
                self._dragged = True
                self.repaint()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        if self._thumb_held:
            self._thumb_held = False
            return
        marking = self.reading.marking
        if event.button != 1 or (marking is not None and marking.by_keys):
            return
        if marking is not None and self._dragged and (text := self.reading.marked(marking)):
            # The marking stays in sight until the next click.
            self.post_message(CopyWanted(text))
        else:
            self.reading.marking = None
            self._clicked(event.y)
        self.repaint()

    def _clicked(self, y: int) -> None:
        if y == self.size.height - 1 and self.reading.badge():
            self.reading.end()
        elif place := self.reading.place_at(y):
            self.reading.put(place.entry)
            self.reading.unfold()

    def _go_to_row(self, y: int) -> None:
        self.viewport.go(self.viewport.place_at(max(0, y) / max(1, self.size.height - 1)))
        self.repaint()

    def on_key(self, event: events.Key) -> None:
        self._pressed_s = event.time  # the actions, which come next, are not told

    # --- actions ----------------------------------------------------------------------------

    def action_cursor(self, step: int) -> None:
        """Go to the next or previous entry, or line in copy mode."""
        self.reading.step(step)
        self.repaint()

    def action_unfold(self) -> None:
        """Fold or unfold the entry; in copy mode enter copies."""
        if self.reading.marks_by_keys:
            self.action_copy()
        else:
            self.reading.unfold()
            self.repaint()

    def action_answer(self, reply: Reply) -> None:
        """Answer the call under the cursor, or go to one that waits."""
        if entry := self.reading.answer(reply, lambda call: self.guard.lets(call, self._pressed_s)):
            said = rule(entry.question, reply, "in the pane")
            self.post_message(CallAnswered(entry.call, reply, said))
        self.repaint()

    def answer_failed(self, call: str) -> None:
        """The answer has not reached the daemon: the card can be answered again."""
        self.reading.answer_failed(call)
        self.repaint()

    def action_copy(self) -> None:
        """Copy what is marked, else the entry under the cursor."""
        if (text := self.reading.copied()) is not None:
            self.post_message(CopyWanted(text))
        self.repaint()

    def action_whole(self) -> None:
        """Show the whole output of the call under the cursor."""
        entry = self.reading.entry
        if isinstance(entry, CallEntry) and entry.whole is not None:
            self.post_message(WholeOutputWanted(entry.whole.sha256, entry.title or entry.name))

    def action_page(self, pages: float) -> None:
        """Scroll by so many pages."""
        self.reading.page(pages)
        self.repaint()

    def action_start(self) -> None:
        """Go to the beginning."""
        self.reading.start()
        self.repaint()

    def action_end(self) -> None:
        """Go to the end and follow it."""
        self.reading.end()
        self.repaint()

    def action_mark(self) -> None:
        """In copy mode: begin to mark lines here, or leave off. Elsewhere: enter copy mode."""
        if self.reading.marking is None:
            self.reading.copy_mode()
        else:
            self.reading.marking.toggle()
        self.repaint()

    def copy_mode(self) -> None:
        """Move by lines with tmux's keys, mark with v, copy with y or enter."""
        self.focus()
        self.reading.copy_mode()
        self.repaint()

    def action_search(self) -> None:
        """Open the search line."""
        self.post_message(self.SearchWanted())

    def find(self, needle: str) -> None:
        """Search; an empty text ends it."""
        self.reading.find(needle)
        self.repaint()

    def action_hit(self, forward: bool) -> None:
        """Go to the next hit, or the one before."""
        self.reading.hit(forward)
        self.repaint()

    def action_stop(self) -> None:
        """End the agent's turn."""
        self.post_message(StopRequested(self.agent))

    def action_go_on(self) -> None:
        """Let the paused agent go on."""
        self.post_message(GoOnWanted(self.agent))

    def action_leave(self, write: bool = False) -> None:
        """Leave copy mode, else the search, else the transcript."""
        if write:
            self.post_message(self.ComposerWanted())
        elif self.reading.marking is not None:
            self.reading.marking = None
        elif self.reading.finder is not None:
            self.reading.finder = None
        else:
            self.post_message(FrameFocusWanted())
        self.repaint()
