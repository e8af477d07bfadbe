"""The whole record is checked here against itself, and against what was noted outside of it.

One pass in bounded memory over a connection that only reads: the daemon may run meanwhile. Each
session is read in a snapshot of its own, so that a long check does not hold up the checkpoints.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from itertools import starmap
from pathlib import Path
from typing import Any

import msgspec

from mato_sessions import chain, transitions
from mato_sessions.anchors import Anchor
from mato_sessions.blobs import Blobs
from mato_sessions.chain import Break
from mato_sessions.errors import JournalBroken, UnknownName
from mato_sessions.reading import reading, tables
from mato_sessions.succession import ROWS, Place, Succession
from mato_sessions.transitions import CallRow

Tick = Callable[[str, int, int], None]
"""What is done, how far it is, and of how much (0: not known)."""

_EACH = 5000
"""Events between two ticks."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check has found."""

    sessions: int
    events: int
    purged: int
    """Events whose body was taken away on purpose."""
    blobs: int
    """Blobs that were read and compared with their hash."""
    anchors: int
    """Anchors that were compared."""
    heads: tuple[Anchor, ...]
    """Where each session that was checked ends, `at_us` of its last event."""
    findings: tuple[Break, ...]
    """What is wrong, at most one a session: its first bad event. Without a session: the file."""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def require(self, what: str) -> None:
        """Raise `JournalBroken` with the first finding, if there is one."""
        if self.findings:
            raise JournalBroken(f"{what} is damaged: {sentence(self.findings[0])}")


def sentence(found: Break) -> str:
    """A finding as people read it."""
    if not found.session:
        return found.reason
    return f"event {found.seq} of session {found.session!r}: {found.reason}"


def verify(
    path: Path,
    session: str | None = None,
    anchors: Sequence[Anchor] = (),
    tick: Tick = lambda what, done, whole: None,
) -> Report:
    """Check one session, or all; `anchors` are what was noted of their hashes elsewhere.

    Raises:
        JournalNewer: a newer Mato wrote the journal.
        JournalError: it cannot be opened, or is no journal.
        UnknownName: there is no such session.
    """
    with reading(path) as connection:
        return _Check(connection, anchors, tick).run(session)


class _Check:
    def __init__(
        self, connection: sqlite3.Connection, anchors: Sequence[Anchor], tick: Tick
    ) -> None:
        self._connection = connection
        self._tick = tick
        self._tables = tables(connection)
        self._blobs = Blobs(connection)
        self._anchored: dict[str, dict[int, set[bytes]]] = {}
        for anchor in anchors:
            here = self._anchored.setdefault(anchor.session, {})
            here.setdefault(anchor.seq, set()).add(bytes.fromhex(anchor.hash))
        self._whole = 0
        self._events = self._purged = self._compared = 0
        self._heads: list[Anchor] = []
        self._findings: list[Break] = []

    def run(self, session: str | None) -> Report:
        known = [name for (name,) in self._rows("SELECT session FROM session ORDER BY session")]
        if session is not None and session not in known:
            raise UnknownName(f"there is no session {session!r} in the journal")
        chosen = known if session is None else [session]
        self._guarded(self._quick_check)
        if session is None:
            [(self._whole,)] = self._rows("SELECT count(*) FROM envelope") or [(0,)]
            self._guarded(lambda: self._blobs.sweep(self._tick))
        for name in chosen:
            self._guarded(lambda name=name: self._session(name), name)
        if session is None:
            self._guarded(self._strays)
            self._gone(known)
            self._findings += self._blobs.unnamed()
        self._tick("events", self._events, self._events)
        return Report(
            sessions=len(chosen),
            events=self._events,
            purged=self._purged,
            blobs=self._blobs.read,
            anchors=self._compared,
            heads=tuple(self._heads),
            findings=tuple(self._findings),
        )

    def _guarded(self, step: Callable[[], None], session: str = "") -> None:
        """Do a step; pages that cannot be read are a finding like others."""
        at = self._events
        try:
            step()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            seq = self._events - at + 1 if session else 0
            self._findings.append(Break(session, seq, f"the file cannot be read here: {error}"))

    def _rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def _quick_check(self) -> None:
        self._tick("the file", 0, 0)
        for (said,) in self._rows("PRAGMA quick_check(1)"):
            if said != "ok":
                self._findings.append(Break("", 0, f"the database is damaged: {said}"))

    def _session(self, session: str) -> None:
        with _snapshot(self._connection):
            place = self._place(session)
            walk = Succession(place, self._blobs)
            found = None
            for count, row in enumerate(
                self._connection.execute(ROWS, (session, place.start_seq)), start=1
            ):
                if (found := walk.take(row)) is not None:
                    break
                if count % _EACH == 0:
                    self._tick("events", self._events + walk.events, self._whole)
            found = found or walk.end()
            if found is None and "call" in self._tables:
                found = self._call_table(place, walk.calls)
        self._events += walk.events
        self._purged += walk.purged
        self._compared += walk.compared
        if found is not None:
            self._findings.append(found)
        elif walk.seq:
            self._heads.append(Anchor(session, walk.seq, walk.hash.hex(), walk.at_us))

    def _place(self, session: str) -> Place:
        [(seq, digest, parent, fork_seq)] = self._rows(
            "SELECT head_seq, head_hash, parent, fork_seq FROM session WHERE session = ?", session
        )
        start = (0, chain.genesis(session))
        if parent is not None:
            # A fork goes on from its parent's hash.
            rows = self._rows(
                "SELECT hash FROM envelope WHERE session = ? AND seq = ?", parent, fork_seq
            )
            start = (fork_seq, rows[0][0] if rows else b"")
        purged = (
            self._rows("SELECT first_seq, last_seq FROM purged WHERE session = ?", session)
            if "purged" in self._tables
            else []
        )
        anchored = self._anchored.get(session, {})
        return Place(session, seq, digest, *start, [(a, b) for a, b in purged], anchored)

    def _call_table(self, place: Place, calls: Mapping[str, CallRow]) -> Break | None:
        """The first call that does not stand in the table where its events have brought it."""
        kept = {
            row.call: row
            for row in starmap(CallRow, self._rows(transitions.ROWS, place.session))
            # What the events of a purged stretch said is known from the table alone.
            if not any(first <= row.seq <= last for first, last in place.purged)
        }
        told = {call: row for call, row in calls.items() if call in kept or not place.purged}
        if kept == told:
            return None
        wrong = [call for call in kept.keys() | told.keys() if kept.get(call) != told.get(call)]
        rows = [told.get(call) or kept[call] for call in wrong]
        first = min(rows, key=lambda row: row.seq)
        reason = f"the table of calls does not have the call {first.call!r} as it left it"
        return Break(place.session, first.seq, reason)

    def _strays(self) -> None:
        """Envelopes of a session that has no row."""
        rows = self._rows(
            "SELECT session, min(seq) FROM envelope"
            " WHERE session NOT IN (SELECT session FROM session) GROUP BY session"
        )
        for session, seq in rows:
            self._findings.append(Break(session, seq, "its session is not in the list of sessions"))

    def _gone(self, known: Iterable[str]) -> None:
        for session in sorted(self._anchored.keys() - set(known)):
            last = max(self._anchored[session])
            reason = f"the session is gone; an anchor says that it had {last} events"
            self._findings.append(Break(session, 1, reason))


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
