"""A daemon that is killed in the middle of work: what was said holds, the next one goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from mato.client.connection import Client
from mato.protocol import methods as m
from mato.testing.daemon import running
from mato_sessions import chain
from mato_sessions.codec import from_json_line, unpack
from mato_sessions.entries import CallEntry, TurnEndEntry
from mato_sessions.events import (
    Event,
    OutputStreamed,
    ToolProposed,
    ToolStarted,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
)
from mato_sessions.events.stream import Streamed
from mato_sessions.transcript import Transcript

SCRIPT = """
tokens_per_second = 200
[[answer]]
when = "go on"
text = "I go on."
[[answer]]
when = "work"
after = 0
reasoning = "I look around before I do anything."
text = "First I look."
calls = [
  { name = "list", arguments = { path = "." } },
  { name = "shell", arguments = { command = "for i in 1 2 3; do echo $i; sleep 0.05; done" } },
]
[[answer]]
when = "work"
after = 2
text = "Now I write and wait."
calls = [
  { name = "write", arguments = { path = "note.txt", content = "one\\ntwo\\n" } },
  { name = "shell", arguments = { command = "setsid sleep LONG & sleep LONG" } },
]
"""

UNKNOWN = "tool.unknown"
ENDS = ("tool.finished", "tool.failed", "tool.unknown")


@pytest.fixture
def long(worker_id: str) -> str:
    """A number of seconds by which this run's processes are known."""
    return f"98765{int(worker_id.removeprefix('gw') or 0) if worker_id != 'master' else 9}"


def script(folder: Path, long: str) -> str:
    """The scripted model whose commands sleep `long`."""
    file = folder / "crash.toml"
    file.write_text(SCRIPT.replace("LONG", long))
    return f"scripted:{file}"


def sleepers(long: str) -> list[str]:
    """Living processes that a command of the script started."""
    found: list[str] = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", long.encode()]:
            found.append(place.parent.name)
    return found


async def history(client: Client, session: str) -> list[Event]:
    """All events of a session."""
    events: list[Event] = []
    while True:
        after = events[-1].seq if events else 0
        page = await client.request(m.Events(session=session, after=after))
        events += [from_json_line(line.encode()) for line in page.lines]
        if page.last >= page.head:
            return events


def check(events: list[Event], seen: list[Event]) -> None:
    """Hold a session's history against all that a crash must not do to it."""
    assert chain.verify(events) is None
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    by_seq = {event.seq: event for event in events}
    for event in seen:  # what a client was told is on record, to the byte
        assert by_seq[event.seq].hash == event.hash
    ends = Counter(event.turn for event in events if isinstance(event.body, TurnEnded))
    started = {event.turn for event in events if isinstance(event.body, TurnPrompted)}
    assert ends == Counter(started), "a turn has one end"
    queued = {event.turn for event in events if isinstance(event.body, TurnQueued)}
    returned = {event.turn for event in events if isinstance(event.body, TurnReturned)}
    assert queued <= started | returned
    calls = {event.body.call for event in events if isinstance(event.body, ToolProposed)}
    ended = {getattr(event.body, "call", ""): event.kind for event in events if event.kind in ENDS}
    assert set(ended) == calls, "a call has an end"
    sure = [getattr(e.body, "call", "") for e in events if e.kind in ENDS and e.kind != UNKNOWN]
    assert all(count == 1 for count in Counter(sure).values()), "and one only"
    starts = Counter(event.body.call for event in events if isinstance(event.body, ToolStarted))
    shells = {
        e.body.call for e in events if isinstance(e.body, ToolProposed) and e.body.policy == "ask"
    }
    assert all(starts[call] <= 1 for call in shells), "nobody said that a command runs again"
    offsets: dict[str, int] = {}
    for event in events:
        match event.body:
            case Streamed() as body:
                stream = body.stream
            case OutputStreamed() as body:
                stream = f"{body.call}/{body.attempt}"
            case _:
                continue
        assert body.offset == offsets.get(stream, 0), "a stream has no gap"
        offsets[stream] = body.offset + len(body.text)
    for agent in {event.agent for event in events if event.agent is not None}:
        transcript = Transcript(agent)
        for event in events:
            if event.agent == agent:
                transcript.apply(event)
        entries = transcript.entries
        assert sum(isinstance(entry, TurnEndEntry) for entry in entries) == len(
            {e.turn for e in events if e.agent == agent and isinstance(e.body, TurnEnded)}
        )
        for entry in entries:
            if isinstance(entry, CallEntry):
                assert entry.status in ("finished", "failed", "denied", "unknown")


class Witness:
    """A client that notes what it is told until the daemon is gone."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._came = asyncio.Event()

    async def watch(self, client: Client, sessions: dict[str, int]) -> None:
        await client.request(m.Subscribe(sessions=sessions))
        async for frame in client.frames():
            self.events += [unpack(raw) for raw in frame.events]
            self._came.set()

    async def until(self, kind: str, count: int) -> None:
        while sum(event.kind == kind for event in self.events) < count:
            self._came.clear()
            await self._came.wait()


async def go_on(client: Client, session: str, agents: tuple[str, ...]) -> None:
    """The next prompt works, for every agent."""
    for agent in agents:
        prompt = m.Prompt(session=session, agent=agent, text="go on")
        turn = (await client.request(prompt)).turn
        wait = m.Wait(session=session, agent=agent, until="ended", turn=turn, timeout_s=20)
        assert (await client.request(wait)).reasons[agent] == "end_turn"


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("turn.prompted", 1),
        ("model.asked", 2),
        ("reasoning.streamed", 1),
        ("text.streamed", 2),
        ("tool.proposed", 1),
        ("tool.started", 2),
        ("tool.output_streamed", 1),
        ("file.checkpointed", 1),
        ("tool.finished", 5),
    ],
)
async def test_a_kill_at_any_point_leaves_a_whole_record_and_no_process(
    tmp_path: Path, long: str, kind: str, count: int
) -> None:
    (folder := tmp_path / "project").mkdir()
    agents = ("one", "two")
    async with running(tmp_path / "home", {"MATO_MODEL": script(tmp_path, long)}) as daemon:
        witness = Witness()
        async with await daemon.client() as client, await daemon.client() as watching:
            wishes = tuple(m.AgentWish(name=name) for name in agents)
            new = m.NewSession(cwd=str(folder), name="s", agents=wishes, mode="full")
            session = (await client.request(new)).session
            async with asyncio.TaskGroup() as tasks:
                seeing = tasks.create_task(_until_gone(witness, watching, session))
                for name in agents:
                    prompt = m.Prompt(session=session, agent=name, text="work")
                    await client.request(prompt)
                await asyncio.wait_for(witness.until(kind, count), 20)
                await daemon.kill()
                await seeing
        old = set(sleepers(long))
        await daemon.begin()
        assert not old & set(sleepers(long))
        async with await daemon.client() as client:
            # At once: who asks first after a crash is told that they work again, or wait.
            [summary] = (await client.request(m.ListSessions())).sessions
            assert {agent.state for agent in summary.agents} <= {"working", "blocked", "idle"}
            await client.request(m.Stop(session=session))
            check(await history(client, session), witness.events)
            await go_on(client, session, agents)
            check(await history(client, session), witness.events)
    assert not sleepers(long)


async def _until_gone(witness: Witness, client: Client, session: str) -> None:
    try:
        await witness.watch(client, {session: 0})
    except Exception as error:
        assert "lost the daemon" in str(error), error
