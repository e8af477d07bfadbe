"""The hash chain: each event's hash covers its envelope, its body and the event before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from mato_sessions import codec
from mato_sessions.events import Body, Event, Purged


def genesis(session: str) -> bytes:
    """What the first event of a session chains to."""
    return hashlib.sha256(b"mato session\0" + session.encode()).digest()


def digest(data: bytes) -> bytes:
    """sha256, as bodies and blobs are named."""
    return hashlib.sha256(data).digest()


def of_body(body: Body) -> bytes:
    """What a link covers a body by; known of a purged one too."""
    if isinstance(body, Purged):
        return bytes.fromhex(body.sha256)
    return digest(codec.encode(body))


def link(previous: bytes, envelope: bytes, body_digest: bytes) -> bytes:
    """The hash of an event.

    The first and the last part are 32 bytes each, so no two triples give the same input.
    """
    return hashlib.sha256(previous + envelope + body_digest).digest()


class Break(msgspec.Struct, frozen=True):
    """The first event that is not what its hash says."""

    session: str
    seq: int
    reason: str


class Verifier:
    """Checks the events of one session, seq ascending, as they are given to it."""

    def __init__(self, session: str, seq: int = 0, head: bytes | None = None) -> None:
        self._session = session
        self.seq = seq
        """Of the last event that was right."""
        self.head = genesis(session) if head is None else head
        """Its hash."""

    def check(self, event: Event) -> Break | None:
        """None when `event` follows; it is then the one that the next has to follow."""
        if event.session != self._session or event.seq != self.seq + 1:
            return Break(
                self._session,
                self.seq + 1,
                f"{event.session!r} {event.seq} stands where {self.seq + 1} should",
            )
        body = of_body(event.body)
        if link(self.head, codec.Envelope.of(event).encode(), body) != event.hash:
            return Break(self._session, event.seq, "envelope or body is not what the hash says")
        self.seq = event.seq
        self.head = event.hash
        return None


def verify(events: Iterable[Event], *, seq: int = 0, head: bytes | None = None) -> Break | None:
    """The first bad event of one session's `events` (seq ascending), or None.

    They start at seq 1, or after event `seq` with the hash `head`.
    """
    verifier: Verifier | None = None
    for event in events:
        verifier = verifier or Verifier(event.session, seq, head)
        if (bad := verifier.check(event)) is not None:
            return bad
    return None
