"""What must hold of a journal after any crash, power cut or fault: one checker for all harnesses.

It shares as little as it can with what it judges: the standard library's SQLite, a connection that
only reads, bodies as plain JSON. Only the canonical envelope and the hash are the journal's own.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec

from mato.testing.calls import Calls, Effect
from mato.testing.kin import Kin
from mato_sessions import chain
from mato_sessions.codec import Envelope
from mato_sessions.events import Event

__all__ = ["Acked", "Effect", "Evidence", "check"]

_TABLES = {"session", "envelope", "body", "blob"}
_EVENTS = (
    "SELECT e.position, e.hash, e.body_hash,"
    " coalesce(b.data, (SELECT data FROM blob WHERE blob.hash = e.body_hash)),"
    " e.session, e.seq, e.at_us, e.mono_us, e.boot, e.epoch, e.agent, e.turn, e.cause, e.kind,"
    " e.version FROM envelope AS e LEFT JOIN body AS b ON b.position = e.position"
    " ORDER BY e.position"
)
_CALLS = "SELECT session, call, state, attempt, key, policy, seq FROM call"


class Acked(msgspec.Struct, frozen=True):
    """An event as `Journal.append` acknowledged it, or as a client was given it."""

    session: str
    seq: int
    hash: bytes

    @classmethod
    def of(cls, event: Event) -> Acked:
        """What `event` proves."""
        return cls(event.session, event.seq, event.hash)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a harness has seen from outside, to be held against the journal."""

    journal: Path
    """Read through a connection that cannot change it; its WAL is read with it."""
    acked: Sequence[Acked] = ()
    effects: Sequence[Effect] = ()
    seen: Mapping[str, Sequence[Acked]] = {}
    """What each client was given, in its order."""
    resumed: Mapping[str, bytes] = {}
    """Name → canonical state of what went on after the fault."""
    replayed: Mapping[str, bytes] = {}
    """Name → canonical state folded anew from the journal alone."""


def check(evidence: Evidence) -> list[str]:
    """One sentence for each broken invariant; an empty list is good.

    1. every acknowledged event is there, with its hash;
    2. no gap, every chain, body, blob and SQLite's own `quick_check` good, and the table of calls
       what the events say;
    3. at most one effect for each key and attempt, none after the call's end, and under the policy
       `ask` no more attempts than one and a person's `again` decisions;
    4. no effect without a committed start;
    5. every call of an ended turn has ended or is unknown;
    6. resumed state is replayed state;
    7. each client saw, of each session, a prefix without gap or duplicate;
    8. `mono_us` never goes back within a boot, nor does the epoch;
    9. no call starts a second agent, and none starts one while it does not run; such an agent has a
       parent one level above, and begins with its task.
    """
    record = _Record()
    try:
        uri = f"{evidence.journal.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            record.read(connection)
    except sqlite3.Error as error:
        record.broken.append(f"the journal cannot be read: {error}")
    return [
        *record.broken,
        *_acknowledged(record, evidence.acked),
        *record.calls.judge(evidence.effects),
        *_states(evidence),
        *_clients(record, evidence.seen),
    ]


class _Record:
    """One pass over a journal, position ascending; what is wrong in itself is kept as sentences."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.hashes: dict[tuple[str, int], bytes] = {}
        self.first: dict[str, int] = {}
        """seq of each session's first event."""
        self.calls = Calls()
        self.kin = Kin()
        self._heads: dict[str, tuple[int, bytes]] = {}
        self._mono_us: dict[str, int] = {}
        self._position = 0
        self._epoch = 0

    def read(self, connection: sqlite3.Connection) -> None:
        # A creation that was cut off is an empty database, and holds nothing that could be broken.
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        found = [row[0] for row in connection.execute("PRAGMA quick_check")]
        if found != ["ok"]:
            # Tables in which anything may stand are read no further.
            self.broken += [f"quick_check: {finding}" for finding in found]
            return
        if not tables:
            return
        if not tables >= _TABLES:
            self.broken.append(f"the journal has no tables {sorted(_TABLES - tables)}")
            return
        rows = list(connection.execute("SELECT session, parent, fork_seq, head_seq FROM session"))
        forks = {row[0]: (row[1], row[2]) for row in rows if row[1] is not None}
        blobs = self._blobs(connection)
        for position, digest, body_digest, data, *fields in connection.execute(_EVENTS):
            envelope = Envelope(*fields)
            self._order(position, envelope)
            self._chain(envelope, digest, body_digest, forks)
            self._body(envelope, body_digest, data, blobs)
        self.broken += [*self.calls.broken, *self.kin.broken]
        if "call" in tables:
            self.broken += self.calls.compare(connection.execute(_CALLS))
        for session, _, _, head in rows:
            newest = self._heads.get(session, (None, b""))[0]
            if session not in forks and newest != head:
                self.broken.append(f"{session} ends at {newest}, and its head says {head}")

    def _blobs(self, connection: sqlite3.Connection) -> set[str]:
        names: set[str] = set()
        for name, size, data in connection.execute("SELECT hash, size, data FROM blob"):
            if chain.digest(data) != name or len(data) != size:
                self.broken.append(f"the blob {name.hex()} is not what its hash and size say")
            names.add(name.hex())
        return names

    def _order(self, position: int, envelope: Envelope) -> None:
        where = f"position {position} ({envelope.session} {envelope.seq})"
        if position != self._position + 1:
            self.broken.append(f"{where} follows position {self._position}")
        self._position = position
        before = self._mono_us.get(envelope.boot, 0)
        if envelope.mono_us < before:
            self.broken.append(
                f"{where}: mono_us goes back from {before} to {envelope.mono_us} within the boot"
                f" {envelope.boot!r}"
            )
        self._mono_us[envelope.boot] = envelope.mono_us
        if envelope.epoch < self._epoch:
            self.broken.append(f"{where}: epoch {envelope.epoch} comes after {self._epoch}")
        self._epoch = max(self._epoch, envelope.epoch)

    def _chain(
        self,
        envelope: Envelope,
        digest: bytes,
        body_digest: bytes,
        forks: Mapping[str, tuple[str, int]],
    ) -> None:
        session, seq = envelope.session, envelope.seq
        if session not in self._heads:
            head = (0, chain.genesis(session))
            if session in forks:
                parent, at = forks[session]
                head = (at, self.hashes.get((parent, at), b""))
            self._heads[session] = head
            self.first[session] = head[0] + 1
        last, previous = self._heads[session]
        if seq != last + 1:
            self.broken.append(f"{session} has a gap: {seq} follows {last}")
        elif chain.link(previous, envelope.encode(), body_digest) != digest:
            self.broken.append(f"{session} {seq} does not chain to what is before it")
        self._heads[session] = (seq, digest)
        self.hashes[session, seq] = digest

    def _body(
        self, envelope: Envelope, body_digest: bytes, data: bytes | None, blobs: set[str]
    ) -> None:
        where = f"{envelope.session} {envelope.seq}"
        if data is None or chain.digest(data) != body_digest:
            self.broken.append(f"the body of {where} is not what its hash says")
            return
        try:
            body = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.MsgspecError:
            return  # kept byte for byte, whatever a newer Mato meant by it
        for name in _referred(body):
            if name not in blobs:
                self.broken.append(f"{where} names the blob {name}, which is not there")
        self.calls.note(envelope, body)
        self.kin.note(envelope, body)


def _referred(value: object) -> Iterator[str]:
    """The blobs that a body names. What a model made up (a call's arguments) names none."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        if fields.keys() == {"sha256", "size_bytes"}:
            yield str(fields["sha256"])
        for name, part in fields.items():
            if name not in ("arguments", "parameters"):
                yield from _referred(part)
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from _referred(part)


def _acknowledged(record: _Record, acked: Sequence[Acked]) -> Iterator[str]:
    for ack in acked:
        found = record.hashes.get((ack.session, ack.seq))
        if found is None:
            yield f"{ack.session} {ack.seq} was acknowledged and is not there"
        elif found != ack.hash:
            yield f"{ack.session} {ack.seq} was acknowledged with another hash"


def _states(evidence: Evidence) -> Iterator[str]:
    for name in sorted({*evidence.resumed, *evidence.replayed}):
        if name not in evidence.replayed:
            yield f"{name} was resumed and cannot be replayed"
        elif name not in evidence.resumed:
            yield f"{name} can be replayed and was not resumed"
        elif evidence.resumed[name] != evidence.replayed[name]:
            yield f"{name}: the resumed state is not the replayed state"


def _clients(record: _Record, seen: Mapping[str, Sequence[Acked]]) -> Iterator[str]:
    for client, events in seen.items():
        given = Counter((event.session, event.seq) for event in events)
        for (session, seq), count in given.items():
            if count > 1:
                yield f"client {client} saw {session} {seq} {count} times"
        last: dict[str, int] = {}
        for event in events:
            session = event.session
            before = last.get(session, record.first.get(session, 1) - 1)
            if given[session, event.seq] == 1 and event.seq != before + 1:
                yield f"client {client} saw {session} {event.seq} after {before}"
            if record.hashes.get((session, event.seq)) != event.hash:
                yield f"client {client} saw a {session} {event.seq} that the journal does not have"
            last[session] = max(before, event.seq)
