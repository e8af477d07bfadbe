"""The events of one session are followed here, row by row, up to the first bad one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mato_sessions import chain, codec, order, references
from mato_sessions.blobs import Blobs
from mato_sessions.chain import Break
from mato_sessions.codec import Envelope
from mato_sessions.order import Order
from mato_sessions.transitions import CallRow

ROWS = (
    "SELECT e.seq, e.position, e.at_us, e.mono_us, e.boot, e.epoch, e.agent, e.turn, e.cause,"
    " e.kind, e.version, e.body_hash, e.hash, b.position, b.data"
    " FROM envelope AS e LEFT JOIN body AS b ON b.position = e.position"
    " WHERE e.session = ? AND e.seq > ? ORDER BY e.seq"
)
"""What `Succession.take` takes."""


class Place(NamedTuple):
    """A session as the list of sessions has it, and what else is known before it is read."""

    session: str
    seq: int
    hash: bytes
    """Where it ends, by the list."""
    start_seq: int
    start_hash: bytes
    """What its first own event follows: nothing, or an event of its parent."""
    purged: Sequence[tuple[int, int]]
    """First and last seq of each stretch whose bodies may be gone."""
    anchored: Mapping[int, set[bytes]]
    """Hashes that were noted elsewhere, by seq."""


class Succession:
    """The events of one session, one after the other, up to the first bad one."""

    def __init__(self, place: Place, blobs: Blobs) -> None:
        self._place = place
        self._blobs = blobs
        self._order = Order()
        self._position: int = 0
        self.seq: int = place.start_seq
        """Of the last event that was right."""
        self.hash: bytes = place.start_hash
        self.at_us: int = 0
        self.events = 0
        self.purged = 0
        self.compared = 0
        """Anchors."""

    @property
    def calls(self) -> dict[str, CallRow]:
        """Where the events have brought the tool calls."""
        return self._order.calls

    def take(self, row: tuple[Any, ...]) -> Break | None:
        """What is wrong with the next event, or None."""
        seq: int = row[0]
        position: int = row[1]
        fields: tuple[Any, ...] = row[2:11]
        body_hash, digest, stored, data = row[11:]
        if seq != self.seq + 1:
            return self._bad(f"it is missing; the next one is {seq}", self.seq + 1)
        if position <= self._position:
            return self._bad(f"its position {position} is not after {self._position}", seq)
        envelope = Envelope(self._place.session, seq, *fields)
        if stored is not None:
            if data is None and (reason := self._blobs.fault(body_hash)):
                return self._bad(f"its body: {reason}", seq)
            data = self._blobs.content(body_hash) if data is None else data
            if reason := self._body(envelope, body_hash, data):
                return self._bad(reason, seq)
        elif any(first <= seq <= last for first, last in self._place.purged):
            self.purged += 1
        else:
            return self._bad("its body is missing", seq)
        if chain.link(self.hash, envelope.encode(), body_hash) != digest:
            return self._bad("the envelope is not what its hash says", seq)
        if (expected := self._place.anchored.get(seq)) is not None:
            self.compared += len(expected)
            if expected != {digest}:
                return self._bad(
                    "its hash is not the one in an anchor: the record was rewritten up to here", seq
                )
        self.seq, self.hash, self._position = seq, digest, position
        self.at_us = fields[0]
        self.events += 1
        return None

    def end(self) -> Break | None:
        """What is wrong with where the events end."""
        last = max(self._place.anchored, default=0)
        if last > self.seq:
            reason = f"it is missing; an anchor says that the session had {last} events"
            return self._bad(reason, self.seq + 1)
        if self._place.seq > self.seq:
            reason = f"it is missing; the list of sessions says that there are {self._place.seq}"
            return self._bad(reason, self.seq + 1)
        if (self._place.seq, self._place.hash) != (self.seq, self.hash):
            return self._bad("the list of sessions has another head than this last event", self.seq)
        return None

    def _body(self, envelope: Envelope, body_hash: bytes, data: bytes) -> str | None:
        """What is wrong with a body, the blobs that it names, or its place among others."""
        if chain.digest(data) != body_hash:
            return "the body is not what its hash says"
        if references.MARK in data:
            for digest in references.blobs(envelope.kind, envelope.version, data):
                if reason := self._blobs.fault(digest):
                    return reason
        if envelope.kind not in order.KINDS:
            return None
        body = codec.decode(envelope.kind, envelope.version, data)
        event = envelope.event(1, body, body_hash)
        return self._order.check(event, gaps=self.purged > 0)

    def _bad(self, reason: str, seq: int) -> Break:
        return Break(self._place.session, seq, reason)
