"""A client that stops reading costs nobody anything, and misses nothing when it reads again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from mato.client.connection import Client
from mato.config.paths import find
from mato.protocol.methods import Subscribe
from mato.testing.invariants import Acked, Evidence, check
from mato_sessions.errors import DaemonError

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

EVENTS = 300_000 if os.environ.get("MATO_SOAK") else 100_000
"""While clients are stalled."""
ROUNDS = 6
GROWTH_BYTES = 32 * 1024 * 1024
"""For a ring of 8 MiB, three connections with 256 KiB each, SQLite's cache, and what Python keeps
for later. A queue for a stalled client would hold all of the events, which is more than that."""
SLOWED = 2.0
"""How much longer the same events may take with stalled clients, on a machine that others use."""


class _Where(msgspec.Struct):
    session: str
    seq: int


class _Packed(msgspec.Struct, array_like=True):
    """What of a packed event says which it is; its body is left alone, for there are many."""

    position: int
    envelope: _Where
    body: msgspec.Raw
    hash: bytes


_PACKED = msgspec.msgpack.Decoder(_Packed)


def acked(raw: msgspec.Raw) -> Acked:
    """What a frame proves of an event."""
    packed = _PACKED.decode(raw)
    return Acked(packed.envelope.session, packed.envelope.seq, packed.hash)


class Said(msgspec.Struct):
    """A line of the firehose."""

    bytes: int
    took_s: float = 0.0
    position: int = 0


class Hose:
    """The firehose, running."""

    def __init__(self, home: Path, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.paths = find({**os.environ, "MATO_HOME": str(home)})
        self.journal = home / "journal.sqlite3"

    async def said(self) -> Said:
        assert self._process.stdout is not None
        return msgspec.json.decode(await self._process.stdout.readline(), type=Said)

    async def produce(self, count: int) -> Said:
        """So many events, journaled when this returns."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n".encode())
        return await self.said()


@asynccontextmanager
async def hose(home: Path, *broken: str) -> AsyncGenerator[Hose]:
    program = str(Path(__file__).with_name("firehose.py"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, program, str(home), *broken),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        running = Hose(home, process)
        await running.said()
        yield running
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Viewer:
    """A client of the session, with what it has seen in its order."""

    def __init__(self, running: Hose, name: str) -> None:
        self._hose = running
        self._name = name
        self._client: Client | None = None
        self.seen: list[Acked] = []
        self.lost = 0

    async def look(self) -> Client:
        """Connect and subscribe after what was seen, if it is not connected."""
        if self._client is None:
            self._client = await Client.connect(self._hose.paths, self._name, start=False)
            after = self.seen[-1].seq if self.seen else 0
            await self._client.request(Subscribe(sessions={"s-1": after}))
        return self._client

    async def read(self, upto: int) -> None:
        """Read until that event, coming back with its cursor where it was cut off."""
        while not self.seen or self.seen[-1].seq < upto:
            client = await self.look()
            try:
                async for frame in client.frames():
                    self.seen += [acked(raw) for raw in frame.events]
                    if self.seen and self.seen[-1].seq >= upto:
                        break
            except DaemonError:
                self.lost += 1
                await self.leave()

    async def leave(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


async def test_clients_that_stop_reading_cost_nothing_and_miss_nothing(tmp_path: Path) -> None:
    count = EVENTS // ROUNDS // 16 * 16

    async def seen_by_brisk(events: int) -> Said:
        """Journal so many, read by one client meanwhile."""
        upto = len(brisk.seen) + events
        reading = asyncio.create_task(brisk.read(upto))
        said = await running.produce(events)
        await reading
        return said

    async with hose(tmp_path) as running:
        brisk, waits, leaves = (Viewer(running, name) for name in ("brisk", "waits", "leaves"))
        await brisk.read(1)
        # The first of them also lets memory and pace find their level.
        alone = [await seen_by_brisk(count) for _ in range(ROUNDS // 2)]
        for stalled in (waits, leaves):  # they have seen all there is, and read no more
            await stalled.read(alone[-1].position)
        beside = [await seen_by_brisk(count) for _ in range(ROUNDS)]
        head = beside[-1].position
        await leaves.leave()
        await waits.read(head)
        await leaves.read(head)
        for viewer in (brisk, waits, leaves):
            await viewer.leave()
    seen = {"brisk": brisk.seen, "waits": waits.seen, "leaves": leaves.seen}
    assert check(Evidence(journal=running.journal, acked=brisk.seen, seen=seen)) == []
    assert brisk.seen == waits.seen == leaves.seen
    assert len(brisk.seen) == head
    assert beside[-1].bytes - alone[-1].bytes < GROWTH_BYTES
    # The best of each, as others use the machine as well.
    best_alone, best_beside = (min(each.took_s for each in said) for said in (alone, beside))
    assert best_beside < SLOWED * best_alone, (alone, beside)


async def test_the_harness_notices_a_gap_a_double_and_a_stranger(tmp_path: Path) -> None:
    async with hose(tmp_path) as running:
        viewer = Viewer(running, "one")
        said = await running.produce(160)
        await viewer.read(said.position)
        await viewer.leave()
    seen = viewer.seen
    broken = {
        "gap": [*seen[:50], *seen[51:]],
        "double": [*seen[:50], *seen[49:]],
        "order": [*seen[:50], seen[51], seen[50], *seen[52:]],
        "stranger": [*seen[:50], msgspec.structs.replace(seen[50], hash=b"x"), *seen[51:]],
    }
    assert check(Evidence(journal=running.journal, seen={"good": seen})) == []
    for name, history in broken.items():
        assert check(Evidence(journal=running.journal, seen={name: history})) != [], name


async def test_the_harness_notices_a_queue_for_each_client(tmp_path: Path) -> None:
    async with hose(tmp_path, "hoards") as running:
        stalled = [Viewer(running, f"stalled-{number}") for number in range(6)]
        for viewer in stalled:
            await viewer.look()
        before = await running.produce(8_000)
        after = await running.produce(24_000)
        for viewer in stalled:
            await viewer.leave()
    assert after.bytes - before.bytes > GROWTH_BYTES
