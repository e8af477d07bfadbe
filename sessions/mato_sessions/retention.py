"""Old sessions that were put away lose their bodies here; envelopes and chain stay.

What is still needed stays: what listings are made of, what a fork goes on from, and every blob that
some event names. A plan is made by reading alone; carrying it out is the writer's work, in slices
between which everybody else goes on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mato_sessions import references
from mato_sessions.journal import Journal
from mato_sessions.reading import reading, tables
from mato_sessions.verify import Tick

_KEPT = ("session", "agent", "usage")
"""Subjects of which listings are made; their bodies are small."""
_SLICE_EVENTS = 2000
_SLICE_BLOBS = 64
_SLICE_PAGES = 2000

_NAMING = (
    "SELECT e.session, e.seq, e.kind, e.version, e.body_hash,"
    " coalesce(b.data, (SELECT data FROM blob WHERE hash = e.body_hash)), b.data IS NULL"
    " FROM envelope AS e JOIN body AS b ON b.position = e.position"
    " WHERE e.position > ? AND (b.data IS NULL OR instr(b.data, ?) > 0)"
)
_DOOMED = (
    "SELECT b.position, length(b.data) AS size"
    " FROM envelope AS e JOIN body AS b ON b.position = e.position"
    " WHERE e.session = ? AND e.seq BETWEEN ? AND ?"
    " AND substr(e.kind, 1, instr(e.kind, '.') - 1) NOT IN ('session', 'agent', 'usage')"
)


class Doomed(msgspec.Struct, frozen=True):
    """A session whose bodies are to go."""

    session: str
    name: str
    last_us: int
    """Of its last event, wall clock."""
    first_seq: int
    last_seq: int
    events: int
    """Bodies between the two that are to go."""
    size_bytes: int
    """Of these, without blobs."""


class Plan(msgspec.Struct, frozen=True):
    """What would be taken away."""

    sessions: tuple[Doomed, ...]
    blobs: tuple[bytes, ...]
    """Digests of those that no event names then."""
    blob_bytes: int
    position: int
    """Events after it are not considered."""

    @property
    def events(self) -> int:
        """How many bodies."""
        return sum(each.events for each in self.sessions)

    @property
    def size_bytes(self) -> int:
        """How much they and the blobs hold."""
        return sum(each.size_bytes for each in self.sessions) + self.blob_bytes


class Freed(msgspec.Struct, frozen=True):
    """What has been taken away."""

    sessions: int
    events: int
    blobs: int
    file_bytes: int
    """By which the journal's file becomes smaller with the next checkpoint."""


def plan(path: Path, before_us: int, tick: Tick = lambda what, done, whole: None) -> Plan:
    """What may go of archived sessions whose last event is older than `before_us`.

    Raises:
        JournalError: there is no journal, or it cannot be read.
    """
    with reading(path) as connection:
        connection.execute("BEGIN")
        [(position,)] = connection.execute("SELECT coalesce(max(position), 0) FROM envelope")
        doomed: dict[str, Doomed] = {}
        begun = False
        if "purged" in tables(connection):  # else the writer has to bring it to this schema first
            [(begun,)] = connection.execute("SELECT EXISTS (SELECT 1 FROM purged)")
            for session in _archived(connection):
                found = _doom(connection, session, before_us)
                if found is not None:
                    doomed[session] = found
        blobs: dict[bytes, int] = {}
        if doomed or begun:  # one that was stopped in the middle may have left its blobs
            blobs = dict(connection.execute("SELECT hash, size FROM blob"))
            tick("blobs", 0, len(blobs))
            for named in _named(connection, 0, doomed):
                blobs.pop(named, None)
        connection.execute("ROLLBACK")
    return Plan(tuple(doomed.values()), tuple(blobs), sum(blobs.values()), position)


async def purge(journal: Journal, plan: Plan, at_us: int) -> Freed:
    """Carry out a plan; a session that has changed since is left alone, with all blobs.

    Stopped in the middle, nothing is broken, and the next plan has the rest.

    Raises:
        JournalError: the journal cannot be written.
    """
    sessions = events = blobs = pages = 0
    for doomed in plan.sessions:
        whole = 0
        while gone := await journal.tidy(partial(_drop_bodies, doomed, at_us)):
            whole += gone
        events += whole
        sessions += whole == doomed.events
    if sessions == len(plan.sessions):
        for at in range(0, len(plan.blobs), _SLICE_BLOBS):
            # One that was given to somebody since is about to be named by an event.
            chosen = [
                digest
                for digest in plan.blobs[at : at + _SLICE_BLOBS]
                if not journal.was_given(digest)
            ]
            blobs += await journal.tidy(partial(_drop_blobs, chosen, plan.position))
    while gone := await journal.tidy(_give_back):
        pages += gone
    [(page_bytes,)] = await journal.tidy(
        lambda connection: connection.execute("PRAGMA page_size").fetchall()
    )
    return Freed(sessions, events, blobs, pages * page_bytes)


def _archived(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT e.session, b.data FROM envelope AS e JOIN body AS b ON b.position = e.position"
        " WHERE e.kind = 'session.archived' ORDER BY e.position"
    )
    last = {session: msgspec.json.decode(data, type=dict[str, Any]) for session, data in rows}
    return [session for session, body in last.items() if body.get("archived") is True]


def _doom(connection: sqlite3.Connection, session: str, before_us: int) -> Doomed | None:
    [(last_seq, last_us)] = connection.execute(
        "SELECT seq, at_us FROM envelope WHERE session = ? ORDER BY seq DESC LIMIT 1", (session,)
    )
    if last_us >= before_us:
        return None
    [(forked,)] = connection.execute(
        "SELECT coalesce(max(fork_seq), 0) FROM session WHERE parent = ?", (session,)
    )
    [(events, size_bytes)] = connection.execute(
        f"SELECT count(*), coalesce(sum(size), 0) FROM ({_DOOMED})",  # noqa: S608 - a constant
        (session, forked + 1, last_seq),
    )
    if not events:
        return None
    name = _name(connection, session)
    return Doomed(session, name, last_us, forked + 1, last_seq, events, size_bytes)


def _name(connection: sqlite3.Connection, session: str) -> str:
    row = connection.execute(
        "SELECT b.data FROM envelope AS e JOIN body AS b ON b.position = e.position"
        " WHERE e.session = ? AND e.kind IN ('session.opened', 'session.renamed')"
        " ORDER BY e.seq DESC LIMIT 1",
        (session,),
    ).fetchone()
    return session if row is None else msgspec.json.decode(row[0], type=dict[str, Any])["name"]


def _named(
    connection: sqlite3.Connection, position: int, doomed: dict[str, Doomed]
) -> Iterator[bytes]:
    """The blobs that events after `position` need, without those whose bodies are to go."""
    for session, seq, kind, version, body_hash, data, is_blob in connection.execute(
        _NAMING, (position, references.MARK)
    ):
        going = doomed.get(session)
        if (
            going is not None
            and going.first_seq <= seq <= going.last_seq
            and kind.partition(".")[0] not in _KEPT
        ):
            continue
        if is_blob:
            yield body_hash
        if data is not None:
            yield from references.possible_blobs(kind, version, data)


def _drop_bodies(doomed: Doomed, at_us: int, connection: sqlite3.Connection) -> int:
    """Delete the next bodies of a session; how many. 0: all are gone, or it has changed."""
    head = connection.execute(
        "SELECT head_seq FROM session WHERE session = ?", (doomed.session,)
    ).fetchone()
    if head != (doomed.last_seq,):
        return 0
    connection.execute(
        "INSERT INTO purged VALUES (?, ?, ?, ?) ON CONFLICT (session, first_seq)"
        " DO UPDATE SET last_seq = excluded.last_seq, at_us = excluded.at_us",
        (doomed.session, doomed.first_seq, doomed.last_seq, at_us),
    )
    return connection.execute(
        f"DELETE FROM body WHERE position IN (SELECT position FROM ({_DOOMED} LIMIT ?))",  # noqa: S608
        (doomed.session, doomed.first_seq, doomed.last_seq, _SLICE_EVENTS),
    ).rowcount


def _drop_blobs(digests: Sequence[bytes], position: int, connection: sqlite3.Connection) -> int:
    """Delete the blobs that no event after `position` has named; how many."""
    named = set(_named(connection, position, {}))
    return sum(
        connection.execute("DELETE FROM blob WHERE hash = ?", (digest,)).rowcount
        for digest in digests
        if digest not in named
    )


def _give_back(connection: sqlite3.Connection) -> int:
    """Give the next free pages back to the file system; how many."""
    [(before,)] = connection.execute("PRAGMA freelist_count").fetchall()
    # It frees a page each time that it is stepped, and Python steps what has no columns once.
    for _ in range(min(before, _SLICE_PAGES)):
        connection.execute("PRAGMA incremental_vacuum(1)")
    [(after,)] = connection.execute("PRAGMA freelist_count").fetchall()
    return before - after
