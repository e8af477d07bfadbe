"""Sessions and their agents: opened, joined, restored, and each agent a branch of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from mato import __version__
from mato.bus import Bus
from mato.config.paths import Paths
from mato.daemon import layout, names
from mato.daemon.branch import Branch
from mato.daemon.launch import Launcher
from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato.daemon.sink import AgentSink
from mato.processes import ChildRecords
from mato.protocol.methods import (
    AgentRef,
    AgentWish,
    NewSession,
    NewSessionResult,
    ProfileSummary,
    Reconfigure,
)
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.clock import Clock
from mato_sessions.errors import DaemonError, JournalError, MatoError, UsageError
from mato_sessions.events import (
    AgentExited,
    AgentSpawned,
    AgentStateChanged,
    Body,
    Draft,
    Event,
    SessionArranged,
    SessionOpened,
    TurnEnded,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.turn import TextBlock
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.naming import name_from_task
from mato_sessions.redact import Redactor

T = TypeVar("T")

SUSPEND_S = 10.0
"""How long all agents together may take to end their turns when the daemon stops."""
MOST_AGENTS = 64
"""Of one session."""
_RESTORE_S = 2.0
"""How long the first client waits at most for cut turns to be marked."""
_AT_ONCE = 4
_KILLED = "ended by a person"


class Hub:
    """Made by `Hub.open`. Every agent that lives is a task of its group."""

    def __init__(
        self,
        journal: Journal,
        bus: Bus,
        records: ChildRecords,
        launcher: Launcher,
        ids: Ids,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.roster = Roster()
        self._journal = journal
        self._bus = bus
        self._records = records
        self._launcher = launcher
        self._ids = ids
        self._tasks = tasks
        self._branches: dict[str, Branch] = {}
        self._env: dict[str, dict[str, str]] = {}
        self._opening = asyncio.Lock()
        self._stopping = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        paths: Paths,
        journal: Journal,
        bus: Bus,
        records: ChildRecords,
        clock: Clock,
        redactor: Redactor,
    ) -> AsyncGenerator[Hub]:
        """The hub over a journal, with what was cut by the daemon before marked so.

        Leaving it ends what still lives, without a word to the journal (`suspend` comes before).
        """
        ids = Ids(clock.wall_us)
        launcher = Launcher(paths, clock, ids, redactor, records)
        async with launcher.models, asyncio.TaskGroup() as tasks:
            hub = cls(journal, bus, records, launcher, ids, tasks)
            await hub.roster.load(journal)
            journal.listen(hub._committed)
            await hub._restore()
            try:
                yield hub
            finally:
                await hub.cut()

    # ------------------------------------------------------------------ sessions

    async def new_session(self, request: NewSession) -> NewSessionResult:
        """Open a session with its agents, and give each of them the task."""
        cwd = _folder(request.cwd)
        launch = await asyncio.to_thread(self._launcher.look, cwd, request.env)
        mode = request.mode or launch.settings.mode
        specs = [launch.spec(wish, mode, request.env) for wish in _some(request.agents)]
        async with self._opening:  # so that two of the same name cannot both be the first
            taken = self.roster.session_names()
            if request.name:
                name = names.check("session", request.name, taken)
            else:
                name = name_from_task(request.task or cwd.name, taken)
            session = self._ids.session()
            agents: dict[str, AgentSpawned] = {}
            for wish, spec in zip(request.agents, specs, strict=True):
                agents[self._ids.agent()] = _spawned(wish, spec, [a.name for a in agents.values()])
            opened = SessionOpened(
                name=name, cwd=str(cwd), mode=mode, trusted=launch.trusted, mato=__version__
            )
            arranged = SessionArranged(windows=layout.tiled(list(agents), self._ids))
            await self._record(
                Draft(session=session, body=opened),
                *(Draft(session=session, agent=key, body=body) for key, body in agents.items()),
                Draft(session=session, body=arranged),
            )
        self._hand_over(session, request.env)
        turns: list[str] = []
        if request.task:
            prompts = [self.prompt(session, agent, request.task) for agent in agents]
            turns = await _together(prompts)
        else:
            await _together([self.branch(session, agent).ensure() for agent in agents])
        refs = tuple(AgentRef(key, body.name, body.agent_kind) for key, body in agents.items())
        return NewSessionResult(session, name, refs, tuple(turns))

    async def spawn(self, query: str, wish: AgentWish, env: Mapping[str, str]) -> AgentRef:
        """Start another agent in a session."""
        session = self.roster.session(query)
        if len(session.agents) >= MOST_AGENTS:
            raise UsageError(f"session {session.name!r} has {MOST_AGENTS} agents; that is all")
        launch = await asyncio.to_thread(self._launcher.look, _folder(session.cwd), env)
        held = {**self._env.get(session.id, {}), **env}
        body = _spawned(
            wish, launch.spec(wish, session.mode, held), [agent.name for agent in session.agents]
        )
        agent = self._ids.agent()
        await self._record(Draft(session=session.id, agent=agent, body=body))
        self._hand_over(session.id, env)
        await self.branch(session.id, agent).ensure()
        return AgentRef(agent, body.name, body.agent_kind)

    async def profiles(self, cwd: str) -> tuple[ProfileSummary, ...]:
        """The agent profiles that can be started in a folder."""
        return await asyncio.to_thread(self._launcher.profiles, _folder(cwd) if cwd else None)

    async def record(self, session: str, body: Body) -> None:
        """Journal a fact of a session itself."""
        await self._record(Draft(session=session, body=body))

    # ------------------------------------------------------------------ agents

    async def prompt(
        self, session: str, agent: str, text: str, env: Mapping[str, str] | None = None
    ) -> str:
        """Start a turn; returns its id once that is journaled."""
        self._hand_over(session, env or {})
        return await self.branch(session, agent).prompt([TextBlock(text)])

    async def stop(self, agents: Sequence[AgentSummary]) -> list[str]:
        """End the current turns; returns the names of the agents that had one."""

        async def one(agent: AgentSummary) -> str:
            branch = self._branches.get(agent.id)
            if branch is None or not branch.alive:
                return ""
            return agent.name if await branch.ask(lambda living: living.cancel()) else ""

        return [name for name in await _together([one(agent) for agent in agents]) if name]

    async def reconfigure(
        self, session: SessionSummary, agent: AgentSummary, request: Reconfigure
    ) -> None:
        """Another model from the next turn on, or another mode from the next call on."""
        self._hand_over(session.id, request.env)
        choice = None
        if request.model or request.base_url:
            model = request.model or agent.model
            # An endpoint belongs to its model: another model starts without the old one's.
            choice = self._launcher.choose(
                model, request.base_url, self._env.get(session.id, {}), session.cwd
            )
        branch = self.branch(session.id, agent.id)
        await branch.ask(lambda living: living.reconfigure(choice, request.mode))

    async def kill(self, session: SessionSummary, agents: Sequence[AgentSummary]) -> list[str]:
        """End agents for good; returns the names of those that were not ended already."""

        async def one(agent: AgentSummary) -> str:
            if agent.state == "stopped":
                return ""
            try:
                # One that does not live is made for its end: it knows what it left open.
                branch = self.branch(session.id, agent.id)
                await branch.ask(lambda living: living.close(_KILLED))
            except JournalError:
                raise
            except MatoError as error:
                logger.warning("agent %s cannot be asked to end: %s", agent.name, error)
                await self._record(*_epitaph(session.id, agent))
            self._branches.pop(agent.id, None)
            self._bus.forget(session.id, agent.id)
            return agent.name

        return [name for name in await _together([one(agent) for agent in agents]) if name]

    def branch(self, session: str, agent: str) -> Branch:
        """The branch of an agent.

        Raises:
            UsageError: the agent has ended for good.
            DaemonError: the daemon is stopping.
        """
        if self._stopping:
            raise DaemonError("the daemon is stopping; try again once it runs")
        found = self.roster.catalog.agent(agent)
        assert found is not None, "its spawning is in the journal"
        _, summary = found
        if summary.state == "stopped":
            raise UsageError(f"agent {summary.name!r} has ended; start another one")
        if agent not in self._branches:
            sink = AgentSink(session, agent, self._journal, self._bus, self._records)
            self._branches[agent] = Branch(
                summary.name,
                sink,
                lambda: self._launcher.make(
                    self._journal, sink, lambda: self._env.get(session, {})
                ),
                self._tasks,
            )
        return self._branches[agent]

    # ------------------------------------------------------------------ the daemon's own

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` even when the client that asked for it goes away before it is done."""
        if self._stopping:
            work.close()
            raise DaemonError("the daemon is stopping; try again once it runs")
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def carry() -> None:
            try:
                result = await work
            except Exception as error:
                if not outcome.done():
                    outcome.set_exception(error)
                elif not isinstance(error, MatoError):
                    logger.exception("a request whose client has gone went wrong")
            else:
                if not outcome.done():
                    outcome.set_result(result)
            finally:
                outcome.cancel()

        self._tasks.create_task(carry())
        return await outcome

    async def suspend(self) -> None:
        """End every turn as interrupted, as the daemon ends in good order."""
        self._stopping = True
        living = [branch for branch in self._branches.values() if branch.alive]
        try:
            async with asyncio.timeout(SUSPEND_S), asyncio.TaskGroup() as tasks:
                for branch in living:
                    tasks.create_task(self._suspend(branch))
        except TimeoutError:
            logger.warning("some agents did not end their turns within %s s", SUSPEND_S)

    async def cut(self) -> None:
        """End whatever lives, at once."""
        self._stopping = True
        for branch in self._branches.values():
            await branch.cut()

    @property
    def living(self) -> int:
        """Agents that run now."""
        return sum(branch.alive for branch in self._branches.values())

    async def _suspend(self, branch: Branch) -> None:
        try:
            await branch.suspend()
        except MatoError as error:
            logger.warning("an agent could not end its turn: %s", error)

    async def _restore(self) -> None:
        """Take up the agents that the daemon before left in the middle of something.

        They mark their cut turn as interrupted and wait. All others are made when needed. Long
        histories are read while clients are served already.
        """
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

    async def _take_up(self, session: str, agent: AgentSummary, few: asyncio.Semaphore) -> None:
        try:
            async with few:
                await self.branch(session, agent.id).ensure()
        except JournalError as error:
            logger.error("agent %s cannot be taken up: %s", agent.name, error)
        except MatoError as error:
            # Its folder may be gone: then it can at least not look as if it worked.
            logger.warning("agent %s cannot be taken up: %s", agent.name, error)
            body = AgentStateChanged(state="failed", evidence=f"cannot be taken up: {error}")
            with suppress(JournalError):
                await self._record(Draft(session=session, agent=agent.id, body=body))
        except Exception:
            logger.exception("agent %s cannot be taken up", agent.name)

    def _hand_over(self, session: str, env: Mapping[str, str]) -> None:
        """Keep a client's variables in memory, and their values out of the journal."""
        if env:
            self._launcher.hold_secrets(env)
            self._env.setdefault(session, {}).update(env)

    async def _record(self, *drafts: Draft) -> None:
        events = await self._journal.append(drafts)
        # The listener is called after this; whoever goes on is to find its facts in the roster.
        await self.roster.reached(events[-1].position)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            self.roster.apply(event)
        self._bus.publish(events)


async def _together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order, when all are done; then the first error there was."""
    results: list[Any] = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("list[T]", results)


def _folder(path: str) -> Path:
    """An existing folder, as an absolute path without links.

    Raises:
        UsageError: there is no such folder.
    """
    if not path.startswith("/"):
        raise UsageError(f"the folder {path!r} is not an absolute path; give the whole path")
    try:
        resolved = Path(path).resolve(strict=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"there is no folder {path!r}; make it, or give another") from error
    if not resolved.is_dir():
        raise UsageError(f"{path!r} is not a folder; give one")
    return resolved


def _some(wishes: Sequence[AgentWish]) -> Sequence[AgentWish]:
    if not 1 <= len(wishes) <= MOST_AGENTS:
        raise UsageError(f"a session begins with 1 to {MOST_AGENTS} agents, not {len(wishes)}")
    return wishes


def _spawned(wish: AgentWish, spec: LaunchSpec, taken: Sequence[str]) -> AgentSpawned:
    if wish.name:
        name = names.check("agent", wish.name, taken)
    else:
        name = names.number(names.check("agent", spec.profile), taken)
    return AgentSpawned(name=name, agent_kind="native", spec=spec)


def _epitaph(session: str, agent: AgentSummary) -> list[Draft]:
    """What an agent that cannot be made any more (its folder is gone) would have journaled."""
    bodies: list[Body] = [AgentStateChanged(state="stopped", evidence=_KILLED)]
    if agent.turn is not None:
        bodies.insert(0, TurnEnded(reason="interrupted", detail=_KILLED))
    bodies.append(AgentExited(reason=_KILLED))
    return [Draft(session=session, agent=agent.id, turn=agent.turn, body=body) for body in bodies]
