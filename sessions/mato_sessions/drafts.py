"""Drafts are made ready for the writer: redacted, encoded, checked before they spoil a batch."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import msgspec

from mato_sessions import chain, codec
from mato_sessions.errors import JournalError
from mato_sessions.events import Body, Draft, ToolProposed
from mato_sessions.redact import Redactor

Ready = tuple[Draft, Body, bytes, bytes]
"""A draft, its body redacted, the body's canonical bytes, and their SHA-256."""


class _Heading(msgspec.Struct, frozen=True):
    """What a draft says about itself."""

    session: Annotated[str, msgspec.Meta(min_length=1)]
    agent: str | None
    turn: str | None
    cause: Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)] | None


def prepared(draft: Draft, redactor: Redactor) -> Ready:
    """`draft`, ready to be numbered.

    Raises:
        JournalError: it cannot be encoded.
    """
    body, redacted = redactor.body(draft.body)
    if redacted and isinstance(body, ToolProposed):
        body = msgspec.structs.replace(body, redacted=True)
    body, data = codec.canonical(body)
    try:
        _check(draft.session, draft.agent, draft.turn, draft.cause)
    except (msgspec.ValidationError, UnicodeEncodeError, TypeError) as error:
        raise JournalError(f"cannot journal this {body.kind!r}: {error}") from error
    return draft, body, data, chain.digest(data)


@lru_cache(1024, typed=True)
def _check(session: str, agent: str | None, turn: str | None, cause: int | None) -> None:
    # Remembered, because the next stretch of a stream has the same heading; errors are not.
    heading = {"session": session, "agent": agent, "turn": turn, "cause": cause}
    msgspec.json.encode(msgspec.convert(heading, _Heading))
