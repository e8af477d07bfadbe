"""An error of the disk, at any operation: nothing is acknowledged that is not there afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import recording
from tests.faults.conftest import SOAK
from tests.faults.disk import Ack, Disk, Ended, Op, Refused, Touched
from tests.faults.recording import Recorder, judge

pytestmark = [pytest.mark.fault, pytest.mark.timeout(7200 if SOAK else 600)]

WORKLOAD: dict[str, Any] = {"sessions": 2, "producers": 2, "steps": 2, "wal_pages": 12}
FAULTS: dict[str, tuple[str, ...]] = {
    "write": ("eio", "short", "full"),
    "read": ("eio",),
    "sync": ("eio",),
    "truncate": ("eio",),
    "delete": ("eio",),
    "open": ("eio",),
    "os.open": ("eio", "full"),
    "os.fsync": ("eio",),
}
"""What may happen to each kind of operation."""
WORKLOADS = 10 if SOAK else 1


def _lived(recorder: Recorder, seed: str, **life: Any) -> list[Op]:
    with recording.folder() as place:
        return recorder.live(place, seed=seed, number=1, **{**WORKLOAD, **life})


def _touched(ops: list[Op], kind: str = "") -> list[Touched]:
    return [op for op in ops if isinstance(op, Touched) and (not kind or op.kind == kind)]


def _points(ops: list[Op]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(its name, the fault) for every operation and what may happen to it.

    A disk that is broken for once and one that stays so take turns, and so do a write that fails
    and one that is cut short; at length it is all of them.
    """
    for op in _touched(ops):
        turn = op.number % 2
        whats = FAULTS[op.kind]
        if len(whats) == 3 and not SOAK:
            whats = (whats[turn], whats[2])
        for number, what in enumerate(whats, start=op.number // 2):
            for sticky in (False, True) if SOAK else (number % 2 == 0,):
                how = "from then on" if sticky else "once"
                name = f"{what} at operation {op.number} ({op.kind} {op.name}) {how}"
                yield name, {"at": op.number, "what": what, "sticky": sticky}


def _disk(ops: list[Op]) -> Disk:
    disk = Disk()
    for op in ops:
        disk.apply(op)
    return disk


def _manners(ops: list[Op], whole: int) -> Iterator[str]:
    """What a journal must not do, whatever the disk does.

    `whole` is how much it acknowledges on a good one.
    """
    ended = ops[-1]
    assert isinstance(ended, Ended)
    if ended.how not in ("closed", "refused", "stopped: JournalStopped"):
        yield f"it ended so: {ended}"
    refusals = [op.error for op in ops if isinstance(op, Refused)]
    if set(refusals) - {"JournalStopped"}:
        yield f"its callers were told {refusals}"
    if ended.how == "closed" and refusals:
        yield f"it was closed in good order, and its callers were told {refusals}"
    acked = sum(isinstance(op, Ack) for op in ops)
    if ended.how != "refused" and not refusals and acked != whole:
        yield f"{acked} of {whole} were acknowledged, and nobody was told why"
    failed = {op.failed for op in _touched(ops)} - {""}
    if not failed:
        yield "nothing failed"
    if failed == {"full"} and ended.how not in ("closed", "refused"):
        yield f"a full disk is no broken one, and yet it ended so: {ended}"


async def test_an_error_at_any_operation_loses_nothing_that_was_acknowledged(
    recorder: Recorder, seed: str
) -> None:
    found: list[str] = []
    for workload in range(WORKLOADS):
        name = f"{seed}/{workload}"
        chance = random.Random(name)
        good = _lived(recorder, name)
        whole = sum(isinstance(op, Ack) for op in good)
        for point, fault in _points(good):
            ops = _lived(recorder, name, fault=fault)
            disk = _disk(ops)
            image = disk.lasting() if "sync" in point else disk.image(chance)
            found += [
                f"{point}: {one}" for one in [*_manners(ops, whole), *await judge(ops, image)]
            ]
    assert found == []


def _start_again(
    recorder: Recorder, seed: str, fault: dict[str, Any] | None, **life: Any
) -> list[Op]:
    """A life in which a sync fails and that is killed, and one that follows it at once.

    What the failed sync lost, the second life still reads: the computer was not started anew.
    """
    # Without checkpoints on the way: they would bring into the database what the WAL has lost.
    told: dict[str, Any] = {**WORKLOAD, "seed": seed, "killed": True, "wal_pages": 1000, **life}
    with recording.folder() as place:
        ops = recorder.live(place, number=1, fault=fault, **told)
        ops += recorder.live(place, number=2, names=_disk(ops).names, **told)
    return ops


async def _built_upon(recorder: Recorder, seed: str, **life: Any) -> list[str]:
    """What is lost when each sync of a life fails, Mato starts again, and the power goes later."""
    found: list[str] = []
    without = _start_again(recorder, seed, None, **life)
    first = without[: next(at for at, op in enumerate(without) if isinstance(op, Ended))]
    for op in _touched(first, "sync"):
        ops = _start_again(recorder, seed, {"at": op.number, "what": "eio"}, **life)
        point = f"sync {op.number} of {op.name} failed, and the power went later"
        found += [f"{point}: {one}" for one in await judge(ops, _disk(ops).lasting())]
    return found


async def test_what_a_failed_sync_lost_is_not_built_upon_by_the_next_start(
    recorder: Recorder, seed: str
) -> None:
    for workload in range(WORKLOADS):
        assert await _built_upon(recorder, f"{seed}/{workload}") == []


async def test_a_start_that_builds_on_the_wal_as_it_reads_it_is_caught(
    recorder: Recorder, seed: str
) -> None:
    found = await _built_upon(recorder, seed, variant="builds on the WAL")
    assert any("was acknowledged" in one for one in found), found


@pytest.mark.parametrize("variant", ["retries", "goes on"])
async def test_a_writer_that_does_not_stop_at_a_failed_sync_is_caught(
    recorder: Recorder, seed: str, variant: str
) -> None:
    found: list[str] = []
    # Killed and without checkpoints: what the database has, the WAL cannot lose.
    life: dict[str, Any] = {**WORKLOAD, "killed": True, "wal_pages": 1000, "variant": variant}
    for op in _touched(_lived(recorder, seed, **life), "sync"):
        fault = {"at": op.number, "what": "eio", "retried": variant == "retries"}
        ops = _lived(recorder, seed, fault=fault, **life)
        found += await judge(ops, _disk(ops).lasting())
    assert any("was acknowledged" in one for one in found), found
