"""Streams of an agent: shown at once, journaled in stretches, redacted on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mato.agents.streams import FLUSH_S, ROOM, STRETCH, Streams
from mato.testing.sink import MemorySink
from mato_sessions.clock import ManualClock
from mato_sessions.events import Event
from mato_sessions.redact import REPLACEMENT, Redactor

SECRET = "correct-horse-battery"


@asynccontextmanager
async def streaming(
    redactor: Redactor | None = None,
) -> AsyncIterator[tuple[Streams, MemorySink, ManualClock]]:
    clock = ManualClock(mono_us=1)
    sink = MemorySink(clock)

    async def journaled(events: Sequence[Event]) -> None:
        await asyncio.sleep(0)

    streams = Streams(sink, clock, redactor or Redactor(), journaled)
    running = asyncio.ensure_future(streams.run())
    try:
        yield streams, sink, clock
    finally:
        running.cancel()


async def test_a_piece_is_shown_before_it_is_journaled_and_journaled_in_time() -> None:
    async with streaming() as (streams, sink, clock):
        stream = streams.open("text", "r/1/text", "t", 1)
        stream.feed("one ")
        clock.advance(5000)
        stream.feed("two")
        assert [piece.text for piece in sink.pieces] == ["one ", "two"]
        assert not sink.events
        loop = asyncio.get_running_loop()
        begun = loop.time()
        body: Any = (await sink.wait_for("text.streamed")).body
        assert loop.time() - begun < FLUSH_S + 0.2
        assert (body.offset, body.text, body.pieces) == (0, "one two", ((0, 4), (5000, 3)))
        stream.feed("three")
        await streams.drain()
        body = sink.bodies("text.streamed")[1]
        assert (body.offset, body.text) == (7, "three")
        assert stream.text == "one twothree"


async def test_a_full_stretch_does_not_wait() -> None:
    async with streaming() as (streams, sink, _):
        streams.open("output", "c/1/output", "t", 1, "c").feed("x" * STRETCH)
        async with asyncio.timeout(FLUSH_S / 2):
            await sink.wait_for("tool.output_streamed")


async def test_several_streams_are_journaled_together_and_none_is_lost() -> None:
    async with streaming() as (streams, sink, _):
        reasoning = streams.open("reasoning", "r/1/reasoning", "t", 1)
        arguments = streams.open("arguments", "r/1/c", "t", 1, "c", "read")
        reasoning.feed("hm")
        arguments.feed('{"path"')
        await streams.drain()
        await streams.drain()
        assert sorted(sink.kinds()) == ["arguments.streamed", "reasoning.streamed"]
        body: Any = sink.bodies("arguments.streamed")[0]
        assert (body.call, body.name, body.text) == ("c", "read", '{"path"')


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_secret_is_neither_shown_nor_journaled_however_it_is_cut(size: int) -> None:
    redactor = Redactor()
    redactor.hold(SECRET)
    said = f"the key is {SECRET}, or so; {SECRET[:7]}"
    async with streaming(redactor) as (streams, sink, _):
        stream = streams.open("text", "r/1/text", "t", 1)
        for start in range(0, len(said), size):
            stream.feed(said[start : start + size])
        stream.close()
        await streams.drain()
        wanted = said.replace(SECRET, REPLACEMENT)
        bodies: Any = sink.bodies("text.streamed")
        assert "".join(piece.text for piece in sink.pieces) == wanted
        assert "".join(body.text for body in bodies) == wanted
        assert stream.text == wanted


async def test_who_streams_too_fast_waits_for_the_journal() -> None:
    async with streaming() as (streams, sink, _):
        stream = streams.open("text", "r/1/text", "t", 1)
        await streams.room()
        assert not sink.events
        stream.feed("x" * ROOM)
        await streams.room()
        assert sink.events


async def test_draining_waits_for_what_came_before_and_not_for_a_stream_that_never_rests() -> None:
    async with streaming() as (streams, sink, _):
        noise = streams.open("output", "c/1/output", "t", 1, "c")
        stopped = False

        async def never_rest() -> None:
            while not stopped:
                noise.feed("x")
                await asyncio.sleep(0)

        resting = asyncio.ensure_future(never_rest())
        streams.open("text", "r/1/text", "t", 1).feed("important")
        async with asyncio.timeout(2):
            await streams.drain()
        assert sink.bodies("text.streamed")
        stopped = True
        await resting
