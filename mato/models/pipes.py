"""The child's end of the wire: frames in on stdin, frames out on what stdout was."""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from mato.models.wire import LIMIT_BYTES, FromChild, ToChild

_decoder: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
_encoder = msgspec.msgpack.Encoder()


def claim_stdout() -> int:
    """A descriptor for frames; afterwards stdout is stderr.

    Call it before anything native is imported: a library's print would corrupt the frames.
    """
    frames = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return frames


class Wire:
    """Reads requests and writes answers. Bounded by the pipes: a slow parent stops the writer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> ToChild | None:
        """The next frame; None when the parent has closed its end or is gone.

        Raises:
            ValueError: what came is no frame of this protocol.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            if length > LIMIT_BYTES:
                raise ValueError(f"a frame of {length} bytes; the limit is {LIMIT_BYTES}")
            return _decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a frame of this protocol: {error}") from error

    async def write(self, frame: FromChild) -> None:
        """Send a frame; returns when the pipe has taken most of what is unsent."""
        self.post(frame)
        await self._writer.drain()

    def post(self, frame: FromChild) -> None:
        """Send a frame without waiting, in order with the others. For few and small ones."""
        body = _encoder.encode(frame)
        self._writer.write(len(body).to_bytes(4, "big") + body)


async def open_wire(frames: int) -> Wire:
    """The wire over stdin and the descriptor `frames`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(frames, "wb")
    )
    return Wire(reader, asyncio.StreamWriter(transport, protocol, None, loop))
