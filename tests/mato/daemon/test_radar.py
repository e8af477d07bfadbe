"""Two agents that change the same file are both told, once; an agent and its children are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from mato.client.connection import Client
from mato.daemon.radar import LATELY_US, Sightings
from mato.protocol import methods as m
from mato.testing.daemon import running
from mato_sessions.codec import from_json_line, unpack
from mato_sessions.events import Event, FileContested
from mato_sessions.transcript import Transcript

SCRIPT = """
[[answer]]
when = "write it"
after = 0
calls = [ { name = "write", arguments = { path = "notes/a.txt", content = "mine" } } ]

[[answer]]
when = "change it"
after = 0
calls = [ { name = "write", arguments = { path = "notes/a.txt", content = "yours" } } ]

[[answer]]
when = "hand it on"
after = 0
calls = [ { name = "write", arguments = { path = "notes/b.txt", content = "mine" } } ]

[[answer]]
when = "hand it on"
after = 1
calls = [ { name = "spawn", arguments = { agent = "coder", task = "go over b" } } ]

[[answer]]
when = "go over b"
after = 0
calls = [ { name = "write", arguments = { path = "notes/b.txt", content = "yours" } } ]

[[answer]]
text = "That is all."
"""


def test_each_pair_is_told_once_in_a_while_and_old_changes_are_in_nobodys_way() -> None:
    seen, now_us = Sightings(), 2 * LATELY_US
    assert seen.note("/p/a", "one", now_us) == []
    assert seen.note("/p/a", "one", now_us + 1) == []
    assert seen.note("/p/b", "two", now_us + 2) == []
    assert seen.note("/p/a", "two", now_us + 3) == ["one"]
    assert seen.note("/p/a", "one", now_us + 4) == []
    assert seen.note("/p/a", "three", now_us + 5) == ["one", "two"]
    assert seen.note("/p/a", "four", now_us + 5 + LATELY_US) == []
    assert seen.note("/p/a", "one", now_us + 6 + LATELY_US) == ["four"]
    assert seen.note("/p/a", "two", now_us + 7 + LATELY_US) == ["one", "four"]


async def contested(client: Client, *sessions: str) -> list[Event]:
    """What is told of each of these sessions first, as soon as it is told."""
    found: dict[str, Event] = {}
    await client.request(m.Subscribe(sessions=dict.fromkeys(sessions, 0)))
    async with asyncio.timeout(30):
        async for frame in client.frames():
            for event in map(unpack, frame.events):
                if isinstance(event.body, FileContested):
                    found.setdefault(event.session, event)
            if len(found) == len(sessions):
                break
    return [found[session] for session in sessions]


@asynccontextmanager
async def office(tmp_path: Path) -> AsyncGenerator[tuple[Client, Callable[..., Awaitable[str]]]]:
    """A client of a daemon, and how a session there does a task to its end."""
    (script := tmp_path / "script.toml").write_text(SCRIPT)
    (tmp_path / "project/notes").mkdir(parents=True)
    env = {"MATO_MODEL": f"scripted:{script}"}
    async with running(tmp_path / "home", env) as daemon, await daemon.client() as client:

        async def work(name: str, task: str) -> str:
            new = m.NewSession(
                cwd=str(tmp_path / "project"),
                name=name,
                mode="edit",
                agents=(m.AgentWish(profile="lead"),),
                task=task,
            )
            session = (await client.request(new)).session
            await client.request(m.Wait(session=session, until="ended", timeout_s=30))
            return session

        yield client, work


async def test_two_agents_of_different_sessions_are_both_told(tmp_path: Path) -> None:
    async with office(tmp_path) as (client, work):
        sessions = [await work("first", "write it"), await work("second", "change it")]
        first, second = await contested(client, *sessions)
    for event, by in ((first, "second:lead"), (second, "first:lead")):
        assert isinstance(event.body, FileContested)
        assert (event.body.path, event.body.by) == ("notes/a.txt", by)
    transcript = Transcript(first.agent or "")
    transcript.apply(first)
    (notice,) = transcript.entries
    assert "notes/a.txt" in str(notice)
    assert "second:lead" in str(notice)


async def test_an_agent_and_those_that_work_for_it_are_no_rivals(tmp_path: Path) -> None:
    async with office(tmp_path) as (client, work):
        family = await work("family", "hand it on")
        sessions = [await work("first", "write it"), await work("second", "change it")]
        await contested(client, *sessions)
        # What came before that has been looked at before it.
        lines = (await client.request(m.Events(session=family))).lines
    events = [from_json_line(line) for line in lines]
    assert sum(event.kind == "file.checkpointed" for event in events) == 2
    assert not [event for event in events if isinstance(event.body, FileContested)]
