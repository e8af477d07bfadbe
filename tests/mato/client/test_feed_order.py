"""The feed against a daemon whose frames are still on their way when a subscription changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec

from mato.client.feed import Arrived, Connected, Feed
from mato.config.paths import find
from mato.protocol.frames import LIMIT_BYTES, EventFrame
from mato.protocol.methods import Welcome
from mato.rpc import framing, message
from mato_sessions import codec
from mato_sessions.events import Event, SessionRenamed


def _renamed(seq: int) -> Event:
    body = SessionRenamed(name=f"n{seq}")
    return Event(
        position=seq,
        session="s-1",
        seq=seq,
        at_us=0,
        mono_us=0,
        boot="b",
        epoch=1,
        agent=None,
        turn=None,
        cause=None,
        kind=body.kind,
        version=body.version,
        body=body,
        hash=b"\0" * 32,
    )


def _frame(*seqs: int) -> bytes:
    raws = tuple(msgspec.Raw(codec.pack(_renamed(seq))) for seq in seqs)
    return framing.pack(b"E" + msgspec.msgpack.encode(EventFrame(raws, (), max(seqs))))


async def test_a_fact_that_overtakes_the_history_it_belongs_to_does_not_hide_it(
    tmp_path: Path,
) -> None:
    paths = find({"MATO_HOME": str(tmp_path), "XDG_RUNTIME_DIR": ""})
    paths.runtime.mkdir(mode=0o700, exist_ok=True)
    done = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subscriptions = 0
        while subscriptions < 2:
            asked = message.decode((await framing.read(reader, LIMIT_BYTES))[1:])
            assert asked.id is not None
            answer = None
            if asked.method == "hello":
                answer = Welcome(1, "0", os.getpid(), 1, 2)
            else:
                subscriptions += 1
            writer.write(framing.pack(b"J" + message.answer(asked.id, answer)))
            if subscriptions == 1:
                writer.write(_frame(3))
        # On their way for the former subscription; then the history for the new one.
        writer.write(_frame(4) + _frame(1, 2, 3, 4) + _frame(5))
        await done.wait()
        writer.close()

    server = await asyncio.start_unix_server(play, os.fspath(paths.socket))
    feed = Feed(paths, position=2)
    events: list[int] = []
    facts: list[int] = []
    async with server, contextlib.aclosing(feed.news()) as news, asyncio.timeout(10):
        assert isinstance(await anext(news), Connected)
        async for new in news:
            if isinstance(new, Arrived):
                events += [event.seq for event in new.events]
                facts += [event.seq for event in new.facts]
            if facts == [3]:
                feed.follow("s-1")
            if events[-1:] == [5]:
                break
        done.set()
    paths.socket.unlink(missing_ok=True)
    assert events == [1, 2, 3, 4, 5]
    assert facts == [3, 4, 5]
