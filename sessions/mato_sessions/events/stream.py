"""Streamed pieces of an answer, coalesced (≤ 250 ms or 4 KiB), with their original pace."""

from __future__ import annotations

from typing import ClassVar

from mato_sessions.events.base import Body


class Streamed(Body, frozen=True, kw_only=True):
    """The next stretch of a stream.

    A stream is one attempt's reasoning, text, or one call's arguments; its text is the
    concatenation by `offset` without gaps. A reader that has seen up to `offset + n` drops the
    first n characters of a stretch (live deltas may come before their journaled stretch).
    """

    stream: str
    """``REQUEST/ATTEMPT/reasoning``, ``REQUEST/ATTEMPT/text`` or ``REQUEST/ATTEMPT/CALL``."""
    attempt: int
    offset: int
    """Characters of the stream before this stretch."""
    text: str
    pieces: tuple[tuple[int, int], ...] = ()
    """(µs since the previous piece, characters) for each piece as it came."""


class ReasoningStreamed(Streamed, frozen=True, kw_only=True):
    kind: ClassVar[str] = "reasoning.streamed"


class TextStreamed(Streamed, frozen=True, kw_only=True):
    kind: ClassVar[str] = "text.streamed"


class ArgumentsStreamed(Streamed, frozen=True, kw_only=True):
    kind: ClassVar[str] = "arguments.streamed"

    call: str
    name: str
