"""The journal's file is opened, checked and migrated here; nobody else opens it.

One connection writes and alone checkpoints; readers are `mode=ro` and never do. This keeps clear of
the WAL-reset race of SQLite < 3.51.3, which needs two connections that write or checkpoint.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from aiosqlite import Connection

from mato_sessions import filesystems
from mato_sessions.errors import JournalError, JournalLocked, JournalNewer

T = TypeVar("T")

APPLICATION_ID = 0x4D41544F
"""``MATO`` in the file's header."""
_PAGE_BYTES = 4096
MakeConnection = Callable[[Callable[[], sqlite3.Connection], int], Connection]
"""From what opens it and the size of its fetches. A simulation's has no thread of its own."""
_BUSY_S = 10.0
"""How long a foreign transaction on the file (a person's sqlite3) is waited for."""


def bundled_migrations() -> list[str]:
    """The SQL of each schema version, from 1, as shipped."""
    folder = resources.files("mato_sessions") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=_number)
    if [_number(file) for file in files] != list(range(1, len(files) + 1)):
        raise JournalError(f"the migrations of this Mato are not numbered 1 to {len(files)}")
    return [file.read_text(encoding="utf-8") for file in files]


def _number(file: Any) -> int:
    return int(file.name.split("_", 1)[0])


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the journal at `path` for this `Journal` alone, by a lock file beside it.

    Raises:
        JournalLocked: somebody else holds it, in this or another process.
        JournalError: it lies where no journal can be kept safely.
    """
    _check_ground(path)
    lock = path.with_name(path.name + ".lock")
    with told(path):
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalLocked(
                f"the journal {str(path)!r} is in use by another Mato; stop that one first"
            ) from error
        yield
    finally:
        os.close(fd)


def filesystem(path: Path) -> str:
    """The type of the file system that `path` is on ("ext4"); "" where that cannot be told."""
    mount = filesystems.of(path)
    return "" if mount is None else mount.type


def _check_ground(path: Path) -> None:
    mount = filesystems.of(path)
    if mount is None:
        return
    if mount.type in filesystems.NETWORK:
        raise JournalError(
            f"the journal {str(path)!r} would lie on {mount.type}, a network file system that"
            " cannot keep it safe; set MATO_HOME to a folder on a disk of this machine"
        )
    if mount.read_only:
        raise _read_only_ground(path)


def _read_only_ground(path: Path) -> JournalError:
    return JournalError(
        f"the journal {str(path)!r} lies on a file system that is mounted read-only; see why"
        " (`dmesg` may tell), or set MATO_HOME to a folder elsewhere"
    )


@asynccontextmanager
async def open_writer(
    path: Path, migrations: Sequence[str] | None = None, make: MakeConnection = Connection
) -> AsyncGenerator[Connection]:
    """The one connection that writes, in autocommit mode, with the newest schema.

    Raises:
        JournalNewer: a newer Mato wrote it; the file is left as it is.
        JournalError: it cannot be opened, or is no journal.
    """
    steps = bundled_migrations() if migrations is None else migrations
    with told(path):
        if await asyncio.to_thread(_create, path):
            if await asyncio.to_thread(_cut_off, path):
                await _roll_back(path, make)
            await inspect(path, len(steps), make)
        connection = await _connect(str(path), uri=False, make=make)
    try:
        with told(path):
            # page_size and auto_vacuum take effect only before the first page is written.
            for pragma in (
                f"page_size = {_PAGE_BYTES}",
                "auto_vacuum = INCREMENTAL",
                "journal_mode = WAL",
                "synchronous = FULL",
                "journal_size_limit = 67108864",
                # An error in a checkpoint is to be seen by the writer, which runs them itself.
                "wal_autocheckpoint = 0",
                "trusted_schema = OFF",
                "cell_size_check = ON",
            ):
                await connection.execute_fetchall(f"PRAGMA {pragma}")
            await _migrate(connection, path, steps)
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def open_reader(path: Path, make: MakeConnection = Connection) -> AsyncGenerator[Connection]:
    """A connection that can only read and never checkpoints."""
    with told(path):
        connection = await _connect(_read_only(path), uri=True, make=make)
    try:
        with told(path):
            await connection.execute_fetchall("PRAGMA query_only = ON")
        yield connection
    finally:
        await connection.close()


async def on_thread(connection: Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` with the plain connection, on its thread: one way there and back for all of it.

    Cancelled, it is done to its end all the same.
    """
    # aiosqlite has no public door for this, and a way of its own for each statement costs more
    # than the statements.
    return await connection._execute(work, connection._conn)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]


def is_full(error: sqlite3.Error) -> bool:
    """Whether nothing is wrong but that the disk is full.

    The WAL's index is shared memory: no data is lost where its file cannot grow.
    """
    return getattr(error, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")


async def _connect(name: str, *, uri: bool, make: MakeConnection) -> Connection:
    """A connection in autocommit mode.

    When opening fails, aiosqlite does not wait for its thread, which then finds a closed loop and
    complains on stderr. So a failure is kept, and the connection closed in order before it is told.
    """
    failures: list[sqlite3.Error] = []

    def open_it() -> sqlite3.Connection:
        try:
            return sqlite3.connect(name, uri=uri, isolation_level=None, timeout=_BUSY_S)
        except sqlite3.Error as error:
            failures.append(error)
            return sqlite3.connect(":memory:")

    connection = await make(open_it, 64)
    if failures:
        await connection.close()
        raise failures[0]
    return connection


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


@contextmanager
def told(path: Path) -> Generator[None]:
    """Faults of the file system and of SQLite as one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise JournalError(
            f"cannot open the journal {str(path)!r}: its folder does not exist; create it first"
        ) from error
    except OSError as error:
        if error.errno == errno.EROFS:
            raise _read_only_ground(path) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(path) from error
        raise JournalError(
            f"cannot open the journal {str(path)!r}: {error.strerror}; check what stands there and "
            "who owns it"
        ) from error
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_NOTADB":
            raise _foreign(path) from error
        if is_full(error):
            raise _no_room(path) from error
        raise JournalError(f"cannot open the journal {str(path)!r}: {error}") from error


def _no_room(path: Path) -> JournalError:
    return JournalError(f"cannot open the journal {str(path)!r}: its disk is full; free some space")


def _foreign(path: Path) -> JournalError:
    return JournalError(
        f"the file {str(path)!r} is not a journal of Mato; move it away or set another MATO_HOME"
    )


def _create(path: Path) -> bool:
    """Create the file for its owner alone (WAL and SHM inherit that). True: something is in it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _foreign(path)
        if status.st_mode & 0o077:
            os.fchmod(fd, 0o600)
        if status.st_size == 0:
            _sync_folder(path)
        return status.st_size > 0
    finally:
        os.close(fd)


def _cut_off(path: Path) -> bool:
    """Whether the very first page may be half written: only a creation has a rollback journal."""
    journal = path.with_name(path.name + "-journal")
    return path.stat().st_size <= _PAGE_BYTES and journal.exists()


async def _roll_back(path: Path, make: MakeConnection) -> None:
    """Undo what a rollback journal holds: a connection that only reads cannot."""
    connection = await _connect(str(path), uri=False, make=make)
    try:
        await _value(connection, "PRAGMA user_version")
    finally:
        await connection.close()


async def inspect(path: Path, newest: int, make: MakeConnection = Connection) -> None:
    """Refuse what is not ours or too new, through a connection that cannot change it.

    `newest` is the number of the newest schema that is known (see `bundled_migrations`).

    Raises:
        JournalNewer: a newer Mato wrote it.
        JournalError: it cannot be opened, or is no journal.
    """
    async with open_reader(path, make) as connection:
        application = await _value(connection, "PRAGMA application_id")
        version = await _value(connection, "PRAGMA user_version")
        tables = await _value(connection, "SELECT count(*) FROM sqlite_master")
    # A crash in the middle of the creation leaves an empty database without our id.
    if application != APPLICATION_ID and (application, version, tables) != (0, 0, 0):
        raise _foreign(path)
    if version > newest:
        raise JournalNewer(
            f"the journal {str(path)!r} has schema {version} of a newer Mato and this one knows "
            f"{newest}; update Mato to open it"
        )


async def _migrate(connection: Connection, path: Path, steps: Sequence[str]) -> None:
    version = await _value(connection, "PRAGMA user_version")
    if version == len(steps):
        return
    for number, sql in enumerate(steps[version:], start=version + 1):
        if version:  # of a new journal there is nothing to keep
            await _back_up(connection, path, number - 1)
        await connection.execute_fetchall("BEGIN IMMEDIATE")
        try:
            for statement in _statements(sql):
                await connection.execute_fetchall(statement)
            await connection.execute_fetchall(f"PRAGMA application_id = {APPLICATION_ID}")
            await connection.execute_fetchall(f"PRAGMA user_version = {number}")
            await connection.execute_fetchall("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite may have rolled back by itself
                await connection.execute_fetchall("ROLLBACK")
            raise
    await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")


async def _back_up(connection: Connection, path: Path, version: int) -> None:
    """Keep the journal as schema `version` left it, beside it and on disk."""
    target = path.with_name(f"{path.name}.v{version}.bak")
    draft = target.with_name(target.name + ".tmp")
    # VACUUM INTO takes an empty file, so that the copy is never readable by others.
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))
    await connection.execute_fetchall("VACUUM INTO ?", (str(draft),))
    await asyncio.to_thread(_settle, draft, target)


def _settle(draft: Path, target: Path) -> None:
    fd = os.open(draft, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(target)
    _sync_folder(target)


def _sync_folder(path: Path) -> None:
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _statements(sql: str) -> Iterator[str]:
    """One statement after the other; executescript would commit the transaction around them."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise JournalError(f"a migration ends in the middle of a statement: {statement!r}")


async def _value(connection: Connection, sql: str) -> int:
    rows = list(await connection.execute_fetchall(sql))
    return int(rows[0][0])
