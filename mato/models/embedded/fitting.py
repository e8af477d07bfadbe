"""A conversation, shortened step by step until it fits a small context.

What is left out is said in the text itself, so that neither the model nor a reader of its prompt
takes a part for the whole. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from mato.models.base import Message

NEWEST_RESULT = 2000
"""Characters of a tool result of the running turn. A core reads about 100 tokens a second, so
longer ones cost more time than a small model makes of them."""
OLDER_RESULT = 200
OLDER_TEXT = 240


@dataclass(frozen=True, slots=True)
class Shortened:
    """A conversation and what it lacks."""

    messages: tuple[Message, ...]
    left_out: int
    """How many messages are missing from the front or from the middle of the running turn."""
    clipped: int
    """How many messages lost a part of their text."""

    @property
    def note(self) -> str:
        """For people: what is missing, or nothing."""
        parts = [
            _count(self.left_out, "message", "left out"),
            _count(self.clipped, "text", "shortened"),
        ]
        return ", ".join(part for part in parts if part)


def _count(number: int, what: str, how: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''} {how}" if number else ""


def candidates(messages: Sequence[Message]) -> Iterator[Shortened]:
    """Ever shorter forms of a conversation, the fullest first.

    Each keeps the newest message of the user as it is, and the newest tool result at least in part.
    """
    newest = max((at for at, one in enumerate(messages) if one.role == "user"), default=0)
    older, running = messages[:newest], messages[newest:]
    starts = [at for at, one in enumerate(older) if one.role == "user"]
    for keep in _halves(len(starts)):
        kept = older[starts[-keep] :] if keep else ()
        yield _form(kept, running, len(older) - len(kept), NEWEST_RESULT)
    for limit in (1000, 500, 200):
        yield _form((), running, len(older), limit)
    asks = [at for at, one in enumerate(running) if one.role == "assistant"]
    for keep in list(_halves(len(asks)))[1:-1]:
        tail = (*running[:1], *running[asks[-keep] :])
        yield _form((), tail, len(messages) - len(tail), 200)


def _halves(count: int) -> Iterator[int]:
    while count:
        yield count
        count //= 2
    yield 0


def _form(
    older: Sequence[Message], running: Sequence[Message], left_out: int, limit: int
) -> Shortened:
    forms = [
        *(_clip(one, OLDER_RESULT if one.role == "tool" else OLDER_TEXT) for one in older),
        *(one if one.role == "user" else _clip(one, limit) for one in running),
    ]
    before = (*older, *running)
    clipped = sum(len(new.text) != len(old.text) for new, old in zip(forms, before, strict=True))
    return Shortened(tuple(forms), left_out, clipped)


def _clip(message: Message, limit: int) -> Message:
    text = clip(message.text, limit)
    return message if text is message.text else msgspec.structs.replace(message, text=text)


def clip(text: str, limit: int) -> str:
    """`text`, cut at `limit` characters with a note of how many are missing."""
    # The note must not make a slightly too long text longer than it was.
    if len(text) <= limit + 40:
        return text
    return f"{text[:limit]}\n[… {len(text) - limit} characters left out …]"
