"""What is old and put away loses its bodies; the rest, and the chain, stay."""

# ruff: noqa: ASYNC240  nothing else runs on the loop of these tests

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mato_sessions import codec, retention
from mato_sessions.catalog import Catalog
from mato_sessions.errors import JournalBroken, JournalError
from mato_sessions.events import (
    Draft,
    ModelAsked,
    Purged,
    SessionArchived,
    SessionRenamed,
    TextStreamed,
)
from mato_sessions.projection import fold
from mato_sessions.retention import Freed, Plan, plan
from mato_sessions.verify import verify
from tests.sessions.happenings import stories
from tests.sessions.records import by_hand, events, opening, small, write

DAY_US = 86_400_000_000
NEVER_US = 1 << 62


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await small(tmp_path / "journal.db")
    return tmp_path / "journal.db"


async def archive(path: Path, *sessions: str, archived: bool = True) -> None:
    async with opening(path) as journal:
        for session in sessions:
            await journal.append([Draft(session=session, body=SessionArchived(archived=archived))])


async def purge(path: Path, found: Plan | None = None) -> Freed:
    async with opening(path) as journal:
        return await retention.purge(journal, found or plan(path, NEVER_US), 7)


def blobs(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(data[:9] for (data,) in connection.execute("SELECT data FROM blob"))


async def test_an_archived_session_keeps_its_envelopes_its_chain_and_its_listing(
    path: Path,
) -> None:
    await archive(path, "s-1")
    async with opening(path) as journal:
        before = await journal.events("s-1")
        listed = fold(Catalog(), await journal.since(0, facts_only=True)).sessions()
    found = plan(path, NEVER_US)
    assert [(each.session, each.name, each.events) for each in found.sessions] == [
        ("s-1", "s-1", 7)
    ]
    assert len(found.blobs) == 1  # the tools and the large body are also named by s-2
    freed = await purge(path, found)
    assert (freed.sessions, freed.events, freed.blobs) == (1, 7, 1)

    async with opening(path) as journal:
        after = await journal.events("s-1")
        assert fold(Catalog(), await journal.since(0, facts_only=True)).sessions() == listed
        assert await journal.verify("s-1") is None
    kept = [event.seq for event in after if not isinstance(event.body, Purged)]
    assert kept == [1, 9]
    assert [event.hash for event in after] == [event.hash for event in before]
    report = verify(path)
    assert report.good, report.findings
    assert report.purged == 7
    assert plan(path, NEVER_US).size_bytes == 0
    assert (await purge(path)).events == 0


async def test_what_is_young_at_work_or_taken_back_is_left_alone(path: Path) -> None:
    await archive(path, "s-1", "s-2")
    await archive(path, "s-2", archived=False)
    last_us = events(path, "s-1")[-1].at_us
    assert plan(path, last_us).sessions == ()
    assert [each.session for each in plan(path, last_us + 1).sessions] == ["s-1"]


async def test_a_session_that_changed_since_the_plan_keeps_everything(path: Path) -> None:
    await archive(path, "s-1")
    found = plan(path, NEVER_US)
    await archive(path, "s-1", archived=False)
    assert (await purge(path, found)).events == 0
    assert verify(path).purged == 0
    assert verify(path).good


async def test_a_fork_keeps_what_it_goes_on_from(path: Path) -> None:
    parent = events(path, "s-1")
    with by_hand(path) as connection:
        connection.execute(
            "INSERT INTO session VALUES ('s-3', 's-1', 5, 0, 5, ?)", (parent[4].hash,)
        )
    async with opening(path) as journal:
        [first] = await journal.append([Draft(session="s-3", body=SessionRenamed(name="fork"))])
        assert first.seq == 6
    assert verify(path).good
    await archive(path, "s-1")
    await purge(path)
    async with opening(path) as journal:
        left = await journal.events("s-1")
        packed = await journal.packed("s-1")
    assert [event.seq for event in left if isinstance(event.body, Purged)] == [6, 7, 8]
    assert [codec.unpack(row.raw) for row in packed] == left
    assert verify(path).good
    assert b"prompt of" in blobs(path)


async def test_a_blob_that_is_named_again_while_it_is_purged_stays(path: Path) -> None:
    await archive(path, "s-1", "s-2")
    found = plan(path, NEVER_US)
    assert len(found.blobs) == 4
    async with opening(path) as journal:
        # Another agent has been given one blob, and an event has named another one.
        ref = await journal.blob(b"the tools of all")
        again = await journal.blob(b"prompt of s-1")
        body = ModelAsked(request="r", attempt=1, model="m", system=again, tools=again, messages=())
        await journal.append([Draft(session="s-4", body=body)])
        journal._given.pop(bytes.fromhex(again.sha256))  # as if long ago
        freed = await retention.purge(journal, found, 7)
        assert freed.blobs == 2
        assert await journal.read_blob(ref) == b"the tools of all"
        assert await journal.read_blob(again) == b"prompt of s-1"
    assert verify(path).good


async def test_space_is_given_back(path: Path) -> None:
    text = "word " * 2000
    async with opening(path) as journal:
        draft = Draft(
            session="s-5", body=TextStreamed(stream="r/1/text", attempt=1, offset=0, text=text)
        )
        for _ in range(20):
            await journal.append([draft] * 50)
    await archive(path, "s-5")
    before = path.stat().st_size
    freed = await purge(path)
    assert freed.file_bytes > 9_000_000
    assert before - path.stat().st_size > 9_000_000


async def test_writers_go_on_between_the_slices(path: Path, monkeypatch: Any) -> None:
    await archive(path, "s-1")
    monkeypatch.setattr(retention, "_SLICE_EVENTS", 1)
    found = plan(path, NEVER_US)
    async with opening(path) as journal:
        tidy = journal.tidy
        slices = 0

        async def interrupted(work: Any) -> Any:
            nonlocal slices
            slices += 1
            await journal.append([Draft(session="s-2", body=SessionRenamed(name=str(slices)))])
            return await tidy(work)

        monkeypatch.setattr(journal, "tidy", interrupted)
        freed = await retention.purge(journal, found, 7)
    assert freed.events == 7
    assert slices > 7
    assert verify(path).good


@pytest.mark.parametrize("after", range(1, 9))
async def test_stopped_after_any_slice_nothing_is_broken_and_the_next_plan_has_the_rest(
    path: Path, monkeypatch: Any, after: int
) -> None:
    await archive(path, "s-1", "s-2")
    monkeypatch.setattr(retention, "_SLICE_EVENTS", 4)
    monkeypatch.setattr(retention, "_SLICE_BLOBS", 2)

    class Cut(Exception):
        pass

    with pytest.raises(Cut):
        async with opening(path) as journal:
            tidy, left = journal.tidy, after

            async def cut(work: Any) -> Any:
                nonlocal left
                if not left:
                    raise Cut
                left -= 1
                return await tidy(work)

            monkeypatch.setattr(journal, "tidy", cut)
            await retention.purge(journal, plan(path, NEVER_US), 7)
            raise Cut
    assert verify(path).good, verify(path).findings
    await purge(path)
    report = verify(path)
    assert report.good
    assert report.purged == 14
    assert blobs(path) == []


async def test_a_body_that_is_gone_without_a_note_is_damage(path: Path) -> None:
    await archive(path, "s-1")
    await purge(path)
    with by_hand(path) as connection:
        connection.execute("UPDATE purged SET last_seq = 6")
    assert [(one.session, one.seq) for one in verify(path).findings] == [("s-1", 7)]
    async with opening(path) as journal:
        with pytest.raises(JournalBroken):
            await journal.events("s-1")


async def test_a_writer_that_fails_while_tidying_stops_for_good(path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM body")
        raise sqlite3.OperationalError("disk I/O error")

    async with opening(path) as journal:
        with pytest.raises(JournalError, match="disk I/O error"):
            await journal.tidy(fail)
        with pytest.raises(JournalError, match="disk I/O error"):
            await journal.append([Draft(session="s-1", body=SessionRenamed(name="x"))])
        assert journal.error is not None
    assert verify(path).good


@settings(max_examples=15)
@given(
    told=st.lists(stories(), min_size=2, max_size=3),
    away=st.sets(st.integers(0, 2)),
    cuts=st.lists(st.integers(1, 40), max_size=2),
)
async def test_whatever_is_purged_the_record_verifies(
    told: list[Any], away: set[int], cuts: list[int], tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("purged") / "journal.db"
    await write(path, {f"s-{number}": story for number, story in enumerate(told)})
    heads = verify(path).heads
    for number, cut in enumerate(cuts):
        chained = events(path, "s-0")
        seq = min(cut, len(chained))
        with by_hand(path) as connection:
            connection.execute(
                "INSERT INTO session VALUES (?, 's-0', ?, 0, ?, ?)",
                (f"f-{number}", seq, seq, chained[seq - 1].hash),
            )
    await archive(path, *(f"s-{number}" for number in away if number < len(told)))
    found = plan(path, NEVER_US)
    freed = await purge(path, found)
    assert (freed.events, freed.blobs) == (found.events, len(found.blobs))
    report = verify(path, anchors=heads)
    assert report.good, report.findings
    assert report.purged == found.events
    async with opening(path) as journal:
        for number in range(len(told)):
            page = await journal.events(f"s-{number}")
            for event in page:
                if isinstance(event.body, Purged):
                    assert number in away
                    assert number or event.seq > max((min(c, len(page)) for c in cuts), default=0)
