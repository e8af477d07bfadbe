"""The time as everything that is drawn shows it: a second begins everywhere at once."""

from __future__ import annotations

from collections.abc import Callable

SECOND_US = 1_000_000


class ShownTime:
    """A wall clock that goes on when it is looked at, by a second at least or when told to."""

    def __init__(self, wall_us: Callable[[], int]) -> None:
        self._wall_us = wall_us
        self._now_us = wall_us()

    def now_us(self) -> int:
        """What to show; at most a second old."""
        now_us = self._wall_us()
        if not 0 <= now_us - self._now_us < SECOND_US:
            self._now_us = now_us
        return self._now_us

    def go_on(self, *, at_once: bool) -> bool:
        """Show the time that it is now, or only if that is due; whether it is another one."""
        before_us = self._now_us
        if at_once:
            self._now_us = self._wall_us()
        return self.now_us() != before_us
