"""A daemon whose disk fills while an agent works: a pause that people see, and nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from mato.client.connection import Client
from mato.daemon.pressure import GOES_ON, PAUSED
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato_sessions import chain
from mato_sessions.clock import SystemClock
from mato_sessions.codec import from_json_line, unpack
from mato_sessions.errors import JournalError
from mato_sessions.events import AgentStateChanged, Event, ModelAnswered, TextStreamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from tests.small_disk import Hog, mounted

SCRIPT = """
tokens_per_second = 300
[[answer]]
when = "talk"
text = "one two three four five six seven "
for_s = 3.0
"""


@pytest.fixture
async def cramped(tmp_path: Path) -> AsyncIterator[tuple[Daemon, Hog]]:
    """A daemon whose state lies on a small file system, and what fills that."""
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    with mounted(tmp_path / "small") as small:
        async with running(small / "home", {"MATO_MODEL": f"scripted:{script}"}) as daemon:
            yield daemon, Hog(small)


async def _watch(client: Client, session: str, seen: list[Event], text: asyncio.Event) -> None:
    await client.request(m.Subscribe(position=0, sessions={session: 0}))
    async for frame in client.frames():
        for event in map(unpack, frame.events):
            if event.session == session:
                seen.append(event)
            if isinstance(event.body, TextStreamed):
                text.set()


async def _history(client: Client, session: str) -> list[Event]:
    page = await client.request(m.Events(session=session, limit=2000))
    return [from_json_line(line.encode()) for line in page.lines]


async def test_a_full_disk_pauses_agents_and_they_go_on_when_there_is_room(
    cramped: tuple[Daemon, Hog], folder: Path
) -> None:
    daemon, hog = cramped
    seen: list[Event] = []
    text = asyncio.Event()
    async with await daemon.client() as client, await daemon.client("watcher") as watcher:
        made = await client.request(
            m.NewSession(cwd=str(folder), task="talk", agents=(m.AgentWish(),))
        )
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(watcher, made.session, seen, text))
            await text.wait()
            hog.take()
            await client.request(m.Wait(session=made.session, until="blocked", timeout_s=20))
            [session] = (await client.request(m.ListSessions())).sessions
            assert session.agents[0].evidence.startswith(f"{PAUSED} the disk is full")
            status = await client.request(m.Status())
            assert status.paused.startswith("the disk is full")
            with pytest.raises(JournalError, match="nothing can be changed now; free some space"):
                await client.request(m.RenameSession(session=made.session, name="other"))
            held = await _history(client, made.session)
            assert held[-1].kind == "agent.state_changed"
            hog.give()
            await client.request(m.Wait(session=made.session, until="ended", timeout_s=30))
            assert (await client.request(m.Status())).paused == ""
            await client.request(m.RenameSession(session=made.session, name="other"))
            events = await _history(client, made.session)
            watching.cancel()
    assert chain.verify(events) is None
    assert events[: len(held)] == held
    by_seq = {event.seq: event.hash for event in events}
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert all(by_seq[event.seq] == event.hash for event in seen)
    changes = [event.body for event in events if isinstance(event.body, AgentStateChanged)]
    assert [change.state for change in changes][-4:] == ["working", "blocked", "working", "done"]
    assert changes[-2].evidence == GOES_ON
    pieces = [event.body for event in events if isinstance(event.body, TextStreamed)]
    for before, piece in pairwise(pieces):
        assert piece.offset == before.offset + len(before.text)
    [answer] = [event.body for event in events if isinstance(event.body, ModelAnswered)]
    assert answer.text == "".join(piece.text for piece in pieces)
    await daemon.stop()
    async with Journal.open(
        daemon.paths.journal, clock=SystemClock(), redactor=Redactor()
    ) as journal:
        assert not journal.unclean
        assert await journal.events(made.session, limit=5000) == events


async def test_somebody_who_resumes_a_full_disk_is_told_how_it_went(
    cramped: tuple[Daemon, Hog], folder: Path
) -> None:
    daemon, hog = cramped
    async with await daemon.client() as client:
        made = await client.request(
            m.NewSession(cwd=str(folder), task="talk", agents=(m.AgentWish(name="ada"),))
        )
        await client.request(m.Wait(session=made.session, until="working", timeout_s=20))
        hog.take()
        await client.request(m.Wait(session=made.session, until="blocked", timeout_s=20))
        hog.take()  # the ballast's room too
        with pytest.raises(JournalError, match="the disk is full"):
            await client.request(m.Resume())
        hog.give(but=19 << 20)  # enough to go on, not enough for a ballast
        resumed = await client.request(m.Resume())
        assert resumed.agents == (f"{made.name}:ada",)
        await client.request(m.Wait(session=made.session, until="ended", timeout_s=30))


async def test_a_daemon_may_be_killed_while_its_disk_is_full(
    cramped: tuple[Daemon, Hog], folder: Path
) -> None:
    daemon, hog = cramped
    async with await daemon.client() as client:
        made = await client.request(
            m.NewSession(cwd=str(folder), task="talk", agents=(m.AgentWish(),))
        )
        await client.request(m.Wait(session=made.session, until="working", timeout_s=20))
        hog.take()
        await client.request(m.Wait(session=made.session, until="blocked", timeout_s=20))
        held = await _history(client, made.session)
    await daemon.kill()
    hog.give()
    await daemon.begin()
    async with await daemon.client() as client:
        await client.request(m.Wait(session=made.session, until="ended", timeout_s=30))
        events = await _history(client, made.session)
    assert events[: len(held)] == held
    assert chain.verify(events) is None
