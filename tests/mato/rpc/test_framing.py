"""Frames: whatever is cut wherever, the same payloads come out."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.rpc import framing
from mato_sessions.errors import DaemonError


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
async def test_payloads_come_out_as_they_went_in(payloads: list[bytes], size: int) -> None:
    data = b"".join(framing.pack(payload) for payload in payloads)
    reader = asyncio.StreamReader()

    async def feed() -> None:
        for start in range(0, len(data), size):
            reader.feed_data(data[start : start + size])
            await asyncio.sleep(0)
        reader.feed_eof()

    async with asyncio.TaskGroup() as group:
        group.create_task(feed())
        assert [await framing.read(reader, 300) for _ in payloads] == payloads
        with pytest.raises(EOFError):
            await framing.read(reader, 300)


async def test_streams_give_the_same_frames_and_end_with_eof() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(framing.pack(b"one") + framing.pack(b"") + framing.pack(b"cut")[:5])
    reader.feed_eof()
    assert await framing.read(reader, 10) == b"one"
    assert await framing.read(reader, 10) == b""
    with pytest.raises(EOFError):
        await framing.read(reader, 10)


async def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(DaemonError, match="does not speak this protocol"):
        await framing.read(reader, 1000)
