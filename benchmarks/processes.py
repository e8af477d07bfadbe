"""What a process costs while it is watched: processor time and wake-ups, read from /proc.

`/proc/PID/stat` counts in hundredths of a second, too coarse for a process that idles, so the
scheduler's own nanoseconds are added up over the threads.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec


class Cost(msgspec.Struct, frozen=True):
    """What a process used in a span of time."""

    seconds: float
    cpu_s: float
    wakeups: int
    """Voluntary context switches: how often one of its threads had waited and was woken."""

    @property
    def cpu_percent(self) -> float:
        """Of one processor."""
        return 100 * self.cpu_s / self.seconds

    @property
    def wakeups_per_s(self) -> float:
        return self.wakeups / self.seconds


class Meter:
    """Reads a running process between its making and `read`."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid) / "task"
        self._start = time.perf_counter()
        self._before = self._threads()

    def read(self) -> Cost:
        """The cost since this was made. Threads that have ended meanwhile are not in it.

        Raises:
            ProcessLookupError: the process has ended.
        """
        after = self._threads()
        seconds = time.perf_counter() - self._start
        nanoseconds = wakeups = 0
        for thread, (ran, woken) in after.items():
            ran_before, woken_before = self._before.get(thread, (0, 0))
            nanoseconds += ran - ran_before
            wakeups += woken - woken_before
        return Cost(seconds, nanoseconds / 1e9, wakeups)

    def _threads(self) -> dict[str, tuple[int, int]]:
        """Thread → nanoseconds on a processor, voluntary context switches."""
        found: dict[str, tuple[int, int]] = {}
        try:
            threads = list(self._folder.iterdir())
        except FileNotFoundError as error:
            raise ProcessLookupError(f"process {self._folder.parent.name} has ended") from error
        for thread in threads:
            try:
                ran = int((thread / "schedstat").read_text().split()[0])
                status = (thread / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended just now
            found[thread.name] = (ran, _voluntary(status))
        return found


def resident_mb(pid: int) -> float:
    """Memory of a process that is in RAM now, in MB."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    return _field(status, "VmRSS:") * 1024 / 1e6


def _voluntary(status: str) -> int:
    return _field(status, "voluntary_ctxt_switches:")


def _field(status: str, name: str) -> int:
    for line in status.splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ValueError(f"{name!r} is not in the process's status")
