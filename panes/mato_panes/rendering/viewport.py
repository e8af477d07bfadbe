"""Which lines of a document are seen: a place that stays, or the end that is followed.

The place is an entry and a line in it, never a number of lines from the top: what is rendered,
estimated or added elsewhere cannot move what the reader sees.
"""

from __future__ import annotations

from typing import NamedTuple

from mato_panes.rendering.document import Document


class Place(NamedTuple):
    """A line: the entry's index and the line's number in it."""

    entry: int
    line: int


class Viewport:
    """A window of `height` lines on `document`."""

    def __init__(self, document: Document, height: int) -> None:
        self.document = document
        self.height = height
        self.following = True
        self.top = Place(0, 0)
        """The first line seen; while following, as of the last `rows`."""
        self._left_at = 0  # how many entries there were when the end was left

    def rows(self) -> list[Place]:
        """The lines that are seen, at most `height`."""
        if self.height < 1 or not self.document.entries:
            return []
        if not self.following:
            rows = self._from(self._clamped(self.top))
            if len(rows) == self.height:
                self.top = rows[0]
                return rows
            # Fewer lines than there is room for: what is below cannot be missed, so follow it.
            self.following = True
        self.top = self._last_top()
        return self._from(self.top)

    def _from(self, place: Place) -> list[Place]:
        rows: list[Place] = []
        entry, line = place
        count = len(self.document.entries)
        while entry < count and len(rows) < self.height:
            height = self.document.height(entry)
            take = min(height - line, self.height - len(rows))
            rows.extend(Place(entry, line + step) for step in range(take))
            entry, line = entry + 1, 0
        return rows

    def _last_top(self) -> Place:
        """The place from which exactly the last lines are seen."""
        need = self.height
        for entry in range(len(self.document.entries) - 1, -1, -1):
            need -= self.document.height(entry)
            if need <= 0:
                return Place(entry, -need)
        return Place(0, 0)

    def _clamped(self, place: Place) -> Place:
        """The nearest place that exists."""
        count = len(self.document.entries)
        if place.entry >= count:
            return Place(count - 1, self.document.height(count - 1) - 1)
        return Place(place.entry, min(place.line, self.document.height(place.entry) - 1))

    def moved(self, place: Place, lines: int) -> Place:
        """The place so many lines further down, or up; within the document."""
        if not self.document.entries:
            return Place(0, 0)
        entry, line = self._clamped(place)
        line += lines
        while line < 0 and entry > 0:
            entry -= 1
            line += self.document.height(entry)
        count = len(self.document.entries)
        while line >= (height := self.document.height(entry)):
            if entry + 1 >= count:
                return Place(entry, height - 1)
            line -= height
            entry += 1
        return Place(entry, max(0, line))

    def scroll(self, lines: int) -> None:
        """Look further down, or up. At the end it is followed again."""
        if lines < 0 and self.following:
            self.rows()
            self._leave()
        self.go(self.moved(self.top, lines))

    def go(self, place: Place) -> None:
        """Look at this line, as the first one if there are enough after it."""
        if not self.document.entries:
            return
        last = self._last_top()
        if place >= last:
            self.follow()
        else:
            self._leave()
            self.top = place

    def follow(self) -> None:
        """Look at the end, and stay there."""
        self.following = True

    def start(self) -> None:
        """Look at the beginning."""
        self.go(Place(0, 0))

    def _leave(self) -> None:
        if self.following:
            self.following = False
            self._left_at = len(self.document.entries)

    def fresh(self) -> int:
        """How many entries have come since the end was left."""
        return 0 if self.following else max(0, len(self.document.entries) - self._left_at)

    def reveal(self, entry: int, line: int | None = None) -> None:
        """Scroll as little as needed to see an entry (of a long one its beginning) or a line."""
        rows = self.rows()
        if not rows:
            return
        first = Place(entry, self.document.gap(entry) if line is None else line)
        height = self.document.height(entry)
        final = Place(entry, height - 1) if line is None else first
        if first < rows[0] or final.line - first.line >= self.height:
            self.go(first)
        elif final > rows[-1]:
            self.go(self.moved(final, 1 - self.height))

    def place_at(self, fraction: float) -> Place:
        """The place about so far down the document (0 … 1), by estimated heights."""
        target = fraction * self.document.total
        for entry, size in enumerate(self.document.sizes):
            if target < size:
                return Place(entry, int(target))
            target -= size
        return Place(max(0, len(self.document.sizes) - 1), 0)

    def thumb(self) -> tuple[int, int] | None:
        """(first row, rows) of the scrollbar's thumb; None when all is seen."""
        total = self.document.total
        if total <= self.height or self.height < 1:
            return None
        size = max(1, round(self.height * self.height / total))
        if self.following:
            return self.height - size, size
        above = sum(self.document.sizes[: self.top.entry]) + self.top.line
        room = self.height - size
        return min(room, round(room * above / max(1, total - self.height))), size

    def rewrap(self, width: int) -> None:
        """Give the document another width; the line that was first stays about where it was."""
        if not self.following and self.document.entries:
            top = self._clamped(self.top)
            share = top.line / self.document.height(top.entry)
            self.document.rewrap(width)
            self.top = Place(top.entry, int(share * self.document.height(top.entry)))
        else:
            self.document.rewrap(width)
