"""What is committed together: requests are numbered, chained and turned into rows here.

A request that breaks a rule of its tool calls is left out alone; what comes after it is numbered as
if it had never been asked for. Pure: nothing moves on until the caller says that it is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from mato_sessions import chain
from mato_sessions.codec import Sealed
from mato_sessions.drafts import Ready
from mato_sessions.events import Event
from mato_sessions.transitions import STEPS, CallRow, Step, follow

INLINE_BYTES = 16 * 1024
"""Larger bodies live in the blob table."""

Value = str | int | bytes | None
Blob = tuple[bytes, bytes]
"""SHA-256 and content."""


class Wanted(msgspec.Struct, frozen=True):
    """What one caller wants written, all or nothing."""

    events: Sequence[Ready]
    blobs: Sequence[Blob]
    size: int
    at_us: int
    mono_us: int


Head = tuple[int, bytes]
"""Where a session ends: seq and hash."""


class Tip(msgspec.Struct):
    """Where everything ends, and the next batch begins."""

    boot: str
    epoch: int
    heads: dict[str, Head]
    position: int
    mono_us: int
    """The least that the next event may say."""


class Batch:
    """The numbered events of some requests, from `tip` on.

    `standing` gives a call as the journal has it.
    """

    def __init__(self, tip: Tip, standing: Callable[[str, str], CallRow | None]) -> None:
        self._tip = tip
        self._standing = standing
        self._created: dict[str, int] = {}
        self.position = tip.position
        self.mono_us = tip.mono_us
        self.heads: dict[str, Head] = {}
        """Of the sessions that it changes."""
        self.events: list[Event] = []
        self.envelopes: list[Value] = []
        """Their columns, one row after the other; so are `bodies`, `blobs`, `calls`, `sessions`."""
        self.bodies: list[Value] = []
        self.blobs: dict[bytes, bytes] = {}
        self._calls: dict[tuple[str, str], CallRow] = {}

    def add(self, wanted: Wanted) -> list[Event]:
        """Take a request in; its events as they will be committed.

        Raises:
            JournalError: a call must not be changed so; nothing of the request is in the batch.
        """
        position = self.position
        mono_us = max(self.mono_us, wanted.mono_us)
        heads: dict[str, Head] = {}
        created: dict[str, int] = {}
        calls: dict[tuple[str, str], CallRow] = {}
        events: list[Event] = []
        envelopes: list[Value] = []
        bodies: list[Value] = []
        boot, epoch, at_us = self._tip.boot, self._tip.epoch, wanted.at_us
        session, seq, digest = "", 0, b""
        for draft, body, data, body_digest in wanted.events:
            if draft.session != session:
                if session:
                    heads[session] = seq, digest
                session = draft.session
                head = heads.get(session) or self.heads.get(session) or self._tip.heads.get(session)
                if head is None:
                    created[session] = at_us
                    head = 0, chain.genesis(session)
                seq, digest = head
            seq += 1
            position += 1
            agent, turn, cause = draft.agent, draft.turn, draft.cause
            kind, version = body.kind, body.version
            sealed = Sealed(
                agent, at_us, boot, cause, epoch, kind, mono_us, seq, session, turn, version
            )
            digest = chain.link(digest, sealed.encode(), body_digest)
            event = Event(
                position=position, session=session, seq=seq, at_us=at_us, mono_us=mono_us,
                boot=boot, epoch=epoch, agent=agent, turn=turn, cause=cause, kind=kind,
                version=version, body=body, hash=digest,
            )  # fmt: skip
            events.append(event)
            envelopes += (
                session, seq, position, at_us, mono_us, boot, epoch,
                agent, turn, cause, kind, version, body_digest, digest,
            )  # fmt: skip
            bodies += (position, data if len(data) <= INLINE_BYTES else None)
            if type(body) in STEPS and isinstance(body, Step):
                key = session, body.call
                found = calls.get(key) or self._calls.get(key) or self._standing(*key)
                calls[key] = follow(found, event, body)
        if session:
            heads[session] = seq, digest
        self.position, self.mono_us = position, mono_us
        self.heads |= heads
        self._created |= created
        self._calls |= calls
        self.events += events
        self.envelopes += envelopes
        self.bodies += bodies
        self.blobs.update(wanted.blobs)
        self.blobs.update(
            (digest, data) for _, _, data, digest in wanted.events if len(data) > INLINE_BYTES
        )
        return events

    def committed(self) -> None:
        """It is on disk: the next one begins where it ends."""
        self._tip.heads |= self.heads
        self._tip.position = self.position
        self._tip.mono_us = self.mono_us

    def blob_values(self) -> list[Value]:
        return _flat((digest, len(data), data) for digest, data in self.blobs.items())

    def call_values(self) -> list[Value]:
        return _flat(msgspec.structs.astuple(row) for row in self._calls.values())

    def session_values(self) -> list[Value]:
        # The upsert leaves created_us of a session that is already there.
        return _flat((name, self._created.get(name, 0), *head) for name, head in self.heads.items())

    @property
    def pages(self) -> int:
        """About how many pages of the database it changes."""
        size = sum(len(value) for value in self.bodies if isinstance(value, bytes))
        size += sum(map(len, self.blobs.values())) + 300 * len(self.events)
        return 4 + len(self.heads) + size // 3600


def _flat(rows: Iterable[tuple[Value, ...]]) -> list[Value]:
    return [value for row in rows for value in row]
