"""What the daemon and a model process say to each other over the child's stdin and stdout.

Frames are a 4-byte big-endian length and one msgpack-encoded struct of the unions below. Many
requests run at once; `request` tells them apart. The child's stderr is its log.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mato.models.base import Chunk, Fault, ModelRequest


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Daemon → child: stream an answer."""

    request: ModelRequest


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Daemon → child: nobody waits for this answer any more."""

    request: str


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Daemon → child: say that you live, with a `Pong`."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Child → daemon, once: imports and weights are loaded."""

    name: str
    details: dict[str, Any] = {}


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """Child → daemon: the next chunk of an answer; a `FinishChunk` is the last."""

    request: str
    chunk: Chunk


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Child → daemon: the answer will not come or was cut; nothing follows for this request."""

    request: str
    fault: Fault
    message: str
    retry_after_s: float | None = None


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Child → daemon: its loop turns."""


ToChild = Ask | Cancel | Ping
FromChild = Ready | Piece | Failed | Pong

DECODER: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
"""Of what a child hears."""
