"""The journal as its callers see it: append, read, listen, stop."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mato_sessions import chain, codec
from mato_sessions.batch import INLINE_BYTES
from mato_sessions.clock import ManualClock
from mato_sessions.errors import (
    JournalBroken,
    JournalError,
    JournalFenced,
    JournalLocked,
    JournalStopped,
)
from mato_sessions.events import (
    BlobRef,
    Draft,
    Event,
    SessionRenamed,
    TextStreamed,
    ToolProposed,
    TurnEnded,
    UsageReported,
)
from mato_sessions.journal import COLUMNS, FACTS, Journal
from mato_sessions.redact import Redactor

KEY = "sk-live-0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@asynccontextmanager
async def opened(
    path: Path, clock: ManualClock | None = None, **options: Any
) -> AsyncGenerator[Journal]:
    redactor = Redactor()
    redactor.hold(KEY)
    clock = clock or ManualClock()
    async with Journal.open(path, clock=clock, redactor=redactor, **options) as journal:
        yield journal


def named(name: str, session: str = "s-1", **fields: Any) -> Draft:
    return Draft(session=session, body=SessionRenamed(name=name), **fields)


def streamed(text: str, session: str = "s-1") -> Draft:
    body = TextStreamed(stream="r/1/text", attempt=1, offset=0, text=text)
    return Draft(session=session, agent="a-1", turn="t-1", body=body)


def names(events: Sequence[Event]) -> list[str]:
    return [event.body.name for event in events if isinstance(event.body, SessionRenamed)]


async def test_what_was_appended_is_read_the_same_after_a_restart(path: Path) -> None:
    async with opened(path) as journal:
        first = await journal.append([named("a"), named("b", agent="a-1", turn="t-1", cause=1)])
        other = await journal.append([named("c", session="s-2")])
        assert await journal.events("s-1") == first
        assert (journal.epoch, journal.position) == (1, 3)
    async with opened(path) as journal:
        assert (journal.epoch, journal.position) == (2, 3)
        assert await journal.since(0) == [*first, *other]
        [more] = await journal.append([named("d")])
        assert (more.seq, more.position, more.epoch) == (3, 4, 2)
        assert chain.verify([*first, more]) is None
        assert await journal.verify("s-1") is None
        rows = await journal.sessions()
        assert [(row.session, row.head_seq, row.head_hash) for row in rows] == [
            ("s-1", 3, more.hash),
            ("s-2", 1, other[0].hash),
        ]
        assert rows[0].parent is None


async def test_events_are_found_by_session_by_position_and_from_the_end(path: Path) -> None:
    async with opened(path) as journal:
        for name in "abcde":
            await journal.append([named(name), streamed(name, "s-2")])
        assert names(await journal.events("s-1", after=1, upto=3)) == ["b", "c"]
        assert names(await journal.events("s-1", limit=2)) == ["a", "b"]
        assert await journal.events("s-9") == []
        assert names(await journal.tail("s-1", 2)) == ["d", "e"]
        assert [event.position for event in await journal.since(3, 4)] == [4, 5, 6, 7]
        assert [event.position for event in await journal.since(3, session="s-1")] == [5, 7, 9]
        facts = await journal.since(2, facts_only=True)
        assert names(facts) == ["b", "c", "d", "e"]
        assert len(facts) == 4
        assert await journal.since(0, session="s-2", facts_only=True) == []


@pytest.mark.parametrize("large", [False, True])
async def test_events_travel_as_they_are_kept(path: Path, large: bool) -> None:
    async with opened(path) as journal:
        await journal.append([named("a"), named("x", session="s-2"), streamed("é" * 3), named("b")])
        if large:
            await journal.append([streamed("x" * 2 * INLINE_BYTES)])
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE body SET data = x'7b7d' WHERE position = 4")
            other.commit()
        with pytest.raises(JournalBroken, match="body of event 3 of 's-1'"):
            await journal.packed("s-1", after=2)
        events = await journal.events("s-1", upto=2)
        for after in (0, 1):
            rows = await journal.packed("s-1", after=after, limit=2 - after)
            assert [row.raw for row in rows] == [codec.pack(event) for event in events[after:]]
            assert [row.seq for row in rows] == [event.seq for event in events[after:]]
        if large:
            [row] = await journal.packed("s-1", after=3)
            [event] = await journal.events("s-1", after=3)
            assert (row.raw, row.position) == (codec.pack(event), event.position)


async def test_facts_are_found_by_their_own_index(path: Path) -> None:
    async with opened(path) as journal:
        proposed = ToolProposed(call="c", name="n", arguments={}, key="k", policy="ask", title="t")
        usage = UsageReported(request="r", attempt=1, model="m")
        for body in (proposed, usage, TurnEnded(reason="end_turn")):
            await journal.append([Draft(session="s-1", body=body)])
        await journal.append([streamed("x")])
        kinds = [event.kind for event in await journal.since(0, facts_only=True)]
        assert kinds == ["tool.proposed", "usage.reported", "turn.ended"]
    with closing(sqlite3.connect(path)) as connection:
        query = COLUMNS + f" WHERE e.position > 0{FACTS} ORDER BY e.position"
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert "envelope_fact" in plan
    assert "TEMP B-TREE" not in plan


async def test_concurrent_appends_are_committed_together_and_keep_their_order(path: Path) -> None:
    batches: list[list[int]] = []
    async with opened(path) as journal:
        journal.listen(lambda events: batches.append([event.position for event in events]))

        async def produce(number: int) -> list[Event]:
            events: list[Event] = []
            for at in range(20):
                events += await journal.append([named(f"{at}", session=f"s-{number}")])
            return events

        async with asyncio.TaskGroup() as group:
            producers = [group.create_task(produce(number)) for number in range(8)]
        for number, producer in enumerate(producers):
            events = producer.result()
            assert names(events) == [f"{at}" for at in range(20)]
            assert await journal.events(f"s-{number}") == events
            assert chain.verify(events) is None
    assert [position for batch in batches for position in batch] == list(range(1, 161))
    assert max(map(len, batches)) > 1


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_batch_is_never_larger_than_its_limit(path: Path, limit: int) -> None:
    sizes: list[int] = []
    async with opened(path, batch_events=limit) as journal:
        journal.listen(lambda events: sizes.append(len(events)))
        async with asyncio.TaskGroup() as group:
            for at in range(10):
                group.create_task(journal.append([named(f"{at}")]))
    assert sum(sizes) == 10
    assert max(sizes) == limit


async def test_an_append_larger_than_a_batch_is_still_written_whole(path: Path) -> None:
    async with opened(path) as journal:
        events = await journal.append([named(f"{at}") for at in range(1300)])
        assert len(await journal.events("s-1", limit=5000)) == len(events) == 1300


async def test_more_than_the_queue_takes_waits_and_is_written(path: Path) -> None:
    async with opened(path) as journal:
        async with asyncio.TaskGroup() as group:
            for at in range(40):
                group.create_task(journal.append([named(f"{at}-{n}") for n in range(300)]))
        assert journal.position == 40 * 300


async def test_listeners_hear_after_the_appender_and_until_they_leave(path: Path) -> None:
    heard: list[str] = []
    async with opened(path) as journal:
        leave = journal.listen(lambda events: heard.extend(names(events)))
        await journal.append([named("a")])
        heard.append("appended a")
        await asyncio.sleep(0)
        leave()
        leave()
        await journal.append([named("b")])
    assert heard == ["appended a", "a"]


async def test_a_listener_that_fails_harms_no_other(path: Path) -> None:
    heard: list[str] = []
    failures: list[Any] = []

    def fail(events: Sequence[Event]) -> None:
        raise ValueError("a bad listener")

    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: failures.append(context["exception"])
    )
    async with opened(path) as journal:
        journal.listen(fail)
        journal.listen(lambda events: heard.extend(names(events)))
        await journal.append([named("a")])
        await journal.append([named("b")])
    assert heard == ["a", "b"]
    assert [str(failure) for failure in failures] == ["a bad listener"] * 2


async def test_nothing_to_append_is_nothing(path: Path) -> None:
    async with opened(path) as journal:
        assert await journal.append([]) == []
        assert journal.position == 0


@pytest.mark.parametrize(
    "draft",
    [
        named(7),  # type: ignore[arg-type]
        named("x", session=""),
        named("x", agent="\ud800"),
        named("x", cause=0),
        named("x", cause=1 << 63),
    ],
)
async def test_a_bad_draft_fails_its_caller_alone_and_writes_nothing_of_it(
    path: Path, draft: Draft
) -> None:
    async with opened(path) as journal:
        async with asyncio.TaskGroup() as group:
            good = group.create_task(journal.append([named("good")]))
            with pytest.raises(JournalError, match="cannot journal"):
                await journal.append([named("bad"), draft])
        assert names(await journal.events("s-1")) == ["good"]
        assert names(good.result()) == ["good"]


async def test_a_cancelled_append_that_was_queued_is_written(path: Path) -> None:
    async with opened(path) as journal:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(journal.append([named("a")]))
            await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled()
        await journal.append([named("b")])
        assert names(await journal.events("s-1")) == ["a", "b"]


async def test_what_waits_when_the_journal_is_left_is_written(path: Path) -> None:
    async with asyncio.TaskGroup() as group, opened(path) as journal:
        tasks = [group.create_task(journal.append([named(f"{at}")])) for at in range(50)]
        await asyncio.sleep(0)
    assert [task.result()[0].seq for task in tasks] == list(range(1, 51))


async def test_after_it_was_left_nothing_is_taken(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append([named("a")])
    with pytest.raises(JournalStopped, match="closed"):
        await journal.append([named("b")])
    assert str(await journal.failed()) == "the journal is closed"
    assert journal.error is None
    assert not path.with_name(path.name + "-wal").exists()


async def test_an_error_inside_comes_out_as_it_is(path: Path) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with opened(path) as journal:
            await journal.append([named("a")])
            raise KeyError("mine")
    async with opened(path) as journal:
        assert journal.position == 1


async def test_a_cancelled_owner_still_leaves_everything_written(path: Path) -> None:
    begun = asyncio.Event()

    async def own() -> None:
        async with opened(path) as journal:
            await journal.append([named("a")])
            begun.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        owner = group.create_task(own())
        await begun.wait()
        owner.cancel()
    assert owner.cancelled()
    async with opened(path) as journal:
        assert names(await journal.events("s-1")) == ["a"]


async def test_one_file_has_one_journal(path: Path) -> None:
    async with opened(path) as journal:
        with pytest.raises(JournalLocked, match="in use"):
            async with opened(path):
                pass
        await journal.append([named("a")])


async def test_a_successor_fences_the_writer_off(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append([named("a")])
        with closing(sqlite3.connect(path)) as successor:
            successor.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'")
            successor.commit()
        with pytest.raises(JournalFenced, match="taken over"):
            await journal.append([named("b")])
        with pytest.raises(JournalFenced):
            await journal.blob(b"x")
        assert isinstance(await journal.failed(), JournalFenced)
        assert names(await journal.events("s-1")) == ["a"]
        assert journal.position == 1


@contextmanager
def no_file_larger_than(size: int) -> Generator[None]:
    """The kernel refuses to write beyond `size` bytes of any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_after_a_write_error_the_writer_stops_for_good(path: Path) -> None:
    async with opened(path) as journal:
        [first] = await journal.append([named("a")])
        tasks: list[asyncio.Task[list[Event]]] = []

        async def refused(number: int) -> None:
            with pytest.raises(JournalStopped, match="write error"):
                await journal.append([named("x" * 10_000, session=f"s-{number}")] * 100)

        with no_file_larger_than(path.with_name(path.name + "-wal").stat().st_size + 20_000):
            async with asyncio.TaskGroup() as group:
                for number in range(60):
                    tasks.append(group.create_task(refused(number)))
            assert isinstance(await journal.failed(), JournalStopped)
        # The disk is well again, but nothing is tried in this process.
        with pytest.raises(JournalStopped, match="restart the daemon"):
            await journal.append([named("b")])
        assert await journal.since(0) == [first]
    async with opened(path) as journal:
        assert await journal.since(0) == [first]
        [second] = await journal.append([named("b")])
        assert (second.seq, second.position) == (2, 2)
        assert await journal.verify("s-1") is None


async def test_a_journal_that_contradicts_itself_is_no_fault_of_the_disk(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append([named("a"), named("b")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER envelope_is_never_deleted")
        connection.execute("DELETE FROM envelope WHERE seq = 2")
        connection.execute("UPDATE session SET head_seq = 1")
        connection.commit()
    async with opened(path) as journal:
        with pytest.raises(JournalBroken, match="`mato verify` says where"):
            await journal.append([named("c")])
        assert isinstance(await journal.failed(), JournalBroken)


async def test_the_monotonic_clock_never_goes_back_within_a_boot(path: Path) -> None:
    clock = ManualClock(mono_us=500)
    async with opened(path, clock) as journal:
        [first] = await journal.append([named("a")])
        clock.advance(100)
        clock.jump(-10_000_000)
        [second] = await journal.append([named("b")])
    assert (first.mono_us, second.mono_us) == (500, 600)
    assert second.at_us < first.at_us
    async with opened(path, ManualClock(mono_us=7)) as journal:
        [third] = await journal.append([named("c")])
    assert third.mono_us == 600


async def test_another_boot_counts_anew(path: Path) -> None:
    class Rebooted(ManualClock):
        def boot(self) -> str:
            return "another"

    async with opened(path, ManualClock(mono_us=500)) as journal:
        await journal.append([named("a")])
    async with opened(path, Rebooted(mono_us=7)) as journal:
        [event] = await journal.append([named("b")])
    assert (event.mono_us, event.boot) == (7, "another")


async def test_blobs_are_kept_once_and_checked(path: Path) -> None:
    async with opened(path) as journal:
        ref = await journal.blob(b"\x00\xff" * 1000)
        assert await journal.blob(b"\x00\xff" * 1000) == ref
        assert ref.size_bytes == 2000
        assert await journal.read_blob(ref) == b"\x00\xff" * 1000
        assert await journal.read_blob(await journal.blob(b"")) == b""
        with pytest.raises(JournalBroken, match="not in the journal"):
            await journal.read_blob(BlobRef("00" * 32, 1))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM blob").fetchone() == (2,)
            connection.execute("UPDATE blob SET data = x'00' WHERE size = 2000")
            connection.commit()
        with pytest.raises(JournalBroken, match="not what its hash says"):
            await journal.read_blob(ref)


async def test_large_bodies_live_in_the_blob_table(path: Path) -> None:
    async with opened(path) as journal:
        events = await journal.append([named("x" * INLINE_BYTES), named("small")])
        events += await journal.append([named("x" * INLINE_BYTES, session="s-2")])
        assert await journal.since(0) == events
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT data IS NULL FROM body ORDER BY position").fetchall()
        assert rows == [(1,), (0,), (1,)]
        [(digest,)] = connection.execute("SELECT hash FROM blob").fetchall()
        assert digest == chain.digest(codec.encode(events[0].body))


async def test_held_values_never_reach_the_file(path: Path) -> None:
    async with opened(path) as journal:
        heard: list[Event] = []
        journal.listen(heard.extend)
        proposed = ToolProposed(
            call="c",
            name="shell",
            arguments={"command": f"curl -H 'x: {KEY}'"},
            key="k",
            policy="ask",
            title="$ curl",
        )
        events = await journal.append(
            [named(f"my {KEY}"), Draft(session="s-1", body=proposed), named("clean")]
        )
        ref = await journal.blob(b"\xff" + KEY.encode())
        assert await journal.read_blob(ref) == b"\xff[redacted]"
        assert names(events) == ["my [redacted]", "clean"]
        body = events[1].body
        assert isinstance(body, ToolProposed)
        assert body.redacted
        assert await journal.events("s-1") == events
    assert heard == events
    for file in path.parent.iterdir():
        assert KEY.encode() not in file.read_bytes()


async def test_a_changed_body_is_not_read(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append([named("a"), named("b")])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE body SET data = x'7b7d' WHERE position = 2")
            connection.commit()
        with pytest.raises(JournalBroken, match="body of event 2 of 's-1'"):
            await journal.events("s-1")
        assert names(await journal.events("s-1", upto=1)) == ["a"]


async def test_a_changed_envelope_breaks_the_chain(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append([named("a"), named("b"), named("c")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER envelope_is_never_updated")
        connection.execute("UPDATE envelope SET at_us = at_us + 1 WHERE seq = 2")
        connection.commit()
    async with opened(path) as journal:
        found = await journal.verify("s-1")
    assert found is not None
    assert found.seq == 2


async def test_a_journal_that_cannot_be_read_says_so(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append([named("a")])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TABLE body")
        with pytest.raises(JournalBroken, match="cannot read the journal"):
            await journal.events("s-1")


async def test_a_journal_without_its_epoch_does_not_open(path: Path) -> None:
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE meta")
    with pytest.raises(JournalError, match="cannot open the journal"):
        async with opened(path):
            pass
