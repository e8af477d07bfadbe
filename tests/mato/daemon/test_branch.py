"""A branch: its agent may fail, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from mato.agents.base import Agent, Sink, TakeUp
from mato.daemon.branch import Branch
from mato.daemon.launch import Made
from mato_sessions.errors import JournalError, JournalStopped, UsageError
from mato_sessions.events import AgentStateChanged, Body
from mato_sessions.events.turn import Block, TextBlock
from mato_sessions.ids import TurnId


class Memory:
    """A sink that keeps what is recorded."""

    def __init__(self, *, stopped: bool = False) -> None:
        self.bodies: list[Body] = []
        self.stopped = stopped
        self.came = asyncio.Event()

    async def record(self, *bodies: Body, **_: Any) -> list[Any]:
        if self.stopped:
            raise JournalStopped("the disk is gone")
        self.bodies += bodies
        self.came.set()
        return []


class Fragile:
    """An agent that takes prompts, and fails at the prompt "break"."""

    def __init__(self) -> None:
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.turns = 0

    async def run(self) -> None:
        await self.broken

    async def prompt(self, blocks: Sequence[Block]) -> TurnId:
        if blocks[0].text == "break":
            self.broken.set_exception(ZeroDivisionError("broke inside"))
            await asyncio.Event().wait()
        if blocks[0].text == "lie":
            self.broken.set_exception(JournalError("this must not follow"))
            await asyncio.Event().wait()
        self.turns += 1
        return TurnId(f"t-{self.turns}")

    async def close(self, reason: str) -> None:
        self.broken.set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


class Nursery:
    """Makes branches, and counts what was made and closed."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.tasks = tasks
        self.made = 0
        self.closed = 0
        self.took_up: list[str] = []

    def branch(self, sink: Memory) -> Branch:
        async def start(take_up: TakeUp) -> Made:
            self.took_up.append(take_up.how)
            self.made += 1
            return Made(cast("Agent", Fragile()), self._close)

        return Branch("fragile", cast("Sink", sink), start, self.tasks, TakeUp)

    def _close(self) -> None:
        self.closed += 1


SAY: Callable[[str], Sequence[Block]] = lambda text: [TextBlock(text)]  # noqa: E731


async def test_an_agent_that_fails_is_recorded_and_touches_no_other() -> None:
    sink, other_sink = Memory(), Memory()
    async with asyncio.TaskGroup() as tasks:
        nursery = Nursery(tasks)
        branch, other = nursery.branch(sink), nursery.branch(other_sink)
        assert await other.prompt(SAY("go")) == "t-1"
        with pytest.raises(UsageError, match="'fragile' has ended"):
            await branch.prompt(SAY("break"))
        await sink.came.wait()
        (body,) = sink.bodies
        assert isinstance(body, AgentStateChanged)
        assert body.state == "failed"
        assert "ZeroDivisionError: broke inside" in body.evidence
        assert not branch.alive
        assert await other.prompt(SAY("go on")) == "t-2"
        assert other_sink.bodies == []
        await other.cut()
    assert nursery.closed == 2


async def test_an_agent_that_failed_is_made_anew_by_the_next_prompt() -> None:
    sink = Memory()
    async with asyncio.TaskGroup() as tasks:
        nursery = Nursery(tasks)
        branch = nursery.branch(sink)
        with pytest.raises(UsageError):
            await branch.prompt(SAY("break"))
        assert await branch.prompt(SAY("again")) == "t-1"
        assert (nursery.made, nursery.closed) == (2, 1)
        # What it left open is ended, or it would fail at the same place again.
        assert nursery.took_up == ["go_on", "end"]
        await branch.cut()


async def test_an_agent_whose_fact_is_refused_has_failed_too() -> None:
    sink = Memory()
    async with asyncio.TaskGroup() as tasks:
        nursery = Nursery(tasks)
        branch = nursery.branch(sink)
        with pytest.raises(UsageError):
            await branch.prompt(SAY("lie"))
        await sink.came.wait()
        (body,) = sink.bodies
        assert isinstance(body, AgentStateChanged)
        assert "this must not follow" in body.evidence
        assert await branch.prompt(SAY("again")) == "t-1"
        assert nursery.took_up == ["go_on", "end"]
        await branch.cut()


async def test_many_first_prompts_at_once_make_one_agent() -> None:
    async with asyncio.TaskGroup() as tasks:
        nursery = Nursery(tasks)
        branch = nursery.branch(Memory())
        turns = await asyncio.gather(*(branch.prompt(SAY("go")) for _ in range(5)))
        assert sorted(turns) == [f"t-{number}" for number in range(1, 6)]
        assert nursery.made == 1
        await branch.cut()


async def test_who_asks_for_the_end_gets_an_answer_though_the_agent_is_gone_by_then() -> None:
    async with asyncio.TaskGroup() as tasks:
        branch = Nursery(tasks).branch(Memory())
        await branch.ask(lambda agent: agent.close("enough"))
        assert not branch.alive


async def test_a_failure_that_cannot_be_recorded_still_touches_nobody() -> None:
    sink = Memory(stopped=True)
    async with asyncio.TaskGroup() as tasks:
        nursery = Nursery(tasks)
        branch, other = nursery.branch(sink), nursery.branch(Memory())
        await other.prompt(SAY("go"))
        with pytest.raises(UsageError):
            await branch.prompt(SAY("break"))
        assert other.alive
        await other.cut()
