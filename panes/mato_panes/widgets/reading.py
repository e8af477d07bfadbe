"""Where somebody is in a transcript: what is seen, the cursor, a search, what is marked.

No widget: the same reading could be drawn by anything that shows lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mato_panes.rendering.document import Document
from mato_panes.rendering.entry import plain_text
from mato_panes.rendering.finding import Finder, Hit
from mato_panes.rendering.line import Line, plain
from mato_panes.rendering.paint import Look, index_at
from mato_panes.rendering.reply import Reply, replies
from mato_panes.rendering.viewport import Place, Viewport
from mato_panes.widgets.marking import Marking
from mato_sessions.entries import AnyEntry, CallEntry

LEAST_NOTED = 5
"""Rows of a picture that has room for a note below the end."""


class Reading:
    """One reader of the entries; `look` gives the picture after anything was done."""

    def __init__(self, entries: Sequence[AnyEntry]) -> None:
        self.document = Document(entries, 80)
        self.viewport = Viewport(self.document, 0)
        self.height = 0
        """Rows of the picture."""
        self.hint: Line = ()
        """Shown where there is no entry."""
        self.note: Line = ()
        """Shown below the end: what is waited for."""
        self.rows: list[Place] = []
        """The lines that the last picture showed."""
        self.cursor: int | None = None
        """Index of the entry that keys act on."""
        self.finder: Finder | None = None
        self.marking: Marking | None = None
        """Copy mode, or a selection by mouse."""
        self._top_key = ""
        self._cursor_key = ""
        self._origin = 0  # where a search began: each letter searches from there again

    # --- the picture ------------------------------------------------------------------------

    def sync(self, changed: Iterable[int], now_us: int) -> None:
        """Take in what has changed; the reader's entry and the cursor's are found again."""
        self.document.update(changed)
        self.document.tick(now_us)
        if not self.viewport.following and self._top_key:
            top = self.viewport.top
            found = self._index_of(self._top_key, top.entry)
            if found is not None:
                self.viewport.top = Place(found, top.line)
        if self.cursor is not None:
            found = self._index_of(self._cursor_key, self.cursor)
            last = len(self.document.entries) - 1
            self.cursor = (
                (min(self.cursor, last) if last >= 0 else None) if found is None else found
            )

    def _index_of(self, key: str, guess: int) -> int | None:
        entries = self.document.entries
        if guess < len(entries) and entries[guess].key == key:
            return guess
        return next((i for i in range(len(entries) - 1, -1, -1) if entries[i].key == key), None)

    def look(self, *, focused: bool) -> list[tuple[Line, Look]]:
        """Line and decorations of every row."""
        document, finder, marking = self.document, self.finder, self.marking
        height = self.height
        noted = bool(self.note) and self.viewport.following and height >= LEAST_NOTED
        self.viewport.height = height - 2 if noted else height
        self.rows = rows = self.viewport.rows()
        below: dict[int, Line] = {len(rows) + 1: self.note} if noted and rows else {}
        if not rows:
            below[0] = self.note or self.hint
        self._top_key = document.entries[rows[0].entry].key if rows else ""
        thumb = self.viewport.thumb()
        hit = finder.now if finder else None
        hit_place = Place(hit.entry, finder.line(document, hit)) if finder and hit else None
        cursor = self.cursor if focused and marking is None else None
        badge = self.badge()
        looks: list[tuple[Line, Look]] = []
        for y in range(height):
            in_thumb = None if thumb is None else thumb[0] <= y < thumb[0] + thumb[1]
            if thumb is not None and noted and y >= self.viewport.height:
                in_thumb = True  # at the end, where the thumb is
            note = badge if y == height - 1 else ""
            if y >= len(rows):
                looks.append((below.get(y, ()), Look(thumb=in_thumb, badge=note)))
                continue
            place = rows[y]
            look = Look(
                cursor=place.entry == cursor and place.line >= document.gap(place.entry),
                selected=marking.span(place) if marking else None,
                needle=finder.needle if finder else "",
                found=place == hit_place,
                thumb=in_thumb,
                badge=note,
            )
            looks.append((document.line(*place), look))
        return looks

    def badge(self) -> str:
        """What stands over the last row: the copy mode's place, the hits, or what is below."""
        document = self.document
        if self.marking is not None and self.marking.by_keys:
            at = sum(document.sizes[: self.marking.cursor.entry]) + self.marking.cursor.line
            return f" copy {at + 1}/{document.total} "
        if self.finder is not None:
            position, count = self.finder.position(document), self.finder.count(document)
            return f" {position}/{count} · n N " if count else " not found "
        if self.viewport.following:
            return ""
        fresh = self.viewport.fresh()
        return f" ↓ {fresh} new below " if fresh else " ↓ more below "

    def place_at(self, y: int) -> Place | None:
        """The line that the picture shows in row `y`."""
        return self.rows[y] if 0 <= y < len(self.rows) else None

    @property
    def marks_by_keys(self) -> bool:
        """Whether it is copy mode, where keys move by lines."""
        return self.marking is not None and self.marking.by_keys

    @property
    def entry(self) -> AnyEntry | None:
        """The entry under the cursor."""
        return None if self.cursor is None else self.document.entries[self.cursor]

    # --- moving -----------------------------------------------------------------------------

    def put(self, entry: int) -> None:
        """Put the cursor on an entry."""
        self.cursor = entry
        self._cursor_key = self.document.entries[entry].key

    def _go(self, entry: int) -> None:
        self.put(entry)
        self.viewport.reveal(entry)

    def step(self, step: int) -> None:
        """To the next or previous entry; through a long one, half a page at a time."""
        rows, viewport = self.rows, self.viewport
        if not rows:
            return
        if self.marks_by_keys:
            self._mark_moved(step)
        elif self.cursor is None or not rows[0].entry <= self.cursor <= rows[-1].entry:
            self._go(rows[-1].entry if step < 0 or viewport.following else rows[0].entry)
        elif step > 0 and self._final(self.cursor) > rows[-1]:
            viewport.scroll(viewport.height // 2)
        elif step < 0 and Place(self.cursor, self.document.gap(self.cursor)) < rows[0]:
            viewport.scroll(-(viewport.height // 2))
        elif 0 <= self.cursor + step < len(self.document.entries):
            self._go(self.cursor + step)

    def _final(self, entry: int) -> Place:
        return Place(entry, self.document.height(entry) - 1)

    def page(self, pages: float) -> None:
        """Scroll by so many pages."""
        lines = max(1, int(abs(pages) * (self.viewport.height - 1))) * (1 if pages > 0 else -1)
        if self.marks_by_keys:
            self._mark_moved(lines)
        else:
            self.viewport.scroll(lines)

    def start(self) -> None:
        """To the beginning."""
        if self.marking is not None and self.marking.by_keys:
            self.marking.move(Place(0, 0))
        self.viewport.start()

    def end(self) -> None:
        """To the end, and follow it."""
        self.viewport.follow()
        rows = self.viewport.rows()
        if self.marking is not None and self.marking.by_keys and rows:
            self.marking.move(rows[-1])

    # --- folding, answering -----------------------------------------------------------------

    def unfold(self) -> None:
        """Fold or unfold the entry under the cursor."""
        if self.cursor is not None:
            self.document.fold(self.cursor, not self.document.unfolded(self.cursor))

    def attend(self) -> None:
        """Put the cursor on a call that waits, if it is nowhere yet."""
        if self.cursor is None and (waiting := self.document.waiting()):
            self._go(waiting[0])

    def questions(self) -> dict[str, int]:
        """The calls that wait and whose end is in sight, each with the row of its end."""
        found: dict[str, int] = {}
        for row, (index, line) in enumerate(self.rows):
            entry = self.document.entries[index]
            last = line == self.document.height(index) - 1
            if last and isinstance(entry, CallEntry) and entry.status == "waiting":
                found[entry.call] = row
        return found

    def answer(self, reply: Reply, lets: Callable[[str], bool]) -> CallEntry | None:
        """The call that is answered: the one under the cursor, if it waits and its end is in sight.

        Else None, and the cursor goes to a call that waits, or its end into sight: no key decides
        about something that has just come (`lets` says so), or that nobody can have read.
        """
        waiting = self.document.waiting()
        if not waiting or self.marking is not None:
            return None
        if self.cursor not in waiting:
            self._go(next((i for i in waiting if i > (self.cursor or 0)), waiting[0]))
            return None
        if self._final(self.cursor) not in self.rows:
            self.viewport.reveal(*self._final(self.cursor))
            return None
        entry = self.document.entries[self.cursor]
        if self.document.is_answering(self.cursor) or not isinstance(entry, CallEntry):
            return None
        if not lets(entry.call) or reply not in replies(
            entry.question, entry.decisions, entry.lasting
        ):
            return None
        self.document.answering(self.cursor, reply)
        return entry

    def answer_failed(self, call: str) -> None:
        """The answer has not been taken: the card can be answered again."""
        for index in self.document.waiting():
            entry = self.document.entries[index]
            if isinstance(entry, CallEntry) and entry.call == call:
                self.document.answering(index, None)

    # --- marking, copying -------------------------------------------------------------------

    def copy_mode(self) -> None:
        """Move by lines from now on, from the last one that is seen."""
        if self.rows:
            self.marking = Marking(self.rows[-1], by_keys=True)

    def _mark_moved(self, lines: int) -> None:
        assert self.marking is not None
        place = self.viewport.moved(self.marking.cursor, lines)
        self.marking.move(place)
        self.viewport.reveal(*place)

    def copied(self) -> str | None:
        """What is marked (the marking ends), else what the entry under the cursor says."""
        if self.marking is not None:
            text = self.marked(self.marking)
            self.marking = None
            return text
        return None if self.entry is None else plain_text(self.entry)

    def marked(self, marking: Marking) -> str:
        """The marked lines as they are on the screen, without the spaces at their ends."""
        place, last = marking.ends()
        parts: list[str] = []
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

    # --- searching --------------------------------------------------------------------------

    def find(self, needle: str) -> None:
        """Search upwards from what was seen first; an empty text ends the search."""
        if self.finder is None and self.rows:
            self._origin = self.rows[-1].entry
        self.finder = Finder(needle) if needle else None
        if self.finder is not None and self.rows:
            start = min(self._origin, len(self.document.entries) - 1)
            self._show(self.finder, self.finder.step(self.document, False, start))

    def hit(self, forward: bool) -> None:
        """To the next hit, or the one before."""
        if self.finder is not None and self.rows:
            self._show(self.finder, self.finder.step(self.document, forward, self.rows[0].entry))

    def _show(self, finder: Finder, hit: Hit | None) -> None:
        if hit is None:
            return
        if finder.needle not in self._shown(hit.entry):
            self.document.fold(hit.entry, True)
        self.put(hit.entry)
        self.viewport.reveal(hit.entry, finder.line(self.document, hit))

    def _shown(self, entry: int) -> str:
        document = self.document
        lines = (document.line(entry, number) for number in range(document.height(entry)))
        return "\n".join(map(plain, lines)).lower()
