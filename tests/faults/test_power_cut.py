"""What was acknowledged is there, whole, whenever the power is cut."""

from __future__ import annotations

import random

import pytest

from tests.faults import recording
from tests.faults.conftest import SOAK
from tests.faults.disk import Ack, Deleted, Disk, Op, Opened, Synced, Wrote
from tests.faults.recording import Recorder, judge

pytestmark = [pytest.mark.fault, pytest.mark.timeout(7200 if SOAK else 600)]

RECORDINGS, IMAGES = (50, 200) if SOAK else (3, 110)
CREATION_IMAGES = 20 if SOAK else 2
CONTROL_IMAGES = 80


async def _findings(ops: list[Op], seed: str, count: int, first: int = 0) -> list[str]:
    """What each of `count` power cuts broke, of which none is before operation `first`."""
    found: list[str] = []
    for at, image in recording.cuts(ops, seed, count, first):
        broken = await judge(ops[:at], image)
        found += [f"cut after {at} of {len(ops)}: {one}" for one in broken]
    return found


async def test_whatever_was_acknowledged_survives_a_power_cut(
    recorder: Recorder, seed: str
) -> None:
    start: list[Op] = []
    for number in range(RECORDINGS):
        name = f"{seed}/{number}"
        ops = recording.three_lives(recorder, name, start, number=1 + 3 * number)
        assert await _findings(ops, name, IMAGES, len(start)) == []
        # Some disks have seen cuts before; these go on from where one left them.
        at, image = random.Random(name).choice([*recording.cuts(ops, name, 3, len(start))])
        start = recording.as_found(ops[:at], image) if number % 3 != 2 else []


async def test_a_creation_may_be_cut_off_anywhere(recorder: Recorder, seed: str) -> None:
    with recording.folder() as place:
        ops = recorder.live(place, seed=seed, number=1, producers=1, steps=1)
    chance = random.Random(seed)
    disk = Disk()
    found: list[str] = []
    for at, op in enumerate(ops, start=1):
        disk.apply(op)
        if isinstance(op, Wrote | Synced | Deleted | Opened):
            images = [disk.image(chance) for _ in range(CREATION_IMAGES)]
            found += [f"{at}: {one}" for image in images for one in await judge(ops[:at], image)]
        if isinstance(op, Ack):
            break
    assert found == []


@pytest.mark.parametrize(
    "variant", ["syncs dropped", "synchronous = OFF", "synchronous = NORMAL", "commits late"]
)
async def test_a_journal_that_promises_too_early_is_caught(
    recorder: Recorder, seed: str, variant: str
) -> None:
    ops = recording.three_lives(recorder, seed, variant=variant)
    found = await _findings(ops, seed, CONTROL_IMAGES)
    assert any("was acknowledged" in one for one in found), found


async def test_one_seed_is_one_recording_and_one_row_of_cuts(recorder: Recorder, seed: str) -> None:
    first, second = (recording.three_lives(recorder, seed) for _ in range(2))
    # All but the salt that SQLite gives a WAL, and with it the checksums of its frames.
    assert [type(op) for op in first] == [type(op) for op in second]
    assert [op for op in first if isinstance(op, Ack)] == [
        op for op in second if isinstance(op, Ack)
    ]
    assert [at for at, _ in recording.cuts(first, seed, 20)] == [
        at for at, _ in recording.cuts(second, seed, 20)
    ]
