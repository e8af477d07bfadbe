"""The journal's file: created, checked, migrated, refused."""

# ruff: noqa: ASYNC240  a test looks at files between the steps, and nothing else runs then

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mato_sessions import database
from mato_sessions.errors import JournalError, JournalLocked, JournalNewer

MORE = "CREATE TABLE more (\n  a INTEGER\n) STRICT;\nINSERT INTO more VALUES (1);\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd # name? 100%.db"


async def _open(path: Path, migrations: list[str] | None = None) -> None:
    async with database.open_writer(path, migrations):
        pass


def _query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


async def test_a_new_journal_has_its_settings_and_is_for_its_owner_alone(
    path: Path, open_umask: None
) -> None:
    async with database.open_writer(path) as connection, database.open_reader(path) as reader:
        await connection.execute_fetchall("UPDATE meta SET value = 5 WHERE key = 'epoch'")
        for pragma, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("application_id", database.APPLICATION_ID),
            ("user_version", len(database.bundled_migrations())),
            ("auto_vacuum", 2),
            ("trusted_schema", 0),
        ):
            assert list(await connection.execute_fetchall(f"PRAGMA {pragma}")) == [(value,)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await reader.execute_fetchall("UPDATE meta SET value = 6")
        files = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        assert files == {path.name + end: 0o600 for end in ("", "-wal", "-shm")}


async def test_a_journal_that_others_could_read_is_closed_to_them(path: Path) -> None:
    await _open(path)
    path.chmod(0o644)
    await _open(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE envelope SET agent = 'x'",
        "DELETE FROM envelope",
        "INSERT INTO envelope SELECT * FROM envelope",
    ],
)
async def test_envelopes_cannot_be_changed_or_taken_away(path: Path, sql: str) -> None:
    async with database.open_writer(path) as connection:
        await connection.execute_fetchall(
            "INSERT INTO envelope VALUES ('s', 1, 1, 0, 0, 'b', 1, NULL, NULL, NULL, 'k', 1,"
            " zeroblob(32), zeroblob(32))"
        )
        with pytest.raises(sqlite3.IntegrityError):
            await connection.execute_fetchall(sql)
        rows = await connection.execute_fetchall("SELECT count(*), max(agent) FROM envelope")
        assert list(rows) == [(1, None)]


async def test_a_migration_is_preceded_by_a_backup_of_what_was(path: Path) -> None:
    first = database.bundled_migrations()
    async with database.open_writer(path, first) as connection:
        await connection.execute_fetchall("UPDATE meta SET value = 41 WHERE key = 'epoch'")
    await _open(path, [*first, MORE, "CREATE TABLE last (a INTEGER) STRICT;"])
    number = len(first)
    assert _query(path, "PRAGMA user_version") == [(number + 2,)]
    assert _query(path, "SELECT a FROM more") == [(1,)]
    backup = path.with_name(f"{path.name}.v{number}.bak")
    assert backup.stat().st_mode & 0o777 == 0o600
    assert _query(backup, "PRAGMA user_version") == [(number,)]
    assert _query(backup, "PRAGMA application_id") == [(database.APPLICATION_ID,)]
    assert _query(backup, "SELECT value FROM meta WHERE key = 'epoch'") == [(41,)]
    assert path.with_name(f"{path.name}.v{number + 1}.bak").exists()
    assert not list(path.parent.glob("*.tmp"))


async def test_a_new_journal_needs_no_backup(path: Path) -> None:
    await _open(path)
    await _open(path)
    assert not list(path.parent.glob("*.bak"))


@pytest.mark.parametrize(
    "migration", [MORE + "INSERT INTO nowhere VALUES (1);", MORE + "CREATE TABLE half ("]
)
async def test_a_migration_that_fails_leaves_nothing_behind(path: Path, migration: str) -> None:
    first = database.bundled_migrations()
    await _open(path, first)
    with pytest.raises(JournalError):
        await _open(path, [*first, migration])
    assert _query(path, "PRAGMA user_version") == [(len(first),)]
    assert _query(path, "SELECT name FROM sqlite_master WHERE name = 'more'") == []
    await _open(path, [*first, MORE])


async def test_a_newer_journal_is_refused_and_left_as_it_is(path: Path) -> None:
    first = database.bundled_migrations()
    await _open(path, [*first, MORE])
    before = path.read_bytes()
    with pytest.raises(JournalNewer, match=r"newer Mato.*update Mato"):
        await _open(path, first)
    assert path.read_bytes() == before
    await _open(path, [*first, MORE])


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"not a database, but longer than the header of one " * 50)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="not a journal of Mato"):
        await _open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "sql", ["PRAGMA user_version = 1", "CREATE TABLE a (b)", "PRAGMA application_id = 7"]
)
async def test_a_database_of_another_program_is_refused(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()
    with pytest.raises(JournalError, match="not a journal of Mato"):
        await _open(path)


async def test_a_creation_that_was_cut_off_is_taken_up(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    await _open(path)
    assert _query(path, "PRAGMA application_id") == [(database.APPLICATION_ID,)]


async def test_a_damaged_journal_is_one_sentence(path: Path) -> None:
    await _open(path)
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * (4096 - 100)
    path.write_bytes(data)
    with pytest.raises(JournalError, match="cannot open the journal"):
        await _open(path)


async def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="folder does not exist"):
        await _open(tmp_path / "nowhere" / "journal.db")


async def test_a_folder_a_link_and_a_pipe_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (folder, link, pipe):
        with pytest.raises(JournalError):
            await _open(path)
    assert not (tmp_path / "target").exists()


async def test_a_place_that_takes_no_files_is_one_sentence() -> None:
    with pytest.raises(JournalError, match="cannot open the journal"):
        await _open(Path("/sys/kernel/journal.db"))


async def test_a_reader_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot open the journal"):
        async with database.open_reader(tmp_path / "nothing.db"):
            pass


def test_the_lock_is_for_one_alone_and_ends_with_it(path: Path) -> None:
    with (
        database.locked(path),
        pytest.raises(JournalLocked, match="in use"),
        database.locked(path),
    ):
        pass
    with database.locked(path):
        pass


def test_the_lock_of_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(JournalError, match="folder does not exist"),
        database.locked(tmp_path / "nowhere" / "journal.db"),
    ):
        pass


def test_an_opening_that_fails_leaves_no_thread_behind_that_complains(tmp_path: Path) -> None:
    async def read() -> None:
        async with database.open_reader(tmp_path / "nothing.db"):
            pass

    before = threading.active_count()
    for _ in range(50):
        with pytest.raises(JournalError, match="cannot open"):
            asyncio.run(read())
    assert threading.active_count() <= before + 1
