"""All agents of the daemon: which live, and what befalls them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from mato.agents.base import TakeUp
from mato.bus import Bus
from mato.daemon.branch import Branch
from mato.daemon.budgets import Budgets
from mato.daemon.carrying import carried, together
from mato.daemon.children import Children
from mato.daemon.epitaph import epitaph
from mato.daemon.halting import Halting
from mato.daemon.keeping import Keeping
from mato.daemon.launch import Launcher
from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato.daemon.sink import AgentSink
from mato.daemon.standing import watch
from mato.processes import ChildRecords
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import DaemonError, JournalError, MatoError, UsageError
from mato_sessions.events import AgentStateChanged, Draft, Event
from mato_sessions.events.agent import PAUSED
from mato_sessions.events.turn import TextBlock
from mato_sessions.journal import Journal
from mato_sessions.kinship import descendants

T = TypeVar("T")

SUSPEND_S = 10.0
"""How long all agents together may take to end their turns when the daemon stops."""
_RESTORE_S = 2.0
"""How long the first client waits at most for cut turns to be marked."""
_AT_ONCE = 4
_KILLED = "ended by a person"
_HAND_OVER = "`mato resume` from a terminal that has it hands it over"


class Supervisor:
    """Made by `Supervisor.open`. Every agent that lives is a task of its group."""

    def __init__(
        self,
        journal: Journal,
        bus: Bus,
        records: ChildRecords,
        launcher: Launcher,
        tasks: asyncio.TaskGroup,
        resumes: bool,
    ) -> None:
        self._resumes = resumes
        self.roster = Roster()
        self._journal = journal
        self._bus = bus
        self.records = records
        self._launcher = launcher
        self._tasks = tasks
        self._branches: dict[str, Branch] = {}
        self._env: dict[str, dict[str, str]] = {}
        self.budgets = Budgets(self.roster, launcher.clock, launcher.budget)
        self._halting = Halting(self.budgets, self.living)
        self.stopping = asyncio.Event()
        """Nothing begins any more; set for good."""
        self.naming = asyncio.Lock()
        """Names are looked at and taken in one go, so that no two can be the first to have one."""
        self.children = Children(self, launcher, journal)
        self.killing = False
        """Everything is being ended; see `mato.daemon.killing`."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        journal: Journal,
        bus: Bus,
        records: ChildRecords,
        launcher: Launcher,
        *,
        resumes: bool = True,
        kept: Path | None = None,
    ) -> AsyncGenerator[Supervisor]:
        """The agents of a journal, which go on where the daemon before them ended.

        `resumes` False: they stay paused until `resume`. `kept`: the file of the roster, for the
        next daemon. Leaving it ends what still lives, without a word to the journal (`suspend`
        comes before).
        """
        async with launcher.models, launcher.toolbox, asyncio.TaskGroup() as tasks:
            supervisor = cls(journal, bus, records, launcher, tasks, resumes)
            async with Keeping.open(journal, supervisor.roster, kept):
                journal.listen(supervisor._committed)
                await supervisor.budgets.refresh()
                await supervisor._restore()
                halting = tasks.create_task(supervisor._halting.run())
                try:
                    yield supervisor
                finally:
                    halting.cancel()
                    await supervisor.cut()

    async def prompt(
        self, session: str, agent: str, text: str, env: Mapping[str, str] | None = None
    ) -> str:
        """Start a turn; returns its id once that is journaled."""
        self.refuse_while_killing()
        await self.budgets.refresh()
        if (used := self.budgets.reached(agent)) is not None:
            raise UsageError(used.detail)
        self.hand_over(session, env or {})
        return await self.branch(session, agent).prompt([TextBlock(text)])

    def refuse_while_killing(self) -> None:
        """Nothing begins before all has ended.

        Raises:
            UsageError: `mato.daemon.killing` is at work.
        """
        if self.killing:
            raise UsageError("everything is being ended right now; ask again in a moment")

    async def stop(self, agents: Sequence[AgentSummary]) -> list[str]:
        """End the current turns; returns the names of the agents that had one."""

        async def one(agent: AgentSummary) -> str:
            branch = self._branches.get(agent.id)
            if branch is None or not branch.alive:
                return ""
            return agent.name if await branch.ask(lambda living: living.cancel()) else ""

        return [name for name in await together([one(agent) for agent in agents]) if name]

    async def resume(self, session: SessionSummary, agents: Sequence[AgentSummary]) -> list[str]:
        """Let paused agents go on; returns the names of those that were paused."""
        await self.budgets.refresh()

        async def one(agent: AgentSummary) -> str:
            branch = self._branches.get(agent.id)
            if branch is None or not branch.alive:
                return ""
            if variable := self._launcher.missing(agent, self.env(session.id)):
                raise UsageError(f"agent {agent.name!r} needs {variable}; set it here, then again")
            paused = agent.state == "blocked" and agent.evidence.startswith(PAUSED)
            if (used := self.budgets.reached(agent.id)) is not None:
                if not paused:
                    return ""
                raise UsageError(f"agent {agent.name!r} stays paused: {used.detail}")
            return agent.name if await branch.ask(lambda living: living.resume()) else ""

        return [name for name in await together([one(agent) for agent in agents]) if name]

    async def kill(
        self, session: SessionSummary, agents: Sequence[AgentSummary], why: str = _KILLED
    ) -> list[str]:
        """End agents and their children for good; returns who was not ended already, by name."""
        all_of_them = {each.id: each for each in agents}
        for agent in agents:
            all_of_them |= {each.id: each for each in descendants(session.agents, agent)}

        async def one(agent: AgentSummary) -> str:
            if agent.state == "stopped":
                return ""
            try:
                # One that does not live is made for its end: it knows what it left open.
                branch = self.branch(session.id, agent.id)
                await branch.ask(lambda living: living.close(why))
            except JournalError:
                raise
            except MatoError as error:
                logger.warning("agent %s cannot be asked to end: %s", agent.name, error)
                calls = await self._journal.calls(session.id, open_only=True)
                await self.record(*epitaph(session.id, agent, calls, why))
            self.forget(session.id, agent.id)
            return agent.name

        names = await together([one(each) for each in all_of_them.values()])
        # Those that were just being started when their parents were told.
        for agent in agents:
            if late := [e for e in descendants(session.agents, agent) if e.state != "stopped"]:
                names += await self.kill(session, late, why)
        return [name for name in names if name]

    def living(self, agent: str) -> Branch | None:
        """The branch of an agent that runs now."""
        branch = self._branches.get(agent)
        return branch if branch is not None and branch.alive else None

    def forget(self, session: str, agent: str) -> None:
        """Keep nothing of an agent that has ended for good."""
        self._branches.pop(agent, None)
        self._bus.forget(session, agent)

    async def let_go(self, sessions: Iterable[str]) -> None:
        """End the agents of sessions where none works, without a word; they can be made anew."""
        for session in sessions:
            found = self.roster.catalog.session(session)
            for agent in found.agents if found is not None else ():
                if (branch := self._branches.pop(agent.id, None)) is not None:
                    await branch.cut()

    def branch(self, session: str, agent: str, begin: TakeUp | None = None) -> Branch:
        """The branch of an agent. `begin`: how one that does not live yet takes up its history.

        Raises:
            UsageError: the agent has ended for good.
            DaemonError: the daemon is stopping.
        """
        if self.stopping.is_set():
            raise DaemonError("the daemon is stopping; try again once it runs")
        found = self.roster.catalog.agent(agent)
        assert found is not None, "its spawning is in the journal"
        _, summary = found
        if summary.state == "stopped":
            raise UsageError(f"agent {summary.name!r} has ended; `mato new` starts another one")
        if agent not in self._branches:
            sink = AgentSink(session, agent, self._journal, self._bus, self.records)
            standing = watch(self.roster, self._launcher.clock, lambda: self.killing, agent)
            self._branches[agent] = Branch(
                summary.name,
                sink,
                lambda take_up: self._launcher.make(
                    self._journal,
                    sink,
                    lambda: self._env.get(session, {}),
                    take_up,
                    standing,
                    self.children.of(session, agent),
                ),
                self._tasks,
                lambda: begin or self._take_up_of(session, summary),
            )
        return self._branches[agent]

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` even when the client that asked for it goes away before it is done."""
        if self.stopping.is_set():
            work.close()
            raise DaemonError("the daemon is stopping; try again once it runs")
        return await carried(self._tasks, work)

    async def suspend(self) -> None:
        """Stop everything that runs, leaving the turns open for the next daemon."""
        self.stopping.set()
        if not await self._suspend_all(drain=False, within_s=SUSPEND_S):
            logger.warning("some agents did not stop within %s s", SUSPEND_S)

    async def drain(self, within_s: float) -> bool:
        """Begin nothing new, and wait until what runs has ended; False where that took too long."""
        self.stopping.set()
        return await self._suspend_all(drain=True, within_s=within_s)

    async def _suspend_all(self, *, drain: bool, within_s: float) -> bool:
        living = [branch for branch in self._branches.values() if branch.alive]
        try:
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
                for branch in living:
                    tasks.create_task(self._suspend(branch, drain))
        except TimeoutError:
            return False
        return True

    async def cut(self) -> None:
        """End whatever lives, at once."""
        self.stopping.set()
        for branch in self._branches.values():
            await branch.cut()

    async def _suspend(self, branch: Branch, drain: bool) -> None:
        try:
            await branch.suspend(drain=drain)
        except MatoError as error:
            logger.warning("an agent could not be stopped: %s", error)

    async def _restore(self) -> None:
        """Take up the agents that the daemon before left in the middle of something.

        They go on with the turn that was cut. All others are made when needed. Long histories are
        read while clients are served already.
        """
        await self.children.restore()
        few = asyncio.Semaphore(_AT_ONCE)
        taking = [
            self._tasks.create_task(self._take_up(session.id, agent, few))
            for session in self.roster.catalog.sessions()
            for agent in session.agents
            if agent.state in ("starting", "working", "blocked")
            or (agent.state != "stopped" and (agent.turn or agent.queued))
        ]
        if taking:
            await asyncio.wait(taking, timeout=_RESTORE_S)

    def _take_up_of(self, session: str, agent: AgentSummary) -> TakeUp:
        """What becomes of the turn that an agent's history leaves open."""
        if not self._resumes:
            return TakeUp("pause", "the daemon was started with --no-resume; `mato resume` goes on")
        if variable := self._launcher.missing(agent, self.env(session)):
            return TakeUp("pause", f"nobody gave {variable}; {_HAND_OVER}")
        if (used := self.budgets.reached(agent.id)) is not None:
            return TakeUp("pause", used.detail)
        return TakeUp()

    async def _take_up(self, session: str, agent: AgentSummary, few: asyncio.Semaphore) -> None:
        try:
            async with few:
                branch = self.branch(session, agent.id)
                await branch.ensure()
                with suppress(MatoError):  # what goes wrong from here on, the branch records
                    # Changes nothing, and is answered when the history has been taken up.
                    await branch.ask(lambda living: living.reconfigure(None, None))
        except JournalError as error:
            logger.error("agent %s cannot be taken up: %s", agent.name, error)
        except MatoError as error:
            # Its folder may be gone: then it can at least not look as if it worked.
            logger.warning("agent %s cannot be taken up: %s", agent.name, error)
            body = AgentStateChanged(state="failed", evidence=f"cannot be taken up: {error}")
            with suppress(JournalError):
                await self.record(Draft(session=session, agent=agent.id, body=body))
        except Exception:
            logger.exception("agent %s cannot be taken up", agent.name)

    def hand_over(self, session: str, env: Mapping[str, str]) -> None:
        """Keep a client's variables in memory, and their values out of the journal."""
        if env:
            self._launcher.hold_secrets(env)
            self._env.setdefault(session, {}).update(env)

    def env(self, session: str) -> dict[str, str]:
        """What clients handed over for a session."""
        return dict(self._env.get(session, {}))

    async def record(self, *drafts: Draft) -> None:
        """Journal facts; returns when they are on disk and in the roster."""
        events = await self._journal.append(drafts)
        # The listener is called after this; whoever goes on is to find its facts in the roster.
        await self.roster.reached(events[-1].position)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            self.roster.apply(event)
        self._halting.follow(events)
        self._bus.publish(events)
