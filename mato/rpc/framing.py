"""Frames on a byte stream: a 4-byte big-endian length, then that many bytes.

The daemon's socket and the pipes of model processes share it; what the bytes mean is theirs.
"""

from __future__ import annotations

import asyncio

from mato_sessions.errors import DaemonError

HEAD_BYTES = 4


def pack(payload: bytes) -> bytes:
    """`payload` as one frame."""
    return len(payload).to_bytes(HEAD_BYTES, "big") + payload


def _length(head: bytes, limit_bytes: int) -> int:
    length = int.from_bytes(head, "big")
    if length > limit_bytes:
        raise DaemonError(
            f"a frame of {length} bytes came, {limit_bytes} are allowed: the other side does not "
            "speak this protocol; restart it"
        )
    return length


async def read(stream: asyncio.StreamReader, limit_bytes: int) -> bytes:
    """The next frame's payload.

    Raises:
        EOFError: the stream ended, between frames or in the middle of one.
        DaemonError: the frame is longer than `limit_bytes`; the stream is of no use any more.
    """
    head = await stream.readexactly(HEAD_BYTES)
    return await stream.readexactly(_length(head, limit_bytes))
