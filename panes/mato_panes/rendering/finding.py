"""Searching a transcript: in what entries say, not in how it happens to be wrapped."""

from __future__ import annotations

from typing import NamedTuple

from mato_panes.rendering.document import Document
from mato_panes.rendering.entry import plain_text
from mato_panes.rendering.line import plain


class Hit(NamedTuple):
    """An occurrence: the entry's index and which occurrence in it."""

    entry: int
    number: int


class Finder:
    """The occurrences of a text, letter case ignored, and the one that is looked at.

    Entries that have not changed are not searched again.
    """

    def __init__(self, needle: str) -> None:
        self.needle = needle.lower()
        self.now: Hit | None = None
        self._counts: list[int] = []
        self._revisions: list[tuple[str, int]] = []

    def count(self, document: Document) -> int:
        """How many occurrences there are."""
        return sum(self._found(document))

    def position(self, document: Document) -> int:
        """Which of all occurrences is looked at, from 1; 0: none."""
        if self.now is None:
            return 0
        return sum(self._found(document)[: self.now.entry]) + self.now.number + 1

    def _found(self, document: Document) -> list[int]:
        entries = document.entries
        del self._counts[len(entries) :], self._revisions[len(entries) :]
        for index, entry in enumerate(entries):
            state = (entry.key, entry.revision)
            if index < len(self._revisions) and self._revisions[index] == state:
                continue
            count = plain_text(entry).lower().count(self.needle) if self.needle else 0
            if index < len(self._revisions):
                self._counts[index], self._revisions[index] = count, state
            else:
                self._counts.append(count)
                self._revisions.append(state)
        return self._counts

    def step(self, document: Document, forward: bool, start: int) -> Hit | None:
        """Go to the next occurrence, or the one before; the first time from the entry `start`.

        After the last one comes the first.
        """
        counts = self._found(document)
        if not any(counts):
            self.now = None
            return None
        if self.now is not None and self.now.entry < len(counts):
            number = self.now.number + (1 if forward else -1)
            if 0 <= number < counts[self.now.entry]:
                self.now = Hit(self.now.entry, number)
                return self.now
            entry = self.now.entry + (1 if forward else -1)
        else:
            entry = start
        for _ in range(len(counts) + 1):
            entry %= len(counts)
            if counts[entry]:
                self.now = Hit(entry, 0 if forward else counts[entry] - 1)
                return self.now
            entry += 1 if forward else -1
        return None

    def line(self, document: Document, hit: Hit) -> int:
        """The line of the entry in which the occurrence is seen; its first where it is not."""
        left = hit.number
        best = document.gap(hit.entry)
        for number in range(document.height(hit.entry)):
            count = plain(document.line(hit.entry, number)).lower().count(self.needle)
            if count:
                best = number
                left -= count
                if left < 0:
                    break
        return best
