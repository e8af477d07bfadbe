"""A child's end of its wire: frames in on stdin, frames out on what stdout was.

What a frame holds is said by its two ends; here it is one msgpack-encoded struct.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Generic, TypeVar

import msgspec

from mato.rpc import framing
from mato_sessions.errors import DaemonError

LIMIT_BYTES = 64 * 1024 * 1024
"""Longest frame; more is a protocol error and ends the child."""

_In = TypeVar("_In")
_encoder = msgspec.msgpack.Encoder()


def claim_stdout() -> int:
    """A descriptor for frames; afterwards stdout is stderr.

    Call it before anything native is imported: a library's print would corrupt the frames.
    """
    frames = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return frames


class Wire(Generic[_In]):
    """Reads requests and writes answers. Bounded by the pipes: a slow parent stops the writer."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: msgspec.msgpack.Decoder[_In],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder

    async def read(self) -> _In | None:
        """The next frame; None when the parent has closed its end or is gone.

        Raises:
            ValueError: what came is no frame of this protocol.
        """
        try:
            return self._decoder.decode(await framing.read(self._reader, LIMIT_BYTES))
        except (EOFError, ConnectionError):
            return None
        except (DaemonError, msgspec.MsgspecError) as error:
            raise ValueError(f"not a frame of this protocol: {error}") from error

    async def write(self, frame: msgspec.Struct) -> None:
        """Send a frame; returns when the pipe has taken most of what is unsent."""
        self.post(frame)
        await self._writer.drain()

    def post(self, frame: msgspec.Struct) -> None:
        """Send a frame without waiting, in order with the others. For few and small ones."""
        self._writer.write(framing.pack(_encoder.encode(frame)))


async def open_wire(frames: int, decoder: msgspec.msgpack.Decoder[_In]) -> Wire[_In]:
    """The wire over stdin and the descriptor `frames`; `decoder` is of what comes in."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(frames, "wb")
    )
    return Wire(reader, asyncio.StreamWriter(transport, protocol, None, loop), decoder)
