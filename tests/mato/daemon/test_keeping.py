"""A roster taken up from what was kept is the one that the journal alone makes, or it is not."""

# ruff: noqa: ASYNC110  a file has no event to wait for

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mato.bus import is_fact
from mato.daemon.keeping import Keeping
from mato.daemon.roster import Roster
from mato_sessions import snapshots
from mato_sessions.clock import ManualClock
from mato_sessions.events import AgentStateChanged, Draft, Event, SessionOpened, SessionRenamed
from mato_sessions.journal import Journal
from mato_sessions.pieces import Piece
from mato_sessions.redact import Redactor
from mato_sessions.snapshots import Snapshot
from tests.sessions.happenings import stories

OPENED = SessionOpened(name="fix", cwd="/w", mode="ask", trusted=True, mato="0")


def opening(path: Path):
    return Journal.open(path, clock=ManualClock(), redactor=Redactor())


def renamed(name: str) -> Draft:
    return Draft(session="s-1", body=SessionRenamed(name=name))


def seen(roster: Roster) -> tuple[bytes, bytes]:
    return roster.catalog.snapshot(), roster.waiting.snapshot()


async def folded(journal: Journal) -> Roster:
    roster = Roster()
    await roster.load(journal)
    return roster


async def _compare(events: Sequence[Event], at: int, path: Path) -> None:
    async with opening(path / "journal.db") as journal:
        kept: Snapshot | None = None
        before = Roster()
        for number, event in enumerate(events):
            if number == at:
                await before.load(journal)
                kept = before.snapshot() if number else None
            draft = Draft(session="s-1", agent=event.agent, turn=event.turn, body=event.body)
            await journal.append([draft])
        if kept is not None:
            snapshots.write(path / "roster", kept)
            kept = snapshots.read(path / "roster", before.maker)
            assert kept is not None
        resumed = Roster()
        # What was kept is not folded again: the property would hold without any snapshot.
        assert await resumed.load(journal, kept) == len(events) - (at if kept else 0)
        assert seen(resumed) == seen(await folded(journal))
        assert resumed.catalog.position == len(events)
        assert resumed.snapshot().hash == (await folded(journal)).snapshot().hash


@settings(max_examples=40, deadline=None)
@given(story=stories(), data=st.data())
def test_what_was_kept_and_the_facts_since_are_the_fold_of_all_facts(
    story: list[Event | Piece], data: st.DataObject
) -> None:
    facts = [each for each in story if isinstance(each, Event) and is_fact(each.kind)]
    at = data.draw(st.integers(0, max(0, len(facts) - 1)))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare(facts, at, Path(folder)))


def rewritten(file: Path, **changes: object) -> None:
    """What somebody who knows the checksum makes of it."""
    found = msgspec.json.decode(file.read_bytes()[32:], type=Snapshot)
    snapshots.write(file, msgspec.structs.replace(found, **changes))


SPOILING: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "torn": lambda file: file.write_bytes(file.read_bytes()[:-7]),
    "zeros": lambda file: file.write_bytes(bytes(len(file.read_bytes()))),
    "one bit": lambda file: file.write_bytes(
        file.read_bytes()[:-40] + bytes([file.read_bytes()[-40] ^ 1]) + file.read_bytes()[-39:]
    ),
    "no file": lambda file: (file.unlink(), file.mkdir()),
    "of other code": lambda file: rewritten(file, maker="0" * 64),
    "of another past": lambda file: rewritten(file, hash="0" * 64),
    "from the future": lambda file: rewritten(file, position=99),
    "before the beginning": lambda file: rewritten(file, position=-1),
    "of another shape": lambda file: rewritten(file, state=msgspec.Raw(b'{"catalog":[]}')),
    "of another inner shape": lambda file: rewritten(
        file, state=msgspec.Raw(b'{"catalog":{},"waiting":{"a":3}}')
    ),
}


async def _kept(journal: Journal, file: Path) -> Roster:
    await journal.append([Draft(session="s-1", body=OPENED), renamed("one"), renamed("two")])
    async with Keeping.open(journal, Roster(), file):
        pass
    return await folded(journal)


async def test_what_is_whole_is_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "roster"
    async with opening(tmp_path / "journal.db") as journal:
        whole = await _kept(journal, file)
        assert file.stat().st_mode & 0o777 == 0o600
        kept = snapshots.read(file, whole.maker)
        roster = Roster()
        assert await roster.load(journal, kept) == 0
        assert seen(roster) == seen(whole)


@pytest.mark.parametrize("how", SPOILING)
async def test_what_is_not_whole_or_not_ours_counts_as_none(tmp_path: Path, how: str) -> None:
    file = tmp_path / "roster"
    async with opening(tmp_path / "journal.db") as journal:
        whole = await _kept(journal, file)
        SPOILING[how](file)
        roster = Roster()
        assert await roster.load(journal, snapshots.read(file, whole.maker)) == 3
        assert seen(roster) == seen(whole)


async def test_a_journal_that_went_another_way_is_folded_anew(tmp_path: Path) -> None:
    file = tmp_path / "roster"
    async with opening(tmp_path / "one.db") as journal:
        await _kept(journal, file)
    async with opening(tmp_path / "other.db") as journal:
        await journal.append([Draft(session="s-1", body=OPENED)])
        await journal.append([renamed("three"), renamed("four")])
        roster = Roster()
        async with Keeping.open(journal, roster, file):
            found = roster.catalog.session("s-1")
            assert found is not None
            assert found.name == "four"


async def test_code_that_cannot_be_read_takes_nothing_up(tmp_path: Path) -> None:
    assert snapshots.maker(["sys"]) == ""
    snapshots.write(tmp_path / "roster", Snapshot("", 1, "", msgspec.Raw(b"{}")))
    assert snapshots.read(tmp_path / "roster", "") is None


async def test_it_is_kept_after_so_many_facts(tmp_path: Path) -> None:
    file = tmp_path / "roster"
    async with opening(tmp_path / "journal.db") as journal:
        roster = Roster()

        def committed(events: Sequence[Event]) -> None:
            for event in events:
                roster.apply(event)

        async with Keeping.open(journal, roster, file, every=3):
            journal.listen(committed)
            await journal.append([Draft(session="s-1", body=OPENED), renamed("one")])
            state = AgentStateChanged(state="idle", evidence="x")
            await journal.append([Draft(session="s-1", agent="a-1", body=state)])
            while (kept := snapshots.read(file, roster.maker)) is None:
                await asyncio.sleep(0.005)
            assert kept.position == 3
            await journal.append([renamed("two")])
        kept = snapshots.read(file, roster.maker)
        assert kept is not None
        assert kept.position == 4  # and when it is left


async def test_where_it_cannot_be_written_the_daemon_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opening(tmp_path / "journal.db") as journal:
        await journal.append([Draft(session="s-1", body=OPENED), renamed("one")])
        roster = Roster()
        async with Keeping.open(journal, roster, tmp_path / "none" / "roster", every=1):
            while not caplog.records:
                await asyncio.sleep(0.005)
        assert [each.levelname for each in caplog.records] == ["WARNING"]
        assert roster.catalog.position == 2
