"""Events come out of the rows of the database here; each body has to be what its envelope says."""

from __future__ import annotations

from typing import Any, NamedTuple

from mato_sessions import chain, codec
from mato_sessions.codec import Envelope
from mato_sessions.errors import JournalBroken
from mato_sessions.events import Event, Purged

COLUMNS = (
    "SELECT e.position, e.session, e.seq, e.at_us, e.mono_us, e.boot, e.epoch, e.agent, e.turn,"
    " e.cause, e.kind, e.version, e.body_hash, e.hash,"
    " coalesce(b.data, (SELECT data FROM blob WHERE blob.hash = e.body_hash)),"
    # Whether retention took the body away; one that is missing elsewhere is damage.
    " CASE WHEN b.position IS NULL THEN EXISTS (SELECT 1 FROM purged AS p"
    " WHERE p.session = e.session AND e.seq BETWEEN p.first_seq AND p.last_seq) ELSE 0 END"
    " FROM envelope AS e LEFT JOIN body AS b ON b.position = e.position"
)
FACTS = (
    # Word for word the condition of the index envelope_fact, or SQLite does not use it.
    " AND (substr(kind, 1, instr(kind, '.') - 1)"
    " IN ('session', 'agent', 'turn', 'permission', 'usage')"
    " OR kind = 'tool.proposed')"
)


class PackedRow(NamedTuple):
    """An event as it travels (see `codec.pack`), and where it stands."""

    position: int
    session: str
    seq: int
    raw: bytes


def as_event(row: tuple[Any, ...]) -> Event:
    """An event from a row of `COLUMNS`; its body has to be what the envelope says."""
    position, envelope, data, digest = _checked(row)
    return envelope.event(position, codec.decode(envelope.kind, envelope.version, data), digest)


def as_packed(row: tuple[Any, ...]) -> PackedRow:
    """The same packed, without reading its body: what is kept is what is sent."""
    position, envelope, data, digest = _checked(row)
    raw = codec.pack_kept(position, envelope, data, digest)
    return PackedRow(position, envelope.session, envelope.seq, raw)


def _checked(row: tuple[Any, ...]) -> tuple[int, Envelope, bytes, bytes]:
    """Position, envelope, canonical body (or what stands for it) and hash."""
    position, *fields, body_digest, digest, data, purged = row
    envelope = Envelope(*fields)
    if purged:
        return position, envelope, codec.encode(Purged(sha256=body_digest.hex())), digest
    if data is None or chain.digest(data) != body_digest:
        raise JournalBroken(
            f"the body of event {envelope.seq} of {envelope.session!r} is not what its hash says;"
            " restore a backup of the journal"
        )
    return position, envelope, data, digest
