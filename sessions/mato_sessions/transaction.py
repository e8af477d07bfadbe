"""The writer's transactions, run on its connection's thread: taking over, a batch, signing off.

Each is one trip to the thread. Rows go many to a statement: SQLite lets go of the interpreter for
each statement, and getting it back from a busy event loop takes up to 5 ms.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import NamedTuple, TypeVar, cast

import msgspec

from mato_sessions import database, transitions
from mato_sessions.batch import Batch, Tip, Value, Wanted
from mato_sessions.errors import JournalError, JournalFenced
from mato_sessions.events import Event
from mato_sessions.transitions import CallRow

T = TypeVar("T")
_ROWS = tuple(1 << power for power in range(10, -1, -1))
"""Rows of one statement: few sizes, so that SQLite keeps them all compiled."""
_SESSION_CONFLICT = (
    " ON CONFLICT (session) DO UPDATE SET head_seq = excluded.head_seq,"
    " head_hash = excluded.head_hash"
)
_CALL_CONFLICT = (
    " ON CONFLICT (session, call) DO UPDATE SET state = excluded.state,"
    " attempt = excluded.attempt, epoch = excluded.epoch, seq = excluded.seq"
)
LAST_STOP = "last_stop"
"""Key in `meta`: how the daemon before ended. Absent while one runs, and after a crash."""


class DiskFull(OSError):
    """There is no room for a transaction; it was rolled back, and nothing else is wrong."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC))


class LastStop(msgspec.Struct, frozen=True):
    """When a writer was closed in good order. JSON in `meta`."""

    epoch: int
    at_us: int


class Committed(NamedTuple):
    """What has come of a batch, now on disk."""

    parts: list[list[Event] | JournalError]
    """Of each request: its events, or why it was left out."""
    batch: Batch


def start(connection: sqlite3.Connection, boot: str) -> tuple[Tip, bool]:
    """Take over: read where everything ends, and commit the next epoch.

    Also whether the writer before was not closed in good order.
    """
    with _transaction(connection):
        heads = {
            session: (seq, digest)
            for session, seq, digest in connection.execute(
                "SELECT session, head_seq, head_hash FROM session"
            )
        }
        newest = connection.execute(
            "SELECT position, boot, mono_us FROM envelope ORDER BY position DESC LIMIT 1"
        ).fetchone()
        position, last_boot, mono_us = newest or (0, boot, 0)
        before = _epoch(connection)
        gone = connection.execute("DELETE FROM meta WHERE key = ?", (LAST_STOP,)).rowcount
        connection.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (before + 1,))
    mono_us = mono_us if last_boot == boot else 0
    return Tip(boot, before + 1, heads, position, mono_us), bool(before) and not gone


def commit(connection: sqlite3.Connection, tip: Tip, requests: Sequence[Wanted]) -> Committed:
    """Write the requests that may be written, all together, and move `tip` on.

    Raises:
        DiskFull: nothing was written.
        JournalFenced: a successor has taken over; nothing was written.
    """
    parts: list[list[Event] | JournalError] = []
    with _transaction(connection):
        _check_epoch(connection, tip.epoch)

        def standing(session: str, call: str) -> CallRow | None:
            found = connection.execute(transitions.ROWS + " AND call = ?", (session, call))
            row = found.fetchone()
            return None if row is None else CallRow(*row)

        batch = Batch(tip, standing)
        for wanted in requests:
            try:
                parts.append(batch.add(wanted))
            except JournalError as error:
                parts.append(error)
        _insert(connection, "blob", 3, batch.blob_values(), " ON CONFLICT (hash) DO NOTHING")
        _insert(connection, "envelope", 14, batch.envelopes)
        _insert(connection, "body", 2, batch.bodies)
        sessions = "session (session, created_us, head_seq, head_hash)"
        _insert(connection, sessions, 4, batch.session_values(), _SESSION_CONFLICT)
        _insert(connection, "call", 10, batch.call_values(), _CALL_CONFLICT)
    batch.committed()
    return Committed(parts, batch)


def tidy(connection: sqlite3.Connection, epoch: int, work: Callable[[sqlite3.Connection], T]) -> T:
    """What `work` gives, all of it done or nothing.

    Raises:
        DiskFull: nothing was changed.
        JournalFenced: a successor has taken over; nothing was changed.
    """
    with _transaction(connection):
        _check_epoch(connection, epoch)
        done = work(connection)
    with suppress(DiskFull):  # the WAL keeps everything
        checkpoint(connection)
    return done


def sign_off(connection: sqlite3.Connection, stop: LastStop) -> None:
    """Note that the writer of that epoch is closed in good order.

    Raises:
        DiskFull: there is no room for the note.
        JournalFenced: a successor has taken over, and it is no end of a journal that it writes.
    """
    with _transaction(connection):
        _check_epoch(connection, stop.epoch)
        connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?)",
            (LAST_STOP, msgspec.json.encode(stop).decode()),
        )


def checkpoint(connection: sqlite3.Connection) -> int:
    """Bring the WAL into the database without waiting for readers; how many pages it still keeps.

    Raises:
        DiskFull: the database cannot grow; the WAL keeps everything.
    """
    try:
        row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error as error:
        raise (DiskFull() if database.is_full(error) else error) from error
    _, pages, done = row
    return max(0, pages - done)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except (JournalError, sqlite3.Error) as error:
        full = isinstance(error, sqlite3.Error) and database.is_full(error)
        # After any other error of SQLite's the connection is left as it is: nothing is tried.
        if (full or isinstance(error, JournalError)) and connection.in_transaction:
            connection.execute("ROLLBACK")
        if full:
            raise DiskFull() from error
        raise


def _epoch(connection: sqlite3.Connection) -> int:
    (value,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    return cast("int", value)


def _check_epoch(connection: sqlite3.Connection, epoch: int) -> None:
    if _epoch(connection) != epoch:
        raise JournalFenced("another Mato has taken over this journal; this one stops writing")


def _insert(
    connection: sqlite3.Connection,
    table: str,
    columns: int,
    values: Sequence[Value],
    conflict: str = "",
) -> None:
    """Insert rows of so many `columns`, whose `values` stand one row after the other."""
    at = 0
    for rows in _ROWS:
        width = rows * columns
        while len(values) - at >= width:
            statement = _statement(table, columns, rows, conflict)
            connection.execute(statement, values[at : at + width])
            at += width


@lru_cache(64)
def _statement(table: str, columns: int, rows: int, conflict: str) -> str:
    row = f"({', '.join('?' * columns)})"
    # Only the constants of this file come here.
    return f"INSERT INTO {table} VALUES {', '.join([row] * rows)}{conflict}"  # noqa: S608
