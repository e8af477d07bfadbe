"""A full disk is a pause: what waits is held in its order, and goes on by itself or when told."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from mato_sessions import ballast, database, writer
from mato_sessions.clock import ManualClock
from mato_sessions.errors import JournalError, JournalStopped
from mato_sessions.events import Draft, Event, SessionRenamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from tests.small_disk import Hog, mounted


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small") as folder:
        yield folder


class Pauses:
    """What a journal says of its pauses."""

    def __init__(self, journal: Journal) -> None:
        self.told: list[str | None] = []
        self._changed = asyncio.Event()
        journal.on_pause(self._hear)

    def _hear(self, paused: str | None) -> None:
        self.told.append(paused)
        self._changed.set()

    async def until(self, paused: bool) -> None:
        while not self.told or bool(self.told[-1]) != paused:
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Journal]:
    async with Journal.open(path, clock=ManualClock(), redactor=Redactor()) as journal:
        yield journal


def named(name: str, session: str = "s-1", size: int = 0) -> Draft:
    return Draft(session=session, body=SessionRenamed(name=name + "x" * size))


def names(events: list[Event]) -> list[str]:
    bodies = [event.body for event in events]
    return [body.name.rstrip("x") for body in bodies if isinstance(body, SessionRenamed)]


async def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


async def test_what_waits_on_a_full_disk_is_written_in_order_once_there_is_room(
    small: Path,
) -> None:
    path, hog = small / "journal.db", Hog(small)
    reserve = path.with_name("journal.db.ballast")
    async with opened(path) as journal:
        pauses = Pauses(journal)
        assert reserve.stat().st_size == ballast.BALLAST_BYTES
        assert reserve.stat().st_mode & 0o777 == 0o600
        before = await journal.append([named("before")])
        hog.take()
        async with asyncio.TaskGroup() as group:
            held = [
                group.create_task(journal.append([named(f"{at}", size=9000)])) for at in range(60)
            ]
            await pauses.until(True)
            assert journal.paused is not None
            assert "disk is full" in journal.paused
            assert not reserve.exists()
            assert not any(task.done() for task in held)
            # Reading goes on, and what is urgent is written in the ballast's room.
            assert await journal.events("s-1") == before
            [urgent] = await journal.append([named("urgent")], urgent=True)
            assert (urgent.seq, journal.position) == (2, 2)
            assert not any(task.done() for task in held)
            hog.give()
            await pauses.until(False)
        assert journal.paused is None
        assert pauses.told == [writer.FULL, None]
        assert [names(task.result()) for task in held] == [[f"{at}"] for at in range(60)]
        assert [task.result()[0].seq for task in held] == list(range(3, 63))
        assert reserve.stat().st_size == ballast.BALLAST_BYTES
        assert await journal.verify("s-1") is None
        await journal.append([named("after")])
    async with opened(path) as journal:
        assert not journal.unclean
        found = names(await journal.events("s-1"))
        assert found == ["before", "urgent", *(f"{at}" for at in range(60)), "after"]


async def test_more_than_the_queue_takes_waits_outside_while_the_disk_is_full(small: Path) -> None:
    path, hog = small / "journal.db", Hog(small)
    async with opened(path) as journal:
        pauses = Pauses(journal)
        hog.take()
        async with asyncio.TaskGroup() as group:
            for at in range(40):
                group.create_task(journal.append([named(f"{at}", size=400)] * 300))
            await pauses.until(True)
            hog.take()  # the ballast's room too
            for _ in range(3):  # a try that fails lets nobody in
                await _tried(journal)
                assert journal._writer._waiting.count <= 4096 + 300  # pyright: ignore[reportPrivateUsage]
            hog.give()
            journal.try_again()
        assert len(await journal.events("s-1", limit=20_000)) == 40 * 300
        assert await journal.verify("s-1") is None


async def _tried(journal: Journal) -> None:
    """Let the writer try once more, and wait until it has."""
    journal.try_again()
    with suppress(TimeoutError):
        await asyncio.wait_for(journal.append([named("tick", "s-9")], urgent=True), 0.2)


async def test_room_for_the_batch_alone_is_taken_only_when_somebody_says_so(small: Path) -> None:
    path, hog = small / "journal.db", Hog(small)
    async with opened(path) as journal:
        pauses = Pauses(journal)
        hog.take()
        async with asyncio.TaskGroup() as group:
            held = group.create_task(journal.append([named("held", size=90_000)]))
            await pauses.until(True)
            # Without the ballast there is room, but not for a new ballast.
            await journal.append([named("urgent")], urgent=True)
            assert not held.done()
            journal.try_again()
            await held
        await pauses.until(False)
        assert not path.with_name("journal.db.ballast").exists()
        assert names(await journal.events("s-1")) == ["urgent", "held"]


async def test_a_full_disk_without_a_ballast_only_waits(small: Path) -> None:
    path, hog = small / "journal.db", Hog(small)
    async with opened(path):
        pass
    path.with_name("journal.db.ballast").unlink()
    hog.take(but=ballast.BALLAST_BYTES // 2)
    async with opened(path) as journal:
        assert not path.with_name("journal.db.ballast").exists()
        pauses = Pauses(journal)
        hog.take()
        async with asyncio.TaskGroup() as group:
            group.create_task(journal.append([named("held", size=9000)] * 60))
            await pauses.until(True)
            urgent = group.create_task(journal.append([named("urgent", size=9000)], urgent=True))
            await asyncio.wait([urgent], timeout=0.1)
            hog.give()
        assert names(await journal.events("s-1")) == ["urgent", *["held"] * 60]


async def test_left_while_the_disk_is_full_it_says_so_and_was_no_clean_stop(small: Path) -> None:
    path, hog = small / "journal.db", Hog(small)
    async with opened(path) as journal:
        await journal.append([named("before")])
        path.with_name("journal.db.ballast").unlink()
        hog.take()
        pauses = Pauses(journal)
        held = asyncio.ensure_future(journal.append([named("held", size=9000)] * 60))
        await pauses.until(True)
    with pytest.raises(JournalStopped, match="closed while its disk was full"):
        await held
    hog.give()
    async with opened(path) as journal:
        assert journal.unclean
        assert names(await journal.events("s-1")) == ["before"]


@pytest.mark.parametrize("room", [0, 8192, 40_000, 70_000])
async def test_a_full_disk_at_the_opening_is_one_sentence(small: Path, room: int) -> None:
    path, hog = small / "journal.db", Hog(small)
    hog.take(but=room)
    with pytest.raises(JournalError, match="disk is full; free some space"):
        async with opened(path):
            pass
    hog.give()
    async with opened(path) as journal:
        await journal.append([named("a")])


async def test_a_checkpoint_that_finds_no_room_loses_nothing(small: Path) -> None:
    path, hog = small / "journal.db", Hog(small)
    async with opened(path) as journal:
        await journal.append([named("first", size=9000)] * 300)
        # Room in the WAL's file, none for the database to grow.
        await database.on_thread(_connection(journal), partial(_grow_wal, 2000))
        hog.take()
        await journal._writer._checkpoint()  # pyright: ignore[reportPrivateUsage]
        assert journal.error is None
        hog.give()
        await journal.append([named("second")])
        assert await journal.verify("s-1") is None


def _grow_wal(pages: int, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS room (a BLOB)")
    connection.execute("INSERT INTO room VALUES (zeroblob(?))", (pages * 4000,))
    connection.execute("DELETE FROM room")


def _connection(journal: Journal) -> database.aiosqlite.Connection:
    return journal._writer._connection  # pyright: ignore[reportPrivateUsage]


async def test_the_wal_does_not_grow_without_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(path) as journal:
        for _ in range(120):
            await journal.append([named("n", size=3000)] * 100)
        assert path.with_name("journal.db-wal").stat().st_size < 4 * writer.CHECKPOINT_PAGES * 4096
        assert path.stat().st_size > 30_000_000


async def test_a_reader_that_holds_the_wal_does_not_stop_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(path) as journal:
        await journal.append([named("first")])
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM envelope").fetchone()
            for _ in range(60):
                await journal.append([named("n", size=3000)] * 100)
            assert reader.execute("SELECT count(*) FROM envelope").fetchone() == (1,)
        await journal.append([named("n", size=3000)] * 1500)
        assert journal.error is None


@pytest.mark.parametrize("statement", ["COMMIT", "PRAGMA wal_checkpoint(PASSIVE)"])
@pytest.mark.parametrize("name", ["SQLITE_IOERR_FSYNC", "SQLITE_CORRUPT", "SQLITE_READONLY"])
async def test_an_error_in_commit_or_checkpoint_stops_the_writer_for_good(
    tmp_path: Path, statement: str, name: str
) -> None:
    path = tmp_path / "journal.db"
    async with opened(path) as journal:
        [first] = await journal.append([named("first")])
        sabotaged = _Sabotaged(_connection(journal)._conn, statement, name)  # pyright: ignore[reportPrivateUsage]
        _connection(journal)._connection = sabotaged  # type: ignore[assignment] # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        tasks: list[asyncio.Task[list[Event]]] = []
        try:
            async with asyncio.timeout(20):
                while journal.error is None:
                    task = asyncio.ensure_future(journal.append([named("n", size=3000)] * 100))
                    await asyncio.wait([task])
                    tasks.append(task)
                error = await journal.failed()
        finally:
            _connection(journal)._connection = sabotaged.plain  # pyright: ignore[reportPrivateUsage]
        assert isinstance(error, JournalStopped)
        assert name in str(error)
        assert sabotaged.after == [], "nothing is tried again"
        with pytest.raises(JournalStopped, match="restart the daemon"):
            await journal.append([named("more")])
        acknowledged = [first, *(e for t in tasks if not t.exception() for e in t.result())]
        for task in tasks:
            assert task.exception() is None or isinstance(task.exception(), JournalStopped)
    async with opened(path) as journal:
        assert journal.unclean
        found = await journal.since(0, 100_000)
        assert found[: len(acknowledged)] == acknowledged
        assert await journal.verify("s-1") is None


class _Sabotaged:
    """A connection on which one statement fails, from its first time on."""

    def __init__(self, plain: sqlite3.Connection, statement: str, name: str) -> None:
        self.plain = plain
        self._statement = statement
        self._name = name
        self._failed = False
        self.after: list[str] = []
        """What was tried after the failure."""

    def execute(self, sql: str, parameters: object = ()) -> sqlite3.Cursor:
        if self._failed:
            self.after.append(sql)
        if sql == self._statement:
            self._failed = True
            error = sqlite3.OperationalError(f"the test says {self._name}")
            error.sqlite_errorname = self._name
            raise error
        return self.plain.execute(sql, parameters)  # type: ignore[arg-type]

    @property
    def in_transaction(self) -> bool:
        return self.plain.in_transaction


async def test_a_stop_is_marked_with_its_epoch_and_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    mark = "SELECT value FROM meta WHERE key = 'last_stop'"
    async with opened(path) as journal:
        assert not journal.unclean
        assert await rows(path, mark) == []
        await journal.append([named("a")])
    [(stop,)] = await rows(path, mark)
    assert stop == '{"epoch":1,"at_us":1700000000000000}'
    async with opened(path) as journal:
        assert not journal.unclean
        assert await rows(path, mark) == []
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'last_stop'")
        connection.commit()
    async with opened(path) as journal:
        assert journal.unclean


async def test_a_fenced_writer_leaves_no_mark(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(path):
        with closing(sqlite3.connect(path)) as successor:
            successor.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'")
            successor.commit()
    assert await rows(path, "SELECT value FROM meta WHERE key = 'last_stop'") == []


async def test_a_journal_on_a_network_or_read_only_place_is_refused(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small / "journal.db"
    assert database.filesystem(path) == "tmpfs"
    _remount(small, "ro")
    with pytest.raises(JournalError, match="mounted read-only"):
        async with opened(path):
            pass
    _remount(small, "rw")
    monkeypatch.setattr("mato_sessions.filesystems.NETWORK", frozenset({"tmpfs"}))
    with pytest.raises(JournalError, match=r"tmpfs, a network file system.*MATO_HOME"):
        async with opened(path):
            pass
    assert _content(small) == []


def _remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def _content(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def test_a_ballast_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    place = ballast.Ballast(tmp_path / "nowhere" / "journal.db")
    place.make()
    place.drop()
    assert place.free_bytes() == 0
    link = tmp_path / "journal.db.ballast"
    link.symlink_to(tmp_path / "elsewhere")
    ballast.Ballast(tmp_path / "journal.db").make()
    assert not (tmp_path / "elsewhere").exists()
