"""A journal of a million events after `kill -9`, against one that is as good as empty.

Both are started, killed and started again; what is told is of that last start. The attached session
has ten thousand events in the one and a single turn in the other.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import history
from benchmarks.home import END_S, Home, environment, mato
from benchmarks.processes import resident_mb
from benchmarks.report import Figure, Result, Yardstick, median, spread
from benchmarks.terminal import Terminal
from mato.client.start import start
from mato_sessions.errors import DaemonError

SESSIONS, EVENTS = 100, 10_000
RUNS = 5
SIZE = (160, 48)
LAST = "work-1"
"""The session that is attached."""


class _Home(Home):
    """One whose daemon is started here, and may be killed."""

    def begin(self) -> float:
        """Start the daemon; seconds until it serves."""
        started = time.perf_counter()
        start(self.paths, self.env)
        took = time.perf_counter() - started
        self.look()
        return took

    def look(self) -> None:
        """See which daemon serves now."""
        self.pid = int(self.request("daemon.status")["pid"])

    def kill(self) -> None:
        """End the daemon as a crash would; nothing of it runs when this returns."""
        handle = os.pidfd_open(self.pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], END_S)
        finally:
            os.close(handle)


class _Times:
    """What was measured of one journal."""

    def __init__(self) -> None:
        self.serving: list[float] = []
        self.begun: list[float] = []
        self.painted: list[float] = []
        self.daemon_mb: list[float] = []
        self.client_mb: list[float] = []


def measure() -> Result:
    """Both in turn, so that whatever else the machine does meets both alike."""
    with (
        _prepared(1, 0) as (empty, _),
        _prepared(SESSIONS, EVENTS) as (full, events),
    ):
        small, large = _Times(), _Times()
        empty.begin()
        first_s = full.begin()
        _attach(empty)  # the first run may compile and fill caches
        _attach(full)
        for _ in range(RUNS):
            _run(empty, small)
            _run(full, large)
    base = "an empty journal"
    return Result(
        (
            _ms("serves after kill -9", large.serving, small.serving),
            _ms("first pane after kill -9", large.begun, small.begun),
            _ms("first pane, daemon running", large.painted, small.painted),
            _mb("memory of the daemon", large.daemon_mb, small.daemon_mb),
            _mb("memory of the client", large.client_mb, small.client_mb),
            Figure("first start, nothing kept", 1000 * first_s, "ms",
                   Yardstick(base, 1000 * median(small.serving))),
        ),
        (
            f"{events:,} events in {SESSIONS} sessions; medians of {RUNS} in turn, ±"
            f" {100 * spread(large.painted):.0f} %; the first pane shows the end of the session",
        ),
    )  # fmt: skip


def _ms(name: str, values: list[float], base: list[float]) -> Figure:
    return Figure(
        name, 1000 * median(values), "ms", Yardstick("an empty journal", 1000 * median(base))
    )


def _mb(name: str, values: list[float], base: list[float]) -> Figure:
    return Figure(name, median(values), "MB", Yardstick("an empty journal", median(base)))


def _run(home: _Home, times: _Times) -> None:
    home.kill()
    times.begun.append(_attach(home)[0])  # it starts the daemon
    home.look()
    home.kill()
    times.serving.append(home.begin())
    painted, client_mb = _attach(home)
    times.painted.append(painted)
    times.client_mb.append(client_mb)
    times.daemon_mb.append(resident_mb(home.pid))


def _attach(home: _Home) -> tuple[float, float]:
    """Seconds until the end of the last answer is on screen; then the client's memory, in MB."""
    with Terminal(mato("attach", LAST), home.env, SIZE) as terminal:
        painted = terminal.wait_for(history.signature(LAST)) - terminal.started
        terminal.wait_for_quiet(1.0)
        return painted, resident_mb(terminal.pid)


@contextmanager
def _prepared(sessions: int, events: int) -> Generator[tuple[_Home, int]]:
    """A home with a journal of so many sessions, and how many events there are; no daemon yet."""
    with TemporaryDirectory(prefix="mato-bench-") as folder:
        home = _Home(Path(folder), environment(Path(folder)))
        home.paths.journal.parent.mkdir(parents=True, mode=0o700)
        written = asyncio.run(history.write(home.paths.journal, home.workspace, sessions, events))
        try:
            yield home, written
        finally:
            if home.pid:
                with suppress(DaemonError, ProcessLookupError):
                    home.kill()
