"""A backup is whole or none, and what it replaces is kept."""

# ruff: noqa: ASYNC240  nothing else runs on the loop of these tests

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mato_sessions import anchors, backup, database
from mato_sessions.errors import (
    JournalBroken,
    JournalError,
    JournalLocked,
    JournalNewer,
    UsageError,
)
from mato_sessions.events import Draft, SessionRenamed
from mato_sessions.verify import verify
from tests.sessions.records import by_hand, events, opening, small


def silent(what: str, done: int, whole: int) -> None:
    pass


def back_up(path: Path, target: Path, force: bool = False):
    return backup.back_up(path, target, force=force, tick=silent)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    await small(tmp_path / "state" / "journal.db")
    return tmp_path / "state" / "journal.db"


def files(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()}


async def test_a_backup_during_writes_is_one_moment_of_the_journal(
    path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    async with opening(path) as journal:
        stop = asyncio.Event()
        begun = asyncio.Event()

        async def on() -> None:
            while not stop.is_set():
                drafts = [Draft(session="s-3", body=SessionRenamed(name="x" * 300))] * 5
                await journal.append(drafts)
                begun.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(on())
            await begun.wait()
            before = journal.position
            report = await asyncio.to_thread(back_up, path, target)
            stop.set()
        # Batches of five: it was cut between two of them, and has what was acknowledged before.
        assert before <= report.events <= journal.position
        assert (report.events - 16) % 5 == 0
        assert await journal.verify("s-3") is None
    assert target.stat().st_mode & 0o777 == 0o600
    assert verify(target, anchors=report.heads).good
    assert files(target) == {"copy.db", "state"}


async def test_only_force_replaces_a_backup(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    back_up(path, target)
    async with opening(path) as journal:
        await journal.append([Draft(session="s-1", body=SessionRenamed(name="x"))])
    with pytest.raises(UsageError, match="--force"):
        back_up(path, target)
    assert verify(target).events == 16
    assert back_up(path, target, force=True).events == 17
    assert verify(target).events == 17


def test_places_where_no_backup_can_be_are_refused(path: Path, tmp_path: Path) -> None:
    for target, said in (
        (tmp_path / "none" / "x.db", "no folder"),
        (tmp_path, "is a folder"),
        (path, "the journal itself"),
        (path.with_name("journal.db-wal"), "Mato's own"),
        (path.with_name("journal.db.lock"), "Mato's own"),
        (path.with_name("journal.anchors"), "Mato's own"),
    ):
        with pytest.raises(UsageError, match=said):
            back_up(path, target, force=True)
    with pytest.raises(JournalError, match="there is no journal"):
        back_up(tmp_path / "other.db", tmp_path / "x.db")


def test_a_damaged_journal_gives_no_backup(path: Path, tmp_path: Path) -> None:
    with by_hand(path) as connection:
        connection.execute("DELETE FROM envelope WHERE session = 's-1' AND seq = 4")
    with pytest.raises(JournalBroken, match="event 4 of session 's-1'"):
        back_up(path, tmp_path / "copy.db")
    assert files(tmp_path / "copy.db") == {"state"}


async def test_a_restored_journal_goes_on_and_the_old_one_is_kept_with_its_wal(
    path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    back_up(path, target)
    async with opening(path) as journal:
        [late] = await journal.append([Draft(session="s-1", body=SessionRenamed(name="late"))])
        crashed = [(one, one.read_bytes()) for one in (path, path.with_name("journal.db-wal"))]
    # As after a crash: what was committed last is in the WAL alone.
    for one, data in crashed:
        one.write_bytes(data)
    anchors.append(anchors.of_journal(path), verify(path).heads)

    done = backup.restore(path, target, silent)
    assert done.kept == path.with_name("journal.db.before-restore-1")
    assert done.kept_anchors == path.with_name("journal.anchors.before-restore-1")
    assert done.kept.stat().st_mode & 0o777 == 0o600
    assert events(done.kept, "s-1")[-1] == late
    noted, _ = anchors.read(anchors.of_journal(path))
    assert verify(path, anchors=noted).good
    old, _ = anchors.read(done.kept_anchors)
    assert verify(done.kept, anchors=old).good
    assert not verify(path, anchors=old).good  # the control: so they had to go

    async with opening(path) as journal:
        [more] = await journal.append([Draft(session="s-1", body=SessionRenamed(name="more"))])
        assert more.seq == 9
    assert verify(path, anchors=noted).good
    assert backup.restore(path, target, silent).kept == path.with_name(
        "journal.db.before-restore-2"
    )
    assert not [name for name in files(path) if name.endswith(".part")]


def test_a_journal_that_cannot_be_read_any_more_is_kept_byte_for_byte(
    path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    back_up(path, target)
    path.write_bytes(b"not what it was" * 1000)
    path.with_name("journal.db-wal").write_bytes(b"neither is this")
    done = backup.restore(path, target, silent)
    assert done.kept is not None
    assert done.kept.read_bytes() == b"not what it was" * 1000
    assert Path(f"{done.kept}-wal").read_bytes() == b"neither is this"
    assert verify(path).events == 16


def test_a_journal_comes_back_where_there_is_none(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    back_up(path, target)
    for one in path.parent.iterdir():
        one.unlink()
    done = backup.restore(path, target, silent)
    assert (done.kept, done.kept_anchors) == (None, None)
    assert verify(path).events == 16
    assert path.stat().st_mode & 0o777 == 0o600


async def test_what_cannot_be_restored_leaves_all_as_it_is(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    back_up(path, target)
    async with opening(path):
        with pytest.raises(JournalLocked):
            backup.restore(path, target, silent)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="the journal itself"):
        backup.restore(path, path, silent)
    with pytest.raises(JournalError, match="there is no journal"):
        backup.restore(path, tmp_path / "none.db", silent)
    with by_hand(target) as connection:
        connection.execute("DELETE FROM body WHERE position = 3")
    with pytest.raises(JournalBroken, match="event 3 of session 's-1'"):
        backup.restore(path, target, silent)
    with closing(sqlite3.connect(target)) as connection:
        connection.execute(f"PRAGMA user_version = {len(database.bundled_migrations()) + 1}")
    with pytest.raises(JournalNewer):
        backup.restore(path, target, silent)
    assert verify(path).events == 16
    assert path.read_bytes() == before
    assert not [name for name in files(path) if "restore" in name or name.endswith(".part")]
