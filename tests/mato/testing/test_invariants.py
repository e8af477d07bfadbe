"""The checker names each invariant that is broken, and nothing where none is."""

# ruff: noqa: ASYNC240  a test looks at files between the steps, and nothing else runs

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mato.testing.calls import Calls
from mato.testing.invariants import Acked, Effect, Evidence, check
from mato.testing.kin import Kin
from mato_sessions import chain, codec, database
from mato_sessions.batch import INLINE_BYTES
from mato_sessions.codec import Envelope
from mato_sessions.events import (
    BlobRef,
    Body,
    Event,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
)
from mato_sessions.events.turn import TextBlock

LARGE = "large " * 4000
Step = tuple[str, str, str | None, dict[str, Any]]
"""Kind, agent, turn and body of an event."""


def proposed(call: str = "c-1", policy: Any = "ask") -> ToolProposed:
    return ToolProposed(
        call=call, name="shell", arguments={}, key=f"k-{call}", policy=policy, title="$ make"
    )


def finished(call: str = "c-1", attempt: int = 1) -> ToolFinished:
    return ToolFinished(call=call, attempt=attempt, content="done")


def started(call: str = "c-1", attempt: int = 1) -> ToolStarted:
    return ToolStarted(call=call, attempt=attempt)


UNKNOWN = ToolUnknown(call="c-1", attempt=1, message="not known")
DENIED = ToolFailed(call="c-1", attempt=0, message="denied", cause="denied")
ENDED = TurnEnded(reason="end_turn")
CALL: tuple[Body, ...] = (proposed(), started(), finished(), ENDED)


async def written(path: Path, bodies: Sequence[Body] = CALL) -> list[Event]:
    """A journal at `path` with a turn in each of two sessions; `bodies` are the first one's.

    Its rows are written past the journal, which would refuse what no call may do.
    """
    output = b"the whole output"
    ref = BlobRef(chain.digest(output).hex(), len(output))
    told = msgspec.structs.replace(finished("c-2"), output=ref, content=LARGE)
    second = (proposed("c-2"), started("c-2"), told, ENDED)
    begun = TurnPrompted(blocks=(TextBlock("go on"),))
    async with database.open_writer(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        _insert(connection, "blob", chain.digest(output), len(output), output)
        events = _session(connection, "s-1", (begun, *bodies), 0)
        events += _session(connection, "s-2", (begun, *second), len(events))
        for session, call, state, attempt, key, policy, seq in _calls(events):
            row = (session, call, None, "t-1", state, attempt, 1, key, policy, seq)
            _insert(connection, "call", *row)
        connection.commit()
    return events


def _session(
    connection: sqlite3.Connection, session: str, bodies: Sequence[Body], position: int
) -> list[Event]:
    head = chain.genesis(session)
    events: list[Event] = []
    for seq, body in enumerate(bodies, start=1):
        position += 1
        data = codec.encode(body)
        digest = chain.digest(data)
        kind, version = body.kind, body.version
        at = (1_700_000_000_000_000 + position, position * 1000)
        envelope = Envelope(session, seq, *at, "b", 1, None, "t-1", None, kind, version)
        head = chain.link(head, envelope.encode(), digest)
        events.append(envelope.event(position, body, head))
        row = (session, seq, position, *at, "b", 1, None, "t-1", None, kind, version, digest, head)
        _insert(connection, "envelope", *row)
        large = len(data) > INLINE_BYTES
        _insert(connection, "body", position, None if large else data)
        if large:
            _insert(connection, "blob", digest, len(data), data)
    _insert(connection, "session", session, None, None, 0, len(bodies), head)
    return events


def _insert(connection: sqlite3.Connection, table: str, *row: Any) -> None:
    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _calls(events: Sequence[Event]) -> list[list[Any]]:
    """A row for each call: session, call, state, attempt, key, policy, seq."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for event in events:
        body = event.body
        if isinstance(body, ToolProposed):
            row = [event.session, body.call, "proposed", 0, body.key, body.policy, event.seq]
            rows.setdefault((event.session, body.call), row)
        elif isinstance(body, ToolStarted | ToolFinished | ToolFailed | ToolUnknown):
            row = rows.get((event.session, body.call), [""] * 7)
            row[2], row[6] = event.kind.removeprefix("tool."), event.seq
            row[3] = max(row[3] or 0, body.attempt)
    return list(rows.values())


def changed(path: Path, *statements: str) -> None:
    """Change the journal as no Mato would."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER envelope_is_never_updated")
        connection.execute("DROP TRIGGER envelope_is_never_deleted")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def test_a_good_journal_breaks_nothing(path: Path) -> None:
    events = await written(path)
    seen = [Acked.of(event) for event in events]
    evidence = Evidence(
        journal=path,
        acked=seen,
        effects=(Effect("c-1", "k-c-1", 1), Effect("c-2", "k-c-2", 1)),
        seen={"whole": seen, "part": seen[:3], "none": ()},
        resumed={"a-1": b"{}"},
        replayed={"a-1": b"{}"},
    )
    assert check(evidence) == []


async def test_a_creation_that_was_cut_off_breaks_nothing_unless_something_was_acknowledged(
    path: Path,
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert check(Evidence(journal=path)) == []
    found = check(Evidence(journal=path, acked=(Acked("s-1", 1, bytes(32)),)))
    assert found == ["s-1 1 was acknowledged and is not there"]


async def test_1_a_lost_or_changed_acknowledgement_is_named(path: Path) -> None:
    events = await written(path)
    acked = Acked.of(events[0])
    lost = msgspec.structs.replace(acked, seq=99)
    other = msgspec.structs.replace(acked, hash=bytes(32))
    assert check(Evidence(journal=path, acked=(lost, other))) == [
        "s-1 99 was acknowledged and is not there",
        "s-1 1 was acknowledged with another hash",
    ]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DELETE FROM envelope WHERE session = 's-1' AND seq = 2", "s-1 has a gap: 3 follows 1"),
        (
            "DELETE FROM envelope WHERE session = 's-1' AND seq = 5",
            "s-1 ends at 4, and its head says 5",
        ),
        ("UPDATE envelope SET at_us = 1 WHERE position = 4", "s-1 4 does not chain"),
        ("UPDATE envelope SET position = 99 WHERE position = 10", "follows position 9"),
        ("UPDATE body SET data = x'7b7d' WHERE position = 1", "the body of s-1 1 is not"),
        ("DELETE FROM body WHERE position = 1", "the body of s-1 1 is not"),
        ("DELETE FROM blob WHERE size = 16", "which is not there"),
        ("DELETE FROM blob WHERE size > 16", "the body of s-2 4 is not"),
        ("UPDATE blob SET data = x'00' WHERE size = 16", "is not what its hash and size say"),
        ("DROP TABLE body", "no tables ['body']"),
        ("UPDATE call SET state = 'started' WHERE call = 'c-1'", "the table says ('started', 1,"),
        ("DELETE FROM call WHERE call = 'c-1'", "the table says None of the call"),
    ],
)
async def test_2_whatever_is_missing_or_changed_is_named(
    path: Path, statement: str, sentence: str
) -> None:
    events = await written(path)
    changed(path, statement)
    found = check(Evidence(journal=path))
    assert any(sentence in one for one in found), found
    assert events


async def test_2_damage_and_a_missing_file_are_named(path: Path) -> None:
    await written(path)
    with path.open("r+b") as file:
        for page in range(4, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)
    found = check(Evidence(journal=path))
    assert any("quick_check" in one or "cannot be read" in one for one in found), found
    [missing] = check(Evidence(journal=path.with_name("nothing.db")))
    assert missing.startswith("the journal cannot be read")


async def test_2_a_fork_that_leaves_its_parent_elsewhere_is_named(path: Path) -> None:
    await written(path)
    changed(path, "UPDATE session SET parent = 's-1', fork_seq = 3 WHERE session = 's-2'")
    assert "s-2 has a gap: 1 follows 3" in check(Evidence(journal=path))


ONCE = Effect("c-1", "k-c-1", 1)
TWICE = Effect("c-1", "k-c-1", 2)


@pytest.mark.parametrize(
    ("bodies", "effects", "sentence"),
    [
        (CALL, (ONCE, ONCE), "attempt 1 of the key k-c-1 took effect 2 times"),
        ((*CALL[:3], started("c-1", 2)), (), "started again after its end"),
        ((*CALL[:3], started("c-1", 2)), (ONCE, TWICE), "in attempt 2 after it had ended"),
        (
            (proposed(), started(), UNKNOWN, started("c-1", 2), finished("c-1", 2)),
            (ONCE, TWICE),
            "has policy ask and took effect 2 times",
        ),
        (
            (proposed(), started(), UNKNOWN, started("c-1", 2), finished("c-1", 2)),
            (),
            "has policy ask and started 2 times",
        ),
        ((*CALL[:3], finished()), (), "ended twice"),
        ((proposed(), proposed()), (), "proposed twice"),
        ((proposed(policy="idempotent"), started(), started()), (), "attempt 1 after [1]"),
    ],
)
async def test_3_an_effect_too_many_is_named(
    path: Path, bodies: Sequence[Body], effects: Sequence[Effect], sentence: str
) -> None:
    await written(path, bodies)
    found = check(Evidence(journal=path, effects=effects))
    assert any(sentence in one for one in found), found


async def test_3_what_is_idempotent_may_run_again(path: Path) -> None:
    cut = (proposed(policy="idempotent"), started())
    await written(path, (*cut, started("c-1", 2), finished("c-1", 2), ENDED))
    assert check(Evidence(journal=path, effects=(ONCE, TWICE))) == []


@pytest.mark.parametrize(("decision", "good"), [("again", True), ("done", False)])
def test_3_what_a_person_decided_to_run_again_may_do_so_once(decision: str, good: bool) -> None:
    calls = Calls()
    call = {"call": "c-1"}
    for seq, (kind, body) in enumerate(
        [
            ("tool.proposed", {"key": "k-c-1", "policy": "ask"}),
            ("tool.started", {"attempt": 1}),
            ("tool.unknown", {"attempt": 1}),
            ("permission.answered", {"decision": decision}),
            ("tool.started", {"attempt": 2}),
            ("tool.finished", {"attempt": 2}),
        ],
        start=1,
    ):
        calls.note(Envelope("s-1", seq, 0, 0, "b", 1, None, "t-1", None, kind, 1), call | body)
    assert (calls.broken == []) is good
    assert (list(calls.judge((ONCE, TWICE))) == []) is good
    third = Effect("c-1", "k-c-1", 3)
    assert any("without a committed start" in one for one in calls.judge((ONCE, TWICE, third)))


@pytest.mark.parametrize(
    ("bodies", "effect", "sentence"),
    [
        ((proposed(),), ONCE, "without a committed start"),
        (CALL, Effect("c-9", "k-c-9", 1), "without a committed start"),
        (CALL, TWICE, "without a committed start"),
        (CALL, Effect("c-1", "other", 1), "took effect under the key 'other'"),
        ((started(),), None, "started and was never proposed"),
        ((finished(),), None, "finished and was never proposed"),
        ((proposed(), finished()), None, "which never started"),
    ],
)
async def test_4_an_effect_before_its_start_is_named(
    path: Path, bodies: Sequence[Body], effect: Effect | None, sentence: str
) -> None:
    await written(path, bodies)
    found = check(Evidence(journal=path, effects=() if effect is None else (effect,)))
    assert any(sentence in one for one in found), found


@pytest.mark.parametrize(
    ("bodies", "good"),
    [
        ((proposed(), ENDED), False),
        ((proposed(), started(), ENDED), False),
        ((proposed(), started(), ENDED, finished()), False),
        ((proposed(), started(), UNKNOWN, ENDED), True),
        (
            (proposed(), ToolFailed(call="c-1", attempt=0, message="no", cause="denied"), ENDED),
            True,
        ),
        ((proposed(), started()), True),
    ],
)
async def test_5_a_call_that_its_turn_left_open_is_named(
    path: Path, bodies: Sequence[Body], good: bool
) -> None:
    await written(path, bodies)
    expected = [] if good else ["the turn t-1 ended and its call c-1 did not"]
    assert check(Evidence(journal=path)) == expected


@pytest.mark.parametrize(
    ("resumed", "replayed", "sentence"),
    [
        ({"a": b"1"}, {"a": b"2"}, "a: the resumed state is not the replayed state"),
        ({"a": b"1"}, {}, "a was resumed and cannot be replayed"),
        ({}, {"a": b"1"}, "a can be replayed and was not resumed"),
    ],
)
async def test_6_a_state_that_differs_is_named(
    path: Path, resumed: dict[str, bytes], replayed: dict[str, bytes], sentence: str
) -> None:
    await written(path)
    assert check(Evidence(journal=path, resumed=resumed, replayed=replayed)) == [sentence]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda seen: seen[1:], "client c saw s-1 2 after 0"),
        (lambda seen: [seen[0], *seen], "client c saw s-1 1 2 times"),
        (lambda seen: [*seen[:2], *seen[3:]], "client c saw s-1 4 after 2"),
        (lambda seen: [seen[1], seen[0]], "client c saw s-1 2 after 0"),
        (
            lambda seen: [*seen[:-1], msgspec.structs.replace(seen[-1], hash=bytes(32))],
            "client c saw a s-2 5 that the journal does not have",
        ),
    ],
)
async def test_7_what_a_client_missed_or_saw_twice_is_named(
    path: Path, change: Callable[[list[Acked]], list[Acked]], sentence: str
) -> None:
    seen = [Acked.of(event) for event in await written(path)]
    assert sentence in check(Evidence(journal=path, seen={"c": change(seen)}))


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE envelope SET mono_us = 1 WHERE position = 3", "mono_us goes back"),
        ("UPDATE envelope SET epoch = 9 WHERE position = 3", "epoch 1 comes after 9"),
    ],
)
async def test_8_a_clock_or_an_epoch_that_goes_back_is_named(
    path: Path, statement: str, sentence: str
) -> None:
    await written(path)
    changed(path, statement)
    assert any(sentence in one for one in check(Evidence(journal=path)))


BEGUN: Step = ("agent.spawned", "a-1", None, {})
RUNS: Step = ("tool.started", "a-1", "t-1", {"call": "c-1", "attempt": 1})
OVER: Step = ("tool.finished", "a-1", "t-1", {"call": "c-1", "attempt": 1})
CHILD: Step = (
    "agent.spawned", "a-2", None, {"parent": "a-1", "call": "c-1", "depth": 1, "task": "t-2"},
)  # fmt: skip
TASK: Step = ("turn.queued", "a-2", "t-2", {})


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([BEGUN, RUNS, CHILD, TASK, OVER], ""),
        ([BEGUN, RUNS, CHILD, TASK, RUNS, CHILD, TASK], "c-1 started a second agent"),
        ([BEGUN, CHILD, TASK], "which did not run"),
        ([BEGUN, RUNS, OVER, CHILD, TASK], "which did not run"),
        ([RUNS, CHILD, TASK], "has no parent one above"),
        ([BEGUN, RUNS, CHILD, OVER], "without its task"),
        ([BEGUN, RUNS, (*CHILD[:3], {**CHILD[3], "depth": 2}), TASK], "has no parent one above"),
    ],
)
def test_9_a_call_starts_one_agent_while_it_runs_and_that_has_a_task(
    steps: Sequence[Step], said: str
) -> None:
    kin = Kin()
    for seq, (kind, agent, turn, body) in enumerate(steps, start=1):
        kin.note(Envelope("s-1", seq, 0, 0, "b", 1, agent, turn, None, kind, 1), body)
    assert any(said in sentence for sentence in kin.broken) if said else not kin.broken
