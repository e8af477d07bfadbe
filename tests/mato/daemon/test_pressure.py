"""Whose word comes last when agents are held and released while they have something to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mato.daemon.pressure import GOES_ON, PAUSED, Pressure
from mato.daemon.roster import Roster
from mato_sessions.clock import ManualClock
from mato_sessions.errors import JournalError
from mato_sessions.events import (
    AgentExited,
    AgentSpawned,
    AgentStateChanged,
    Body,
    Draft,
    Event,
    SessionOpened,
    SessionRenamed,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from tests.small_disk import Hog, mounted

SPEC = LaunchSpec(profile="default", model="scripted:none")


class Scene:
    """Two agents of a session, on a disk that can be filled."""

    def __init__(self, journal: Journal, hog: Hog) -> None:
        self.journal = journal
        self.hog = hog
        self.roster = Roster()
        self.pressure = Pressure(journal, self.roster)
        self._changed = asyncio.Event()
        journal.listen(self._apply)

    def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            self.roster.apply(event)
        self._changed.set()

    async def say(self, body: Body, agent: str | None = None) -> None:
        await self.journal.append([Draft(session="s-1", agent=agent, body=body)])

    def shown(self, agent: str) -> tuple[str, str]:
        found = self.roster.catalog.agent(agent)
        assert found is not None
        return found[1].state, found[1].evidence

    async def until(self, agent: str, state: str) -> None:
        while self.shown(agent)[0] != state:
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    with mounted(folder) as small:
        journal = Journal.open(
            small / "journal.db", clock=ManualClock(), redactor=Redactor(), batch_events=1
        )
        async with journal as opened, asyncio.TaskGroup() as tasks:
            made = Scene(opened, Hog(small))
            await made.say(SessionOpened(name="s", cwd="/", mode="ask", trusted=True, mato="0"))
            for agent in ("a-1", "a-2"):
                await made.say(AgentSpawned(name=agent, agent_kind="native", spec=SPEC), agent)
                await made.say(AgentStateChanged(state="working", evidence="asked"), agent)
            running = tasks.create_task(made.pressure.run())
            yield made
            running.cancel()


@pytest.mark.parametrize("at", range(0, 6, 2))
async def test_the_last_word_is_the_agents_own(tmp_path: Path, at: int) -> None:
    async with scene(tmp_path / "small") as made:
        made.hog.take()
        held: list[Body] = [SessionRenamed(name="x" * 9000) for _ in range(6)]
        idle = AgentStateChanged(state="idle", evidence="its own word")
        async with asyncio.TaskGroup() as tasks:
            for number, body in enumerate(held):
                tasks.create_task(made.say(body))
                if number == at:
                    tasks.create_task(made.say(idle, "a-1"))
            await made.until("a-2", "blocked")
            assert made.shown("a-1")[1].startswith(PAUSED)
            with pytest.raises(JournalError, match="nothing can be changed now"):
                made.pressure.check()
            made.hog.give()
        await made.until("a-1", "idle")
        await made.until("a-2", "working")
        # Whatever was still on its way is journaled before this.
        await made.say(AgentStateChanged(state="done", evidence="looked"), "a-2")
        await made.until("a-2", "done")
        assert made.shown("a-1") == ("idle", "its own word")
        made.pressure.check()
        events = await made.journal.events("s-1")
        said = [
            e.body for e in events if isinstance(e.body, AgentStateChanged) and e.agent == "a-2"
        ]
        assert [body.evidence for body in said if body.state == "working"] == ["asked", GOES_ON]


async def test_an_agent_that_ended_meanwhile_stays_ended(tmp_path: Path) -> None:
    async with scene(tmp_path / "small") as made:
        made.hog.take()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.say(SessionRenamed(name="x" * 90_000)))
            tasks.create_task(made.say(AgentStateChanged(state="stopped", evidence="x"), "a-1"))
            tasks.create_task(made.say(AgentExited(reason="killed"), "a-1"))
            await made.until("a-2", "blocked")
            made.hog.give()
        await made.until("a-2", "working")
        await made.until("a-1", "stopped")
