"""What travels on the socket: length-prefixed frames of two sorts.

A frame is a 4-byte big-endian length of what follows, one byte for its sort, and the payload:

- ``J``: one JSON-RPC 2.0 message (request, answer, notification), UTF-8 JSON;
- ``E``: one `EventFrame`, msgpack; only from the daemon to a subscriber.

Notifications from the daemon: ``heartbeat`` every 5 s (a client that misses three is disconnected
from its daemon), ``goodbye`` with a `Goodbye` before the daemon closes a connection.
"""

from __future__ import annotations

import msgspec

from mato_sessions.pieces import Piece

LIMIT_BYTES = 32 * 1024 * 1024
"""Longest frame; a longer one closes the connection."""

HEARTBEAT_S = 5.0


class Goodbye(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why the daemon ends the connection."""

    reason: str = ""
    """A sentence's end, for people."""
    restart: bool = False
    """A successor follows at once; it is worth waiting for."""


class EventFrame(msgspec.Struct, frozen=True, array_like=True):
    """Events and live pieces of one tick, in order: events first, then pieces."""

    events: tuple[msgspec.Raw, ...]
    """Each as `codec.pack` made it, once for all subscribers."""
    pieces: tuple[Piece, ...]
    position: int
    """The newest position that this subscriber has now seen."""
