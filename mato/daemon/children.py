"""Agents that agents start: one for each call, never looser than their parents, ended with them.

A child and its task are journaled in one go, with the parent's call as its key. So whoever asks
again for the same call, after a crash too, finds the child, and waits for it or reads what it said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mato.agents.base import TakeUp
from mato.config.budget import AgentCap
from mato.daemon.branch import Branch
from mato.daemon.budgets import Budgets
from mato.daemon.heirloom import name_of, spec_of, standing_over, with_pane
from mato.daemon.launch import Launcher
from mato.daemon.roster import Roster
from mato.daemon.waiting import RETURNED
from mato.permissions.children import looser
from mato.permissions.taint import seen
from mato.tools.base import LimitReached, ToolError
from mato.tools.disk import on_disk
from mato.tools.spawn import Errand, Told
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import DaemonError, MatoError
from mato_sessions.events import (
    AgentReconfigured,
    AgentSpawned,
    Draft,
    Event,
    ModelAnswered,
    SessionArranged,
    TurnEnded,
    TurnQueued,
    TurnReturned,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.turn import TextBlock
from mato_sessions.journal import Journal
from mato_sessions.kinship import ancestors, descendants

T = TypeVar("T")

MOST_AGENTS = 64
"""Of one session, those that have ended not counted."""
_PAGE_EVENTS = 1000
_CANCEL_S = 2.0
"""How long the end of a child's turn is waited for; it goes on ending by itself."""
_ROOM = "its task is done, and its parent starts another agent"
_ALONE = "the agent that started it has ended"
_GIVEN_UP = "the agent that gave this task does not wait for it any more"


class Agents(Protocol):
    """What is needed of `mato.daemon.supervisor.Supervisor`."""

    roster: Roster
    budgets: Budgets
    naming: asyncio.Lock
    stopping: asyncio.Event
    killing: bool

    def refuse_while_killing(self) -> None: ...
    def env(self, session: str) -> dict[str, str]: ...
    def branch(self, session: str, agent: str, begin: TakeUp | None = None) -> Branch: ...
    async def record(self, *drafts: Draft) -> None: ...
    async def kill(
        self, session: SessionSummary, agents: Sequence[AgentSummary], why: str = ...
    ) -> list[str]: ...
    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T: ...


@dataclass(slots=True)
class _Asked:
    """An errand on its way."""

    session: str
    parent: str
    spec: LaunchSpec
    """With which the parent was started."""
    errand: Errand
    given_up: bool = False


class Kin:
    """The children of one agent; a `mato.tools.spawn.Spawner`."""

    def __init__(self, children: Children, session: str, agent: str, spec: LaunchSpec) -> None:
        self._children = children
        self._session = session
        self._agent = agent
        self._spec = spec

    async def carry_out(self, errand: Errand) -> Told:
        """See `Spawner.carry_out`."""
        asked = _Asked(self._session, self._agent, self._spec, errand)
        return await self._children.carry_out(asked)


class Children:
    """Starts children for all agents of a daemon."""

    def __init__(self, agents: Agents, launcher: Launcher, journal: Journal) -> None:
        self._agents = agents
        self._launcher = launcher
        self._journal = journal
        # Two calls of one answer must not both be the last one that a limit lets through.
        self._starting = asyncio.Lock()

    def of(self, session: str, agent: str) -> Callable[[LaunchSpec], Kin]:
        """Who starts agents for one, once it is known with what that one was started."""
        return lambda spec: Kin(self, session, agent, spec)

    async def carry_out(self, asked: _Asked) -> Told:
        """See `mato.tools.spawn.Spawner.carry_out`."""
        child: AgentSummary | None = None
        told: Told | None = None
        try:
            child = await self._agents.to_the_end(self._start(asked))
            told = await self._told(asked.session, child)
            if told is None:
                await self._until_over(child)
                if child.state == "failed":  # by itself, maybe: then its turn is still open
                    await self._give_up(asked.session, asked.errand.call)
                told = await self._told(asked.session, child)
        except asyncio.CancelledError:
            asked.given_up = True
            if not self._agents.stopping.is_set():
                await self._give_up(asked.session, asked.errand.call)
            raise
        except DaemonError:
            if not self._agents.stopping.is_set():
                raise
        if told is None and self._agents.stopping.is_set():
            # Left open: the next daemon asks again, and finds the child.
            raise asyncio.CancelledError
        if told is None:
            name = child.name if child is not None else asked.errand.profile
            raise ToolError(f"The agent {name!r} was ended before its task was done.")
        return told

    async def restore(self) -> None:
        """End what was left without a parent, or with one that does not wait any more."""
        for session in self._agents.roster.catalog.sessions():
            children = [each for each in session.agents if each.parent and each.state != "stopped"]
            if not children:
                continue
            waiting = {row.call for row in await self._journal.calls(session.id, open_only=True)}
            for child in children:
                above = ancestors(session.agents, child)
                with suppress(MatoError):  # one that cannot be made is told of when it is taken up
                    if not above or any(each.state == "stopped" for each in above):
                        await self._agents.kill(session, [child], _ALONE)
                    elif _at_task(child) and child.call not in waiting:
                        await self._cancel(session.id, child, TakeUp("pause", _GIVEN_UP))

    async def lower(self, session: SessionSummary, parent: AgentSummary) -> None:
        """Let no child of `parent` be in a looser mode than `parent` is now."""
        for child in session.agents:
            if child.parent == parent.id and child.state != "stopped":
                if looser(child.mode, parent.mode):
                    mode = parent.mode
                    branch = self._agents.branch(session.id, child.id)
                    await branch.ask(lambda living, mode=mode: living.reconfigure(None, mode))
                await self.lower(session, child)

    # ---------------------------------------------------------------- the start

    async def _start(self, asked: _Asked) -> AgentSummary:
        """The child of this call, started now if there is none."""
        errand = asked.errand
        async with self._starting:
            session, parent = self._found(asked.parent)
            if (known := _of_call(session, errand.call)) is not None:
                return known
            open_calls = await self._journal.calls(session.id, open_only=True)
            cause = next((row.seq for row in open_calls if row.call == errand.call), None)
            if asked.given_up or cause is None:
                raise ToolError("Nobody waits for this call any more.")
            self._agents.refuse_while_killing()
            await self._check_limits(session, parent)
            env = self._agents.env(session.id)
            ground = await on_disk(self._launcher.look, Path(asked.spec.cwd), env)
            spec = spec_of(ground, errand, asked.spec, parent, env)
            agent, task = self._launcher.ids.agent(), self._launcher.ids.turn()
            async with self._agents.naming:
                body = AgentSpawned(
                    name=name_of(session, errand, spec.profile),
                    agent_kind="native",
                    spec=spec,
                    parent=parent.id,
                    depth=parent.depth + 1,
                    above=standing_over((parent, *ancestors(session.agents, parent))),
                    call=errand.call,
                    task=task,
                    private=errand.seen.private,
                    untrusted=errand.seen.untrusted,
                )
                queued = TurnQueued(blocks=(TextBlock(errand.task),))
                arranged = SessionArranged(
                    windows=with_pane(session, parent, agent, self._launcher.ids)
                )
                await self._agents.record(
                    Draft(session=session.id, agent=agent, body=body, cause=cause),
                    Draft(session=session.id, agent=agent, turn=task, body=queued, cause=cause),
                    Draft(session=session.id, body=arranged),
                )
            session, child = self._found(agent)
            if self._agents.killing:
                await self._agents.kill(session, [child], _ALONE)
                self._agents.refuse_while_killing()
            if looser(child.mode, parent.mode):  # somebody lowered it meanwhile
                lowered = AgentReconfigured(mode=parent.mode)
                await self._agents.record(Draft(session=session.id, agent=agent, body=lowered))
            await self._agents.branch(session.id, agent, TakeUp()).ensure()
            return child

    async def _check_limits(self, session: SessionSummary, parent: AgentSummary) -> None:
        await self._agents.budgets.refresh()
        cap = self._agents.budgets.cap(session, parent)
        if parent.depth >= cap.depth:
            raise LimitReached(
                "This agent may start no others: "
                f"[budget.agent] depth = {cap.depth} in config.toml, or what a person said of it."
            )
        if (used := self._agents.budgets.reached(parent.id)) is not None:
            raise LimitReached(f"No agent is started: {used.detail}.")
        await self._make_room(session, parent, cap)
        if sum(each.state != "stopped" for each in session.agents) >= MOST_AGENTS:
            raise LimitReached(f"The session has {MOST_AGENTS} agents, and that is all.")

    async def _make_room(
        self, session: SessionSummary, parent: AgentSummary, cap: AgentCap
    ) -> None:
        """End the child that has been done for longest, where there is no room for another one."""
        living = [
            each for each in session.agents if each.parent == parent.id and each.state != "stopped"
        ]
        if len(living) < cap.children:
            return
        done = [
            each
            for each in living
            if not any(one.turn or one.queued for one in (each, *descendants(session.agents, each)))
        ]
        if not done:
            raise LimitReached(
                f"All {len(living)} agents that this one may start are at work: [budget.agent] "
                f"children = {cap.children} in config.toml. Wait for one of them to end."
            )
        await self._agents.kill(session, [min(done, key=lambda each: each.since_us)], _ROOM)

    # ---------------------------------------------------------------- the wait

    async def _until_over(self, child: AgentSummary) -> None:
        """Wait for the end of the child's task, of the child, or of the daemon."""
        wait = self._agents.roster.waiting.wait
        async with asyncio.TaskGroup() as group:
            ends = [
                group.create_task(wait([child.id], "ended", child.task)),
                group.create_task(wait([child.id], "stopped")),
                group.create_task(wait([child.id], "failed")),
                group.create_task(self._agents.stopping.wait()),
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()

    async def _told(self, session: str, child: AgentSummary) -> Told | None:
        """What the child said to its task; None: the task has not ended."""
        mine: list[Event] = []
        reason = text = detail = ""
        after = child.spawned_seq - 1
        while page := await self._journal.events(session, after, limit=_PAGE_EVENTS):
            for event in page:
                if event.agent != child.id:
                    continue
                mine.append(event)
                match event.body:
                    case ModelAnswered(text=said) if event.turn == child.task and said.strip():
                        text = said
                    case TurnReturned() if event.turn == child.task:
                        reason = RETURNED
                    case TurnEnded() as end if event.turn == child.task:
                        reason, detail = end.reason, end.detail
                    case _:
                        pass
            after = page[-1].seq
        return Told(child.name, reason, text or detail, seen(mine)) if reason else None

    async def _give_up(self, session: str, call: str) -> None:
        """End the task of the call's child, if there is one."""
        async with self._starting:  # which may just be on its way
            found = self._agents.roster.catalog.session(session)
            child = None if found is None else _of_call(found, call)
        if child is not None and _at_task(child):
            with suppress(MatoError, TimeoutError):  # it has ended, or will
                async with asyncio.timeout(_CANCEL_S):
                    await self._cancel(session, child)

    async def _cancel(self, session: str, child: AgentSummary, begin: TakeUp | None = None) -> None:
        branch = self._agents.branch(session, child.id, begin)
        await branch.ask(lambda living: living.cancel("cancelled", _GIVEN_UP))

    def _found(self, agent: str) -> tuple[SessionSummary, AgentSummary]:
        found = self._agents.roster.catalog.agent(agent)
        assert found is not None, "its spawning is in the journal"
        return found


def _of_call(session: SessionSummary, call: str) -> AgentSummary | None:
    return next((each for each in session.agents if each.call == call), None)


def _at_task(child: AgentSummary) -> bool:
    return child.turn == child.task or child.task in child.queued
