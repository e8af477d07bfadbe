"""Time as a dependency: who needs it is given a clock, so that tests and replay own it."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Three readings; none of them ever blocks."""

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, for people. May jump."""
        ...

    def mono_us(self) -> int:
        """Microseconds on a clock that never goes back within one boot."""
        ...

    def boot(self) -> str:
        """Names the boot in which `mono_us` counts."""
        ...


@lru_cache(maxsize=1)
def _boot_id() -> str:
    # The first group is enough to tell boots apart, and every envelope carries it.
    return Path("/proc/sys/kernel/random/boot_id").read_text().split("-", 1)[0]


class SystemClock:
    """The machine's clocks. CLOCK_BOOTTIME goes on while the machine is suspended."""

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def mono_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def boot(self) -> str:
        return _boot_id()


class ManualClock:
    """A clock that moves when told; for tests and simulations."""

    def __init__(self, wall_us: int = 1_700_000_000_000_000, mono_us: int = 0) -> None:
        self._wall_us = wall_us
        self._mono_us = mono_us

    def wall_us(self) -> int:
        return self._wall_us

    def mono_us(self) -> int:
        return self._mono_us

    def boot(self) -> str:
        return "testboot"

    def advance(self, delta_us: int) -> None:
        """Move both clocks forward by `delta_us` (≥ 0)."""
        if delta_us < 0:
            raise ValueError(f"a monotonic clock cannot go back by {delta_us!r} µs")
        self._wall_us += delta_us
        self._mono_us += delta_us

    def jump(self, delta_us: int) -> None:
        """Let the wall clock alone jump, as NTP or a person does."""
        self._wall_us += delta_us
