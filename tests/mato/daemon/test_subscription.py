"""Subscriptions: past, present and open tails without a gap or a double, for fast and for slow."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from mato.bus import RING_EVENTS
from mato.client.connection import Client
from mato.protocol import methods as m
from mato.protocol.frames import EventFrame
from mato.protocol.version import PROTOCOL
from mato.testing.daemon import Daemon
from mato_sessions.codec import unpack
from mato_sessions.errors import DaemonError
from mato_sessions.events import Event, TextStreamed
from mato_sessions.events.stream import Streamed
from mato_sessions.transcript import Transcript


class Watcher:
    """Reads frames, and holds them against what a subscription promises."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seqs: dict[str, int] = {}
        self.text: dict[str, str] = {}
        self.position = 0

    def take(self, frame: EventFrame) -> None:
        for raw in frame.events:
            event = unpack(raw)
            assert event.seq == self.seqs.get(event.session, 0) + 1, "a gap or a double"
            self.seqs[event.session] = event.seq
            self.events.append(event)
            if isinstance(event.body, Streamed):
                self._grow(event.body.stream, event.body.offset, event.body.text)
        for piece in frame.pieces:
            self._grow(piece.stream, piece.offset, piece.text)
        assert frame.position >= self.position
        self.position = frame.position

    def _grow(self, stream: str, offset: int, text: str) -> None:
        known = self.text.get(stream, "")
        assert offset <= len(known), "a gap in a stream"
        self.text[stream] = known + text[len(known) - offset :]

    async def read(self, client: Client, kind: str, count: int = 1) -> None:
        """Read until so many events of that kind have been seen."""
        await client.request(m.Subscribe(sessions=dict(self.seqs)))
        async with asyncio.timeout(60):
            async for frame in client.frames():
                self.take(frame)
                if sum(event.kind == kind for event in self.events) >= count:
                    return


def _kinds(events: Iterable[Event]) -> set[str]:
    return {event.kind for event in events}


async def _new(client: Client, folder: Path, task: str, name: str = "one") -> m.NewSessionResult:
    return await client.request(m.NewSession(cwd=str(folder), name=name, task=task))


async def test_live_pieces_come_before_their_journaled_stretch(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as client, await daemon.client() as asking:
        new = await _new(asking, folder, "talk on")
        watcher = Watcher()
        watcher.seqs = {new.session: 0}
        await client.request(m.Subscribe(sessions=watcher.seqs))
        shown_first = False
        async with asyncio.timeout(20):
            async for frame in client.frames():
                journaled = sum(
                    len(event.body.text)
                    for event in watcher.events
                    if isinstance(event.body, TextStreamed)
                )
                watcher.take(frame)
                shown = max(map(len, watcher.text.values()), default=0)
                shown_first = shown_first or shown > journaled
                if shown > 300 and shown_first:
                    break
        assert shown_first


async def test_a_late_subscriber_gets_the_past_and_then_the_open_tail(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as asking, await daemon.client() as early:
        new = await _new(asking, folder, "talk on")
        first, second = Watcher(), Watcher()
        first.seqs, second.seqs = {new.session: 0}, {new.session: 0}
        await first.read(early, "text.streamed", 3)
        async with await daemon.client() as late:
            await second.read(late, "text.streamed", 5)
        (one,), (two,) = first.text.values(), second.text.values()
        assert len(two) >= len(one) > 0
        assert two.startswith(one)


async def test_after_any_number_of_reconnects_nothing_is_missing_or_double(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as asking:
        new = await _new(asking, folder, "talk on")
        watcher = Watcher()
        watcher.seqs = {new.session: 0}
        for round_ in range(1, 6):
            async with await daemon.client() as client:
                await watcher.read(client, "text.streamed", 2 * round_)
        await asking.request(m.Stop(session="one"))
        async with await daemon.client() as client:
            await watcher.read(client, "turn.ended")
        whole = await asking.request(m.Events(session="one", limit=2000))
        assert len(watcher.events) >= whole.head - 1


async def test_a_watcher_across_a_crash_sees_one_unbroken_history(
    daemon: Daemon, folder: Path
) -> None:
    watcher = Watcher()
    async with await daemon.client() as client, await daemon.client() as asking:
        new = await _new(asking, folder, "talk on")
        watcher.seqs = {new.session: 0}
        await watcher.read(client, "text.streamed", 3)
        await daemon.kill()
        with pytest.raises(DaemonError):
            async for frame in client.frames():
                watcher.take(frame)
    await daemon.begin()
    async with await daemon.client() as client:
        await watcher.read(client, "text.streamed", 6)
    assert {event.epoch for event in watcher.events} == {1, 2}


async def test_live_view_and_a_second_look_make_the_same_transcript(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as one, await daemon.client() as asking:
        new = await _new(asking, folder, "burst")
        agent = new.agents[0].id
        live, later = Transcript(agent), Transcript(agent)
        await one.request(m.Subscribe(sessions={new.session: 0}))
        ended = False
        async with asyncio.timeout(30):
            async for frame in one.frames():
                for raw in frame.events:
                    event = unpack(raw)
                    live.apply(event)
                    ended = ended or event.kind == "turn.ended"
                for piece in frame.pieces:
                    live.delta(piece)
                if ended:
                    break
        watcher = Watcher()
        watcher.seqs = {new.session: 0}
        async with await daemon.client() as two:
            await watcher.read(two, "turn.ended")
        for event in watcher.events:
            later.apply(event)
        shown = [[_plain(entry) for entry in each.entries] for each in (live, later)]
        assert shown[0] == shown[1]


def _plain(entry: object) -> object:
    plain = msgspec.to_builtins(entry)
    plain.pop("revision")
    return plain


async def test_facts_of_all_sessions_come_without_their_streams(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as listing, await daemon.client() as asking:
        await _new(asking, folder, "hello", "before")
        await asking.request(m.Wait(session="before", until="done", timeout_s=20))
        position = (await asking.request(m.ListSessions())).position
        await listing.request(m.Subscribe(position=position))
        await _new(asking, folder, "hello", "after")
        events: list[Event] = []
        async with asyncio.timeout(20):
            async for frame in listing.frames():
                events += [unpack(raw) for raw in frame.events]
                assert frame.pieces == ()
                if "turn.ended" in _kinds(events):
                    break
        assert len({event.session for event in events}) == 1
        assert min(event.position for event in events) == position + 1
        assert {"session.opened", "agent.spawned", "turn.prompted"} <= _kinds(events)
        assert not {"text.streamed", "model.asked"} & _kinds(events)


async def test_a_second_subscription_replaces_the_first(daemon: Daemon, folder: Path) -> None:
    async with await daemon.client() as client, await daemon.client() as asking:
        one = await _new(asking, folder, "talk on", "one")
        two = await _new(asking, folder, "hello", "two")
        await client.request(m.Subscribe(sessions={one.session: 0}))
        await client.request(m.Subscribe(sessions={two.session: 0}))
        sessions: list[str] = []
        async with asyncio.timeout(20):
            async for frame in client.frames():
                sessions += [unpack(raw).session for raw in frame.events]
                kinds = _kinds(map(unpack, frame.events))
                if "turn.ended" in kinds:
                    break
        switch = sessions.index(two.session)
        assert set(sessions[switch:]) == {two.session}


async def test_nothing_is_sent_to_a_subscriber_but_heartbeats_when_nothing_happens(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as client:
        await client.request(m.NewSession(cwd=str(folder), name="quiet"))
        await client.request(m.Wait(session="quiet", until="idle", timeout_s=20))
        position = (await client.request(m.ListSessions())).position
        await client.request(m.Subscribe(position=position))
        signs: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.9):
                while True:
                    signs.append(type(await client.sign()).__name__)
        assert signs == ["EventFrame", "Heartbeat"], "the present begins, and then it is quiet"


async def test_a_client_that_takes_nothing_is_cut_off_and_harms_nobody(
    daemon: Daemon, folder: Path
) -> None:
    """It can come back with its cursor and misses nothing of what the ring has forgotten since."""
    async with await daemon.client() as asking, await daemon.client() as brisk:
        new = await _new(asking, folder, "hello")
        await asking.request(m.Wait(session="one", until="done", timeout_s=20))
        # A few hundred bytes of buffer: so that it does not take long to fill.
        slow = socket.socket(socket.AF_UNIX)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, str(daemon.paths.socket))
        for number, request in enumerate(
            [
                m.Hello(protocol=PROTOCOL, mato="0", client="slow"),
                m.Subscribe(sessions={new.session: 0}),
            ]
        ):
            message = {
                "jsonrpc": "2.0",
                "id": number,
                "method": request.method,
                "params": msgspec.to_builtins(request),
            }
            payload = b"J" + msgspec.json.encode(message)
            await loop.sock_sendall(slow, struct.pack(">I", len(payload)) + payload)
        watcher = Watcher()
        watcher.seqs = {new.session: 0}
        names = [f"{number:06}" + "n" * 100 for number in range(RING_EVENTS + 500)]
        renames = asyncio.ensure_future(_rename(asking, new.session, names))
        # The brisk one is served all the while.
        await watcher.read(brisk, "session.renamed", len(names))
        await renames
        # On a busy machine the slow one has been cut off by now, on a quiet one it soon will be.
        memory = await asyncio.to_thread(_resident_bytes, daemon.pid)
        async with asyncio.timeout(20):
            await _until_cut_off(slow)
        assert (await asking.request(m.Status())).clients == 1
        assert "took nothing for 10 s" in await asyncio.to_thread(daemon.paths.log.read_text)
        assert memory < 200 * 1024 * 1024
        slow.close()
        again = Watcher()
        again.seqs = {new.session: 0}
        async with await daemon.client() as back:
            await again.read(back, "session.renamed", len(names))
        assert [event.hash for event in again.events] == [event.hash for event in watcher.events]


async def _until_cut_off(slow: socket.socket) -> None:
    """Wait until the other side has hung up, without taking anything from the socket."""
    poll = select.poll()
    poll.register(slow, select.POLLRDHUP)
    await asyncio.to_thread(poll.poll, 20_000)


async def _rename(client: Client, session: str, names: list[str]) -> None:
    for start in range(0, len(names), 200):
        batch = [m.RenameSession(session=session, name=name) for name in names[start : start + 200]]
        await asyncio.gather(*map(client.request, batch))


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.parametrize("cursor", [2**70, 2**63, -1, -(2**70)])
async def test_no_cursor_is_too_large_or_too_small(
    daemon: Daemon, folder: Path, cursor: int
) -> None:
    async with await daemon.client() as client:
        new = await client.request(m.NewSession(cwd=str(folder), task="hello"))
        page = await client.request(m.Events(session=new.session, after=cursor))
        assert bool(page.lines) == (cursor < 0)
        await client.request(m.Subscribe(position=cursor, sessions={new.session: cursor}))
        async with asyncio.timeout(60):
            async for frame in client.frames():
                assert frame.position <= (await client.request(m.Status())).position
                break
    assert "Traceback" not in await asyncio.to_thread(daemon.paths.log.read_text)
