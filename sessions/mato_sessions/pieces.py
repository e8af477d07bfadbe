"""Live pieces of streams: what may be shown before it is journaled."""

from __future__ import annotations

from typing import Literal

import msgspec


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stretch of a stream as it came. The journaled stretch with the same offsets follows."""

    kind: Literal["reasoning", "text", "arguments", "output"]
    session: str
    agent: str
    turn: str | None
    stream: str
    """As in `events.stream.Streamed`; for output ``CALL/ATTEMPT/output``."""
    attempt: int
    """Of the model request, or of the tool call for output."""
    offset: int
    """Characters of the stream before this piece."""
    text: str
    call: str = ""
    """Of arguments and output."""
    name: str = ""
    """The tool's name, of arguments."""
    seq: int = 0
    """The newest journaled event of the session when the piece came; for people who debug."""
    mono_us: int = 0
    at_us: int = 0
