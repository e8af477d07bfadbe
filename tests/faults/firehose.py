"""A program that journals as fast as it can and serves what it journals: the middle of a daemon.

Journal, bus, server, connections and subscriptions are the daemon's own; sixteen tasks take the
place of its agents. ``python firehose.py HOME``, then on stdin a number: so many events are
journaled, and a line of JSON says how long that took and how large this process is. With a second
argument it is broken on purpose: it keeps a queue for each client, as if a queue were nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mato.bus import Bus
from mato.config.paths import find
from mato.daemon import server
from mato.daemon.sink import AgentSink
from mato.daemon.subscription import Subscription
from mato.processes import ChildRecords
from mato.protocol.methods import Request, Subscribe, Welcome
from mato.protocol.version import PROTOCOL
from mato_sessions.clock import SystemClock
from mato_sessions.errors import UsageError
from mato_sessions.events import Draft, SessionOpened, TextStreamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

AGENTS = 16
STRETCHES = 20
"""Of one agent in one commit. Agents write such stretches when they stream fast."""
TEXT = "A line of an answer, about as long as what comes in a fifth of a second. "


class Front:
    """Takes subscriptions and nothing else."""

    def __init__(self, journal: Journal, bus: Bus, hoards: bool) -> None:
        self._journal = journal
        self._bus = bus
        self._hoards = hoards
        self._hoard: list[bytes] = []

    def clean(self, text: str) -> str:
        return text

    def welcome(self) -> Welcome:
        epoch, position = self._journal.epoch, self._bus.position
        return Welcome(PROTOCOL, "test", os.getpid(), epoch, position)

    async def answer(self, request: Request) -> Any:
        raise UsageError("only subscriptions are taken here")

    def subscription(
        self, request: Subscribe, send: Callable[[bytes], Awaitable[None]]
    ) -> Subscription:
        kept = self._keep if self._hoards else send
        return Subscription(self._journal, self._bus, request, kept)

    async def _keep(self, payload: bytes) -> None:
        self._hoard.append(payload)


async def _stream(sink: AgentSink, name: str, count: int) -> None:
    offset = 0
    while count:
        now = min(STRETCHES, count)
        bodies = [
            TextStreamed(stream=name, attempt=1, offset=offset + number * len(TEXT), text=TEXT)
            for number in range(now)
        ]
        await sink.record(*bodies, turn="t-1")
        offset += now * len(TEXT)
        count -= now


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _obey(journal: Journal, bus: Bus, records: ChildRecords) -> None:
    sinks = [AgentSink("s-1", f"a-{number}", journal, bus, records) for number in range(AGENTS)]
    for order in range(1_000_000):
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line.strip():
            return
        begun = time.monotonic()
        async with asyncio.TaskGroup() as agents:
            for sink in sinks:
                name = f"r-{order}/1/{sink.agent}"
                agents.create_task(_stream(sink, name, int(line) // AGENTS))
        took_s = time.monotonic() - begun
        said = {"took_s": took_s, "bytes": resident_bytes(), "position": bus.position}
        print(json.dumps(said), flush=True)


async def main(home: Path, hoards: bool) -> None:
    paths = find({**os.environ, "MATO_HOME": str(home)})
    clock = SystemClock()
    async with Journal.open(home / "journal.sqlite3", clock=clock, redactor=Redactor()) as journal:
        bus = Bus(journal.position)
        journal.listen(bus.publish)
        front = server.Server(server.listen(paths), Front(journal, bus, hoards))
        opened = SessionOpened(name="one", cwd="/", mode="ask", trusted=False, mato="test")
        await journal.append([Draft(session="s-1", body=opened)])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(front.run())
            print(json.dumps({"bytes": resident_bytes()}), flush=True)
            await _obey(journal, bus, ChildRecords(home / "children", journal.epoch))
            await front.close("that is all")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), len(sys.argv) > 2))
