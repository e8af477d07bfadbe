"""A journal is opened here for those who only look: no event loop, no writer, no daemon needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from mato_sessions import database
from mato_sessions.errors import JournalError, JournalNewer

_BUSY_S = 10.0


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the journal at `path`, in autocommit mode, that can change nothing.

    It never checkpoints, so the one who writes is not disturbed.

    Raises:
        JournalNewer: a newer Mato wrote it.
        JournalError: there is none, it cannot be opened, or it is no journal.
    """
    if not path.exists():
        raise JournalError(f"there is no journal at {str(path)!r}")
    with database.told(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        opened = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S)
        with closing(opened) as connection:
            connection.execute("PRAGMA query_only = ON")
            _inspect(connection, path)
            yield connection


def tables(connection: sqlite3.Connection) -> frozenset[str]:
    """The tables that the journal has; which ones depends on the Mato that last wrote it."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return frozenset(name for (name,) in rows)


def _inspect(connection: sqlite3.Connection, path: Path) -> None:
    [(application,)] = connection.execute("PRAGMA application_id")
    [(version,)] = connection.execute("PRAGMA user_version")
    if application != database.APPLICATION_ID:
        raise JournalError(f"the file {str(path)!r} is not a journal of Mato")
    if version > (newest := len(database.bundled_migrations())):
        raise JournalNewer(
            f"the journal {str(path)!r} has schema {version} of a newer Mato and this one knows "
            f"{newest}; update Mato to open it"
        )
