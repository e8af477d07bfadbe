"""The disk of the power cuts: it keeps what was synced, and may lose or tear everything else."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.faults.disk import (
    SECTOR,
    Deleted,
    Disk,
    FolderSynced,
    Op,
    Opened,
    Renamed,
    Synced,
    Truncated,
    Wrote,
)

pytestmark = pytest.mark.fault

OLD, NEW = b"o" * 4 * SECTOR, b"n" * 4 * SECTOR
MADE: list[Op] = [Opened(1, "a", True), Wrote(1, 0, OLD), Synced(1, folder=True)]


def _images(ops: Sequence[Op], count: int = 400) -> list[dict[str, bytes]]:
    disk = Disk()
    for op in ops:
        disk.apply(op)
    chance = random.Random(1)
    return [disk.image(chance) for _ in range(count)]


def _contents(ops: Sequence[Op]) -> set[bytes | None]:
    return {image.get("a") for image in _images(ops)}


def test_what_was_synced_is_all_that_is_there() -> None:
    assert _contents([*MADE, Wrote(1, 0, NEW), Synced(1)]) == {NEW}


def test_a_write_without_a_sync_is_there_or_lost_or_torn_at_a_sector() -> None:
    contents = _contents([*MADE, Wrote(1, 0, NEW)])
    assert {OLD, NEW} < contents
    for content in contents:
        assert content is not None
        sectors = [content[at : at + SECTOR] for at in range(0, len(content), SECTOR)]
        assert set(sectors) <= {OLD[:SECTOR], NEW[:SECTOR]}
    # Torn in every way: four sectors, each for itself.
    assert len(contents) == 16


def test_two_writes_may_come_in_the_other_order() -> None:
    first, second = Wrote(1, 0, NEW[:SECTOR]), Wrote(1, 3 * SECTOR, NEW[:SECTOR])
    contents = _contents([*MADE, first, second])
    assert OLD[: 3 * SECTOR] + NEW[:SECTOR] in contents
    assert NEW[:SECTOR] + OLD[SECTOR:] in contents


def test_a_write_never_harms_the_bytes_beside_it() -> None:
    contents = _contents([*MADE, Wrote(1, 10, b"n" * 20)])
    assert contents == {OLD, OLD[:10] + b"n" * 20 + OLD[30:]}


def test_a_file_may_have_grown_without_its_content() -> None:
    contents = _contents([*MADE, Wrote(1, len(OLD), NEW)])
    assert OLD in contents
    assert OLD + NEW in contents
    assert OLD + bytes(len(NEW)) in contents
    assert all(content is not None and content.startswith(OLD) for content in contents)


def test_a_truncation_without_a_sync_may_be_lost() -> None:
    contents = _contents([*MADE, Truncated(1, SECTOR)])
    assert {OLD, OLD[:SECTOR]} <= contents
    assert _contents([*MADE, Truncated(1, SECTOR), Synced(1)]) == {OLD[:SECTOR]}


def test_names_are_lost_and_come_back_until_their_folder_is_synced() -> None:
    made = [Opened(1, "a", True), Wrote(1, 0, OLD), Synced(1)]
    assert _contents(made) == {None, OLD}
    assert _contents([*MADE, Deleted("a", False)]) == {None, OLD}
    assert _contents([*MADE, Deleted("a", True)]) == {None}
    assert _contents([*made, FolderSynced()]) == {OLD}


def test_a_rename_is_there_or_not_and_nothing_between() -> None:
    made: list[Op] = [*MADE, Opened(2, "b", True), Wrote(2, 0, NEW), Synced(2, folder=True)]
    images = _images([*made, Renamed("b", "a")])
    assert {tuple(sorted(image.items())) for image in images} == {
        (("a", OLD), ("b", NEW)),
        (("a", NEW),),
    }


def test_a_kill_loses_nothing_that_was_written() -> None:
    disk = Disk()
    for op in (*MADE, Wrote(1, 0, NEW), Synced(1, failed=True), Opened(2, "b", True)):
        disk.apply(op)
    assert disk.as_read() == {"a": NEW, "b": b""}
    assert disk.lasting() == {"a": OLD}


def test_what_a_failed_sync_lost_no_later_sync_saves() -> None:
    failed: list[Op] = [*MADE, Wrote(1, 0, NEW), Synced(1, failed=True)]
    assert _contents([*failed, Synced(1)]) == {OLD}
    # Written anew, it is as good as any other.
    assert _contents([*failed, Wrote(1, 0, NEW), Synced(1)]) == {NEW}
