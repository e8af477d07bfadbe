"""A journal is copied to another file while it is written, and put back from one.

A copy counts only when all of it has been checked; until then it has a name of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from mato_sessions import anchors, database
from mato_sessions.errors import UsageError
from mato_sessions.reading import reading
from mato_sessions.verify import Report, Tick, verify

_PAGES = 2048
"""Copied between two ticks: 8 MiB."""
_SIDES = ("-wal", "-shm")


class Restored(msgspec.Struct, frozen=True):
    """What `restore` has done."""

    report: Report
    kept: Path | None
    """Where the journal from before is now; None: there was none."""
    kept_anchors: Path | None
    """The same of its anchors."""


def back_up(path: Path, target: Path, *, force: bool, tick: Tick) -> Report:
    """Write the journal as it is now into `target`, for its owner alone, and check the copy.

    Raises:
        UsageError: `target` is there already and not `force`, or cannot be a backup.
        JournalBroken: the copy, and so the journal, is damaged; no backup is left.
        JournalError: it cannot be written.
    """
    _refuse(path, target, force)
    with _draft(target) as draft:
        _copy(path, draft, tick)
        report = verify(draft, tick=tick)
        report.require(f"the journal {str(path)!r}")
        if not force and target.exists():
            raise _there(target)
        _settle(draft, target)
    return report


def examine(path: Path, tick: Tick) -> Report:
    """The report on a backup, which is whole.

    Raises:
        JournalNewer: a newer Mato wrote it.
        JournalError: it is no journal, or damaged.
    """
    report = verify(path, tick=tick)
    report.require(f"the backup {str(path)!r}")
    return report


def restore(path: Path, backup: Path, tick: Tick) -> Restored:
    """Let the journal at `path` be what `backup` holds; the one from before is kept beside it.

    At every instant either the old journal or the new one stands there.

    Raises:
        JournalLocked: a daemon runs.
        JournalNewer: a newer Mato wrote the backup.
        JournalError: the backup is damaged, or the files cannot be written.
        UsageError: the backup is the journal itself.
    """
    if path.exists() and backup.exists() and path.samefile(backup):
        raise UsageError(f"{str(backup)!r} is the journal itself; give a backup of it")
    with database.locked(path), _draft(path) as draft:
        examine(backup, tick)
        _copy(backup, draft, tick)
        # What was read a moment ago is not yet what has been written.
        report = examine(draft, tick)
        kept, noted = _free(path)
        with database.told(path):
            kept_anchors = _set_aside_anchors(path, noted)
            there = path.exists()
            if there:
                _keep(path, kept)
            _settle(draft, path)
            anchors.replace(anchors.of_journal(path), report.heads)
    return Restored(report, kept if there else None, kept_anchors)


def _refuse(path: Path, target: Path, force: bool) -> None:
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {str(target.parent)!r} for a backup; make it first")
    if target.is_dir():
        raise UsageError(f"{str(target)!r} is a folder; give the name of a file for the backup")
    own = target.resolve().parent == path.resolve().parent
    if path.exists() and target.exists() and target.samefile(path):
        raise UsageError(f"{str(target)!r} is the journal itself; give another name")
    if own and target.name.startswith(f"{path.stem}."):
        raise UsageError(f"{str(target)!r} is a name of Mato's own files; give another one")
    if target.exists() and not force:
        raise _there(target)


def _there(target: Path) -> UsageError:
    return UsageError(f"{str(target)!r} is there already; give another name, or --force")


@contextmanager
def _draft(target: Path) -> Generator[Path]:
    """An empty file beside `target`, for its owner alone; gone when left, unless it was renamed."""
    with database.told(target):
        fd, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".", suffix=".part")
    os.close(fd)
    try:
        yield Path(name)
    finally:
        for side in ("", *_SIDES, "-journal"):
            Path(name + side).unlink(missing_ok=True)


def _copy(path: Path, draft: Path, tick: Tick) -> None:
    """Copy one snapshot of a journal, which may be written meanwhile, into a file without a WAL."""

    def told(_: int, remaining: int, total: int) -> None:
        tick("pages", total - remaining, total)

    with reading(path) as source, closing(sqlite3.connect(draft)) as copy, database.told(draft):
        # While this snapshot is held, no commit of the writer makes SQLite begin anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchall()
        source.backup(copy, pages=_PAGES, progress=told)
        source.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()


def _settle(draft: Path, target: Path) -> None:
    with database.told(target):
        _sync(draft)
        draft.replace(target)
        _sync(target.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _free(path: Path) -> tuple[Path, Path]:
    """Names for the old journal and its anchors, with the first number that neither has yet."""
    noted = anchors.of_journal(path)
    for number in itertools.count(1):
        found = [one.with_name(f"{one.name}.before-restore-{number}") for one in (path, noted)]
        if not any(one.exists() for one in found):
            return found[0], found[1]
    raise AssertionError("the numbers never end")


def _keep(path: Path, kept: Path) -> None:
    """Give the journal at `path` a second name, with all that its WAL holds, and empty its WAL."""
    wal = Path(f"{kept}-wal")
    with suppress(FileNotFoundError):
        shutil.copyfile(f"{path}-wal", wal)
        wal.chmod(0o600)
        _sync(wal)
    # A damaged journal, perhaps the reason for all this, keeps its WAL beside it.
    if _checkpoint(path):
        wal.unlink(missing_ok=True)
    try:
        os.link(path, kept)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, kept)
        _sync(kept)
    kept.chmod(0o600)
    _sync(path.parent)
    for side in _SIDES:
        Path(f"{path}{side}").unlink(missing_ok=True)


def _checkpoint(path: Path) -> bool:
    """Whether all that the WAL held is in the file now. The caller holds the journal's lock."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            [(busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return busy == 0
    except sqlite3.Error:
        return False


def _set_aside_anchors(path: Path, aside: Path) -> Path | None:
    """What was noted of the journal from before would contradict the one that comes."""
    noted = anchors.of_journal(path)
    if not noted.exists():
        return None
    noted.replace(aside)
    _sync(path.parent)
    return aside
