"""Marked text of a transcript: by mouse from cell to cell, by keys (copy mode) in whole lines."""

from __future__ import annotations

from mato_panes.rendering.viewport import Place


class Marking:
    """What is marked, from where it began to where the cursor is."""

    def __init__(self, place: Place, cell: int = 0, *, by_keys: bool = False) -> None:
        self.by_keys = by_keys
        self.cursor = place
        self.cell = cell
        self._began: tuple[Place, int] | None = None if by_keys else (place, cell)

    def move(self, place: Place, cell: int = 0) -> None:
        """The cursor is at another place."""
        self.cursor, self.cell = place, cell

    def toggle(self) -> None:
        """Begin to mark at the cursor, or leave off."""
        self._began = (self.cursor, 0) if self._began is None else None

    def ends(self) -> tuple[Place, Place]:
        """The first and the last marked line; only the cursor's when nothing is marked."""
        began = self._began[0] if self._began else self.cursor
        return min(began, self.cursor), max(began, self.cursor)

    def span(self, place: Place) -> tuple[int, int] | None:
        """Cells (first, end) of a line that are marked, end -1 for its end; None: nothing of it."""
        first, last = self.ends()
        if not first <= place <= last:
            return None
        if self.by_keys or self._began is None:
            return 0, -1
        begin, finish = sorted([self._began, (self.cursor, self.cell)])
        return (
            begin[1] if place == begin[0] else 0,
            finish[1] + 1 if place == finish[0] else -1,
        )
