"""A migration that is interrupted leaves a schema that there has been, and nothing between two."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mato.testing.invariants import Acked, Evidence, check
from mato_sessions import database
from mato_sessions.errors import JournalError
from tests.faults import recording
from tests.faults.conftest import SOAK
from tests.faults.disk import Ack, Disk, Ended, FolderSynced, Op, Renamed, Touched, write_image
from tests.faults.recording import JOURNAL, Recorder, as_found, judge
from tests.golden import history

pytestmark = [pytest.mark.fault, pytest.mark.timeout(7200 if SOAK else 600)]

STEPS = database.bundled_migrations()
OLD = range(1, len(STEPS))
"""Every schema there has been before the newest."""
IMAGES = 10 if SOAK else 1
STRIDE = 1 if SOAK else 4
"""Errors come at so many operations only."""


class _Schema(NamedTuple):
    version: int
    objects: tuple[str, ...]
    """The statements that make it."""


def _golden(version: int) -> Path:
    return Path(history.__file__).with_name(f"journal-{version}.db")


def _schema(path: Path) -> _Schema:
    with closing(sqlite3.connect(path)) as connection:
        ((version,),) = connection.execute("PRAGMA user_version")
        objects = connection.execute("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY 1")
        return _Schema(version, tuple(sql for (sql,) in objects))


def _events(path: Path) -> list[Op]:
    """Everything in a journal, as acknowledged."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT session, seq, hash FROM envelope ORDER BY position")
        return [Ack(*row) for row in rows]


async def _known(tmp_path: Path, version: int) -> list[_Schema]:
    """The schemas from that version on; the last is what comes without an interruption."""
    new = tmp_path / "new.db"
    shutil.copy(_golden(version), new)
    async with database.open_writer(new):
        pass
    return [*(_schema(_golden(each)) for each in range(version, len(STEPS))), _schema(new)]


def _opened(recorder: Recorder, seed: str, version: int, **life: Any) -> tuple[list[Op], list[Op]]:
    """What was on the disk before, and what a life did that began with an old journal."""
    start = [
        *_events(_golden(version)),
        *as_found((), {JOURNAL: _golden(version).read_bytes()}),
        FolderSynced(),
    ]
    disk = _disk(start)
    told = {"seed": seed, "number": 1, "names": disk.names, "producers": 1, "steps": 1}
    with recording.folder() as place:
        write_image(place, disk.lasting())
        return start, recorder.live(place, **told, **life)


def _disk(ops: Sequence[Op]) -> Disk:
    disk = Disk()
    for op in ops:
        disk.apply(op)
    return disk


async def _look(
    ops: Sequence[Op], image: dict[str, bytes], schemas: Sequence[_Schema]
) -> list[str]:
    """What is wrong with an image of a migration that was interrupted after `ops`."""
    found: list[str] = []
    with recording.folder() as place:
        write_image(place, image)
        schema = _schema(place / JOURNAL)
        if schema not in schemas:
            found.append(f"it is at a schema {schema.version} of its own: {schema.objects}")
        for old in schemas[:-1]:
            backup = place / f"{JOURNAL}.v{old.version}.bak"
            if backup.exists():
                found += _whole(backup, old)
            elif schema.version > old.version:
                found.append(f"it is beyond schema {old.version}, of which there is no backup")
    return [*found, *await judge(ops, image)]


def _whole(backup: Path, old: _Schema) -> list[str]:
    acked = [Acked(op.session, op.seq, op.hash) for op in _acks(_golden(old.version))]
    found = check(Evidence(journal=backup, acked=acked))
    if _schema(backup) != old:
        found.append("it does not have the old schema")
    return [f"the backup: {one}" for one in found]


def _acks(path: Path) -> list[Ack]:
    return [op for op in _events(path) if isinstance(op, Ack)]


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
async def test_every_schema_there_has_been_opens(version: int) -> None:
    image = {JOURNAL: _golden(version).read_bytes()}
    assert await judge(_events(_golden(version)), image) == []


@pytest.mark.parametrize("version", OLD)
async def test_a_migration_may_be_killed_or_lose_its_power_at_any_operation(
    recorder: Recorder, seed: str, tmp_path: Path, version: int
) -> None:
    schemas = await _known(tmp_path, version)
    start, life = _opened(recorder, seed, version)
    assert any(isinstance(op, Renamed) for op in life), "no backup was made"
    chance = random.Random(seed)
    disk = _disk(start)
    found: list[str] = []
    for at, op in enumerate(life, start=1):
        if isinstance(op, Ack):
            break
        disk.apply(op)
        if isinstance(op, Touched):
            continue
        for image in [disk.as_read(), *(disk.image(chance) for _ in range(IMAGES))]:
            found += [f"{at}: {one}" for one in await _look([*start, *life[:at]], image, schemas)]
    assert found == []


@pytest.mark.parametrize("version", OLD)
async def test_a_migration_may_meet_an_error_at_any_operation(
    recorder: Recorder, seed: str, tmp_path: Path, version: int
) -> None:
    schemas = await _known(tmp_path, version)
    _, good = _opened(recorder, seed, version)
    first = next(at for at, op in enumerate(good) if isinstance(op, Ack))
    points = [op for op in good[:first] if isinstance(op, Touched)]
    found: list[str] = []
    for op in points[random.Random(seed).randrange(STRIDE) :: STRIDE]:
        fault = {"at": op.number, "what": "eio"}
        start, life = _opened(recorder, seed, version, fault=fault)
        ended = life[-1]
        assert isinstance(ended, Ended)
        point = f"at operation {op.number} ({op.kind} {op.name})"
        if ended.how in ("failed", "hung"):
            found.append(f"{point} it ended so: {ended}")
        ops = [*start, *life]
        found += [f"{point}: {one}" for one in await _look(ops, _disk(ops).lasting(), schemas)]
    assert found == []


def _statements(sql: str) -> list[str]:
    """The statements of a migration; at least one each."""
    return list(database._statements(sql))  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("version", OLD)
async def test_a_migration_may_fail_at_any_statement(tmp_path: Path, version: int) -> None:
    old = _schema(_golden(version))
    statements = _statements(STEPS[version])
    for count in range(len(statements) + 1):
        path = tmp_path / f"{count}.db"
        shutil.copy(_golden(version), path)
        broken = "".join([*statements[:count], "INSERT INTO nowhere VALUES (1);\n"])
        with pytest.raises(JournalError):
            async with database.open_writer(path, [*STEPS[:version], broken]):
                pass
        assert _schema(path) == old
        assert _whole(path.with_name(f"{path.name}.v{version}.bak"), old) == []
        async with database.open_writer(path, STEPS[: version + 1]):
            pass
        assert _schema(path).version == version + 1


@pytest.mark.parametrize("version", OLD)
async def test_a_migration_that_is_not_one_transaction_is_caught(
    tmp_path: Path, version: int
) -> None:
    schemas = await _known(tmp_path, version)
    with recording.folder() as place:
        path = place / JOURNAL
        shutil.copy(_golden(version), path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(_statements(STEPS[version])[0])
        image = {JOURNAL: path.read_bytes()}
    found = await _look(_events(_golden(version)), image, schemas)
    assert any("a schema" in one for one in found), found
