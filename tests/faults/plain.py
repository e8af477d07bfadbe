"""The standard library's `sqlite3` and `aiosqlite`, as far as a journal uses them, over the VFS.

A statement runs at once, on the loop's own thread, between seeded pauses: one seed is one order of
events. Errors arrive as the standard library would raise them.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from typing import Any

import aiosqlite
import apsw

from tests.faults import vfs

_KINDS: dict[int, type[sqlite3.Error]] = {
    apsw.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
    apsw.SQLITE_CORRUPT: sqlite3.DatabaseError,
    apsw.SQLITE_NOTADB: sqlite3.DatabaseError,
    apsw.SQLITE_MISUSE: sqlite3.InterfaceError,
}


def translated(error: apsw.Error) -> sqlite3.Error:
    """The same error as `sqlite3` has it (its `sqlite_errorname` and `sqlite_errorcode` too)."""
    code, extended = error.result, error.extendedresult
    raised = _KINDS.get(code, sqlite3.OperationalError)(
        str(error) or apsw.mapping_result_codes[code]
    )
    names = apsw.mapping_extended_result_codes
    raised.sqlite_errorcode = extended
    raised.sqlite_errorname = str(names.get(extended) or apsw.mapping_result_codes[code])
    return raised


class Connection:
    """A `sqlite3.Connection` in autocommit mode."""

    def __init__(self, name: str, *, uri: bool, variant: str, wal_pages: int) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self._variant = variant
        self._late = False
        self._connection = apsw.Connection(
            name, flags=flags | (apsw.SQLITE_OPEN_URI if uri else 0), vfs=vfs.NAME
        )
        self._connection.set_wal_hook(_checkpointing(wal_pages))

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def changes(self) -> int:
        return self._connection.changes()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> _Cursor:
        return self._run(lambda: self._connection.execute(self._edited(sql), parameters or None))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> _Cursor:
        return self._run(lambda: self._connection.executemany(sql, list(rows)))

    def cursor(self) -> _Cursor:
        return _Cursor(self, None)

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        # The standard library does not ask how closing went either.
        with suppress(apsw.Error):
            if self._late:
                self._connection.execute("COMMIT")
            self._connection.close()

    def _run(self, statement: Callable[[], Any]) -> _Cursor:
        try:
            return _Cursor(self, statement())
        except apsw.Error as error:
            raise translated(error) from error

    def _edited(self, sql: str) -> str:
        """What a broken variant makes of a statement."""
        if self._late:
            self._late = False
            self._connection.execute("COMMIT")
        if sql == "COMMIT" and self._variant == "commits late":
            # Whoever waits is told before the commit has begun.
            self._late = True
            return "SELECT 1"
        if sql == "COMMIT" and self._variant == "goes on":
            with suppress(apsw.Error):
                self._connection.execute("COMMIT")
            return "SELECT 1"
        if sql.startswith("PRAGMA wal_checkpoint") and self._variant == "builds on the WAL":
            return "SELECT 0, 0, 0"
        if sql.startswith("PRAGMA synchronous") and self._variant.startswith("synchronous"):
            return f"PRAGMA {self._variant}"
        return sql


def _checkpointing(most: int) -> Callable[[apsw.Connection, str, int], int]:
    """SQLite's own automatic checkpoint, which asks nobody whether it went well."""

    def committed(connection: apsw.Connection, _: str, pages: int) -> int:
        if pages >= most:
            with suppress(apsw.Error):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    return committed


class _Cursor:
    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> _Cursor:
        self._cursor = self._connection.execute(sql, parameters)._cursor
        return self

    @property
    def rowcount(self) -> int:
        """Rows that the newest statement changed."""
        return self._connection.changes()

    def fetchall(self) -> list[Any]:
        return list(self)

    def fetchone(self) -> Any:
        return next(iter(self), None)

    def close(self) -> None:
        self._cursor.close()

    def __iter__(self) -> Generator[Any]:
        try:
            yield from self._cursor
        except apsw.Error as error:
            raise translated(error) from error


class Inline(aiosqlite.Connection):
    """An `aiosqlite.Connection` without its thread."""

    chance = random.Random(0)

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._opened().__await__()

    async def _opened(self) -> aiosqlite.Connection:
        self._connection = self._connector()
        return self

    async def _execute(self, fn: Callable[..., Any], *args: Any, **named: Any) -> Any:
        await self._pause()
        try:
            return fn(*args, **named)
        finally:
            await self._pause()

    async def _pause(self) -> None:
        for _ in range(self.chance.randrange(3)):
            await asyncio.sleep(0)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._running = False


def install(variant: str, wal_pages: int, chance: random.Random) -> None:
    """From now on, in this process, for good: every connection is one of these."""

    def connect(database: str, *, uri: bool = False, **_: Any) -> Any:
        broken = "" if database == ":memory:" else variant
        try:
            return Connection(database, uri=uri, variant=broken, wal_pages=wal_pages)
        except apsw.Error as error:
            raise translated(error) from error

    sqlite3.connect = connect
    Inline.chance = chance
    # In place: whoever knows the class already, has it so as well.
    for name in ("chance", "__await__", "_opened", "_execute", "_pause", "close"):
        setattr(aiosqlite.Connection, name, vars(Inline)[name])
