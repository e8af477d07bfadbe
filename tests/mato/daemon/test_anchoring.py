"""The daemon's anchors are right, and nothing that goes wrong with them stops it."""

# ruff: noqa: ASYNC110  a file has no event to wait for

from __future__ import annotations

import asyncio
from pathlib import Path

from mato.daemon.anchoring import Anchoring
from mato_sessions import anchors
from mato_sessions.anchors import Anchor
from mato_sessions.clock import ManualClock
from mato_sessions.events import Draft, Event, SessionRenamed, TurnEnded
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from mato_sessions.verify import verify


def opening(path: Path):
    return Journal.open(path, clock=ManualClock(), redactor=Redactor())


def ended(session: str) -> Draft:
    return Draft(session=session, agent="a", turn="t", body=TurnEnded(reason="end_turn"))


def renamed(session: str) -> Draft:
    return Draft(session=session, body=SessionRenamed(name="x"))


def noted(event: Event) -> Anchor:
    return Anchor(event.session, event.seq, event.hash.hex(), event.at_us)


async def until(path: Path, count: int) -> list[Anchor]:
    """The anchors, once there are so many."""
    while len(found := anchors.read(path)[0]) < count:
        await asyncio.sleep(0.005)
    return found


async def test_the_end_of_a_turn_is_noted_at_once_and_everything_at_the_end(tmp_path: Path) -> None:
    path, file = tmp_path / "journal.db", tmp_path / "journal.anchors"
    async with opening(path) as journal, Anchoring.open(journal, file, pause_s=3600):
        [one] = await journal.append([ended("s-1")])
        assert await until(file, 1) == [noted(one)]
        # Within the pause nothing more is written, whatever ends.
        [two] = await journal.append([ended("s-1")])
        [other] = await journal.append([renamed("s-2")])
    found, unreadable = anchors.read(file)
    assert sorted(found, key=lambda each: (each.session, each.seq)) == [
        noted(one),
        noted(two),
        noted(other),
    ]
    assert unreadable == 0
    assert verify(path, anchors=found).anchors == 3


async def test_what_comes_during_the_pause_is_written_together(tmp_path: Path) -> None:
    path, file = tmp_path / "journal.db", tmp_path / "journal.anchors"
    async with opening(path) as journal, Anchoring.open(journal, file, pause_s=0.02):
        for _ in range(20):
            await journal.append([ended("s-1")])
        while anchors.read(file)[0][-1:] != [noted((await journal.tail("s-1", 1))[0])]:
            await asyncio.sleep(0.005)
    assert verify(path, anchors=anchors.read(file)[0]).good


async def test_anchors_that_cannot_be_written_stop_nothing(tmp_path: Path) -> None:
    path, file = tmp_path / "journal.db", tmp_path / "folder" / "journal.anchors"
    async with opening(path) as journal, Anchoring.open(journal, file, pause_s=0):
        await journal.append([ended("s-1")])
        file.parent.mkdir()
        await journal.append([ended("s-1")])
    assert anchors.newest(anchors.read(file)[0])[0].seq == 2
