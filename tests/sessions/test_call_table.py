"""Where tool calls stand: changed with their events, and never against the promise."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mato_sessions import database, transitions
from mato_sessions.clock import ManualClock
from mato_sessions.errors import JournalError
from mato_sessions.events import (
    Body,
    Draft,
    Event,
    OutputStreamed,
    SessionRenamed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
)
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from mato_sessions.transitions import CallRow
from tests.golden import history

GOLDEN = Path(history.__file__).parent
SCHEMAS = [int(file.stem.split("-")[1]) for file in sorted(GOLDEN.glob("journal-*.db"))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Journal]:
    async with Journal.open(path, clock=ManualClock(), redactor=Redactor()) as journal:
        yield journal


def body(move: str, attempt: int = 1, call: str = "c-1") -> Body:
    match move:
        case "proposed":
            return ToolProposed(
                call=call, name="n", arguments={}, key=f"k-{call}", policy="probe", title="t"
            )
        case "started":
            return ToolStarted(call=call, attempt=attempt)
        case "finished":
            return ToolFinished(call=call, attempt=attempt, content="x")
        case "failed":
            return ToolFailed(call=call, attempt=attempt, message="x")
        case "unknown":
            return ToolUnknown(call=call, attempt=attempt, message="x")
        case _:
            return OutputStreamed(call=call, attempt=attempt, offset=0, text="x")


def draft(move: str, attempt: int = 1, call: str = "c-1") -> Draft:
    return Draft(session="s-1", agent="a-1", turn="t-1", body=body(move, attempt, call))


async def standing(journal: Journal) -> dict[str, tuple[str, int, int, int]]:
    rows = await journal.calls("s-1")
    return {row.call: (row.state, row.attempt, row.epoch, row.seq) for row in rows}


async def test_a_call_stands_where_its_newest_event_brought_it(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append([draft("proposed"), draft("proposed", call="c-2")])
        assert await standing(journal) == {
            "c-1": ("proposed", 0, 1, 1),
            "c-2": ("proposed", 0, 1, 2),
        }
        await journal.append([draft("started"), draft("streamed")])
        [row, _] = await journal.calls("s-1", open_only=True)
        assert row.state == "proposed"
    async with opened(path) as journal:
        assert await standing(journal) == {
            "c-2": ("proposed", 0, 1, 2),
            "c-1": ("started", 1, 1, 3),
        }
        await journal.append([draft("started", 2), draft("finished", 2)])
        [done] = [row for row in await journal.calls("s-1") if row.call == "c-1"]
        assert done == CallRow("s-1", "c-1", "a-1", "t-1", "finished", 2, 2, "k-c-1", "probe", 6)
        [left] = await journal.calls("s-1", open_only=True)
        assert left.call == "c-2"
        assert await journal.calls("s-2") == []


GOOD = [
    ["proposed", "started", "started 2", "finished 2"],
    ["proposed", "failed 0"],
    ["proposed", "started", "failed"],
    ["proposed", "unknown 0", "started", "finished"],
    ["proposed", "started", "unknown", "started 2", "unknown 2", "unknown 2", "finished 2"],
    ["proposed", "started", "unknown", "failed"],
]
BAD = [
    ([], "started", "never proposed"),
    ([], "finished", "never proposed"),
    ([], "failed 0", "never proposed"),
    (["proposed"], "proposed", "proposed already"),
    (["proposed"], "started 0", "begun already"),
    (["proposed"], f"started {1 << 70}", "no number"),
    (["proposed"], "failed -1", "no number"),
    (["proposed"], "finished", "never started"),
    (["proposed", "started"], "started", "attempt 1 has begun already"),
    (["proposed", "started", "unknown"], "started", "attempt 1 has begun already"),
    (["proposed", "started", "finished"], "started 2", "finished already"),
    (["proposed", "started", "finished"], "finished", "finished already"),
    (["proposed", "started", "failed"], "started 2", "failed already"),
    (["proposed", "failed 0"], "unknown", "failed already"),
    (["proposed", "failed 0"], "proposed", "proposed already"),
]


def _drafts(moves: list[str]) -> list[Draft]:
    return [draft(*_move(move)) for move in moves]


def _move(move: str) -> tuple[str, int]:
    name, _, attempt = move.partition(" ")
    return name, int(attempt or 1)


@pytest.mark.parametrize("moves", GOOD)
async def test_what_the_promise_allows_is_written(path: Path, moves: list[str]) -> None:
    async with opened(path) as journal:
        for one in _drafts(moves):
            await journal.append([one])
        await journal.append([Draft(session="s-2", body=each.body) for each in _drafts(moves)])
        [alone] = await journal.calls("s-1")
        [together] = await journal.calls("s-2")
        assert (alone.state, alone.attempt, alone.seq) == (
            together.state,
            together.attempt,
            together.seq,
        )


@pytest.mark.parametrize(("before", "move", "sentence"), BAD)
async def test_what_breaks_the_promise_is_refused_for_its_caller_alone(
    path: Path, before: list[str], move: str, sentence: str
) -> None:
    async with opened(path) as journal:
        if before:
            await journal.append(_drafts(before))
        stood = await standing(journal)
        named = Draft(session="s-1", body=SessionRenamed(name="with it"))
        async with asyncio.TaskGroup() as group:
            # All three are in one batch: they come while nothing is written.
            first = group.create_task(journal.append([draft("proposed", call="c-8")]))
            bad = group.create_task(_refused(journal, [named, draft(*_move(move))]))
            last = group.create_task(journal.append([draft("proposed", call="c-9")]))
        assert sentence in bad.result()
        [one], [other] = first.result(), last.result()
        assert (one.seq, other.seq) == (len(before) + 1, len(before) + 2)
        assert await journal.verify("s-1") is None
        assert len(await journal.events("s-1")) == len(before) + 2
        after = await standing(journal)
        assert {call: after[call] for call in stood} == stood


async def _refused(journal: Journal, drafts: list[Draft]) -> str:
    with pytest.raises(JournalError) as caught:
        await journal.append(drafts)
    return str(caught.value)


async def test_an_append_that_contradicts_itself_is_refused_whole(path: Path) -> None:
    async with opened(path) as journal:
        drafts = _drafts(["proposed", "started", "finished", "started 2"])
        assert "finished already" in await _refused(journal, drafts)
        assert await journal.calls("s-1") == []
        assert journal.position == 0
        await journal.append(drafts[:3])


_WALKS = st.lists(
    st.tuples(
        st.sampled_from(["proposed", "started", "finished", "failed", "unknown", "streamed"]),
        st.integers(0, 3),
        st.sampled_from(["c-1", "c-2"]),
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(walk=_WALKS)
def test_no_walk_runs_a_call_twice_under_one_attempt_or_after_its_end(
    walk: list[tuple[str, int, str]],
) -> None:
    rows: dict[str, CallRow] = {}
    begun: dict[str, list[int]] = {}
    for seq, (move, attempt, call) in enumerate(walk, 1):
        step = body(move, attempt, call)
        if not isinstance(step, transitions.Step):
            continue
        ended = call in rows and rows[call].state in ("finished", "failed")
        try:
            rows[call] = transitions.follow(rows.get(call), _event(step, seq), step)
        except JournalError:
            continue
        assert not ended
        assert (rows[call].state, rows[call].seq) == (move, seq)
        if move == "started":
            begun.setdefault(call, []).append(attempt)
    for attempts in begun.values():
        assert attempts == sorted(set(attempts))


def _event(step: Body, seq: int) -> Event:
    return Event(
        position=seq, session="s-1", seq=seq, at_us=0, mono_us=0, boot="b", epoch=1, agent=None,
        turn=None, cause=None, kind=step.kind, version=1, body=step, hash=b"",
    )  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_a_journal_of_every_schema_opens_and_says_what_it_said(
    tmp_path: Path, schema: int
) -> None:
    path = tmp_path / "journal.db"
    shutil.copyfile(GOLDEN / f"journal-{schema}.db", path)
    async with opened(path) as journal:
        for session in history.AGENTS:
            assert await journal.verify(session) is None
        seen = history.seen(await journal.since(0))
        then = json.loads((GOLDEN / f"journal-{schema}.json").read_text())
        # Later folds may say more of an entry, never something else.
        for agent, entries in then.items():
            assert len(seen[agent]) == len(entries)
            for now, was in zip(seen[agent], entries, strict=True):
                assert {name: now[name] for name in was} == was
        calls = {
            (row.session, row.call): (row.agent, row.turn, row.state, row.attempt, row.epoch)
            for session in history.AGENTS
            for row in await journal.calls(session)
        }
        assert calls == {
            ("s-1", "c-1"): ("a-1", "t-1", "finished", 1, 1),
            ("s-1", "c-2"): ("a-1", "t-1", "failed", 0, 1),
            ("s-1", "c-3"): ("a-1", "t-1", "failed", 1, 1),
            ("s-1", "c-4"): ("a-1", "t-1", "unknown", 1, 2),
            ("s-2", "c-1"): ("a-3", "t-3", "started", 1, 2),
            ("s-2", "c-2"): ("a-3", "t-3", "proposed", 0, 2),
        }
        rows = {row.call: row for row in await journal.calls("s-1")}
        assert [(rows[call].key, rows[call].policy) for call in ("c-1", "c-2", "c-3")] == [
            ("k-c-1", "ask"),
            ("k-c-2", "probe"),
            ("k-c-3", "idempotent"),
        ]
        by_seq = {event.seq: event for event in await journal.events("s-1")}
        for row in rows.values():
            assert by_seq[row.seq].kind == f"tool.{row.state}"
        assert "finished already" in await _refused(journal, [draft("started", 9)])
    newest = len(database.bundled_migrations())
    assert path.with_name(f"journal.db.v{schema}.bak").exists() == (schema < newest)


async def test_bodies_that_say_nothing_do_not_stop_a_migration(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    shutil.copyfile(GOLDEN / "journal-1.db", path)
    with closing(sqlite3.connect(path)) as connection:
        of = "WHERE position IN (SELECT position FROM envelope WHERE kind = 'tool.started')"
        connection.execute(f"UPDATE body SET data = x'ff7b' {of}")
        connection.execute(
            "DELETE FROM body WHERE position IN (SELECT position FROM envelope"
            " WHERE kind = 'tool.failed')"
        )
        # Of this session's two calls the blobs had the first one's proposal.
        connection.execute("DELETE FROM blob")
        connection.commit()
    async with opened(path) as journal:
        [row] = await journal.calls("s-2")
        assert (row.call, row.state) == ("c-2", "proposed")


def test_the_newest_schema_has_its_golden_journal() -> None:
    assert list(range(1, len(database.bundled_migrations()) + 1)) == SCHEMAS
