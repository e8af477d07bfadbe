"""Sessions: opened with their agents, joined by others, renamed, reconfigured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from mato import __version__
from mato.daemon import layout, names
from mato.daemon.carrying import together
from mato.daemon.children import MOST_AGENTS
from mato.daemon.explaining import explain
from mato.daemon.launch import Launcher
from mato.daemon.supervisor import Supervisor
from mato.permissions.children import looser
from mato.protocol.granting import Explain, ExplainResult
from mato.protocol.methods import (
    AgentRef,
    AgentWish,
    NewSession,
    NewSessionResult,
    ProfilesResult,
    Reconfigure,
)
from mato.tools.disk import on_disk
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import UsageError
from mato_sessions.events import (
    AgentSpawned,
    Draft,
    SessionArchived,
    SessionArranged,
    SessionOpened,
    SessionRenamed,
)
from mato_sessions.events.agent import AgentKind, LaunchSpec
from mato_sessions.events.session import Mode, WindowNode
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.kinship import ancestors
from mato_sessions.naming import name_from_task

_BUSY = frozenset({"starting", "working", "blocked"})
"""States of an agent that does something or waits for a person."""


class Hub:
    """Changes sessions; the agents in them are the supervisor's."""

    def __init__(self, supervisor: Supervisor, launcher: Launcher, ids: Ids) -> None:
        self._supervisor = supervisor
        self._roster = supervisor.roster
        self._launcher = launcher
        self._ids = ids

    @property
    def tier(self) -> str:
        """What commands run in; "" until that is known."""
        return self._launcher.tier

    async def new_session(self, request: NewSession) -> NewSessionResult:
        """Open a session with its agents, and give each of them the task."""
        self._supervisor.refuse_while_killing()
        cwd = await on_disk(_folder, request.cwd)
        self._launcher.hold_secrets(request.env)
        ground = await on_disk(self._launcher.look, cwd, request.env)
        mode = request.mode or ground.settings.mode
        specs = [ground.spec(wish, mode, request.env) for wish in _some(request.agents)]
        session = self._ids.session()
        agents: dict[str, AgentSpawned] = {}
        for wish, (kind, spec) in zip(request.agents, specs, strict=True):
            taken = [other.name for other in agents.values()]
            agents[self._ids.agent()] = self._spawned(wish, kind, spec, taken)
        arranged = SessionArranged(windows=layout.tiled(list(agents), self._ids))
        async with self._supervisor.naming:
            name = self._name(request, cwd)
            opened = SessionOpened(
                name=name, cwd=str(cwd), mode=mode, trusted=ground.trusted, mato=__version__
            )
            await self._supervisor.record(
                Draft(session=session, body=opened),
                *(Draft(session=session, agent=key, body=body) for key, body in agents.items()),
                Draft(session=session, body=arranged),
            )
        self._supervisor.hand_over(session, request.env)
        turns: list[str] = []
        if request.task:
            prompts = [self._supervisor.prompt(session, key, request.task) for key in agents]
            turns = await together(prompts)
        else:
            await together([self._supervisor.branch(session, key).ensure() for key in agents])
        refs = tuple(AgentRef(key, body.name, body.agent_kind) for key, body in agents.items())
        return NewSessionResult(session, name, refs, tuple(turns))

    async def spawn(self, query: str, wish: AgentWish, env: Mapping[str, str]) -> AgentRef:
        """Start another agent in a session."""
        self._supervisor.refuse_while_killing()
        session = self._roster.active(query)
        self._supervisor.hand_over(session.id, env)
        held = self._supervisor.env(session.id)
        ground = await on_disk(lambda: self._launcher.look(_folder(session.cwd), held))
        kind, spec = ground.spec(wish, session.mode, held)
        agent = self._ids.agent()
        async with self._supervisor.naming:
            if sum(other.state != "stopped" for other in session.agents) >= MOST_AGENTS:
                raise UsageError(f"session {session.name!r} has {MOST_AGENTS} agents; that is all")
            others = [other.name for other in session.agents]
            body = self._spawned(wish, kind, spec, others)
            await self._supervisor.record(Draft(session=session.id, agent=agent, body=body))
        await self._supervisor.branch(session.id, agent).ensure()
        return AgentRef(agent, body.name, body.agent_kind)

    def clean(self, text: str) -> str:
        """`text` without secrets."""
        return self._launcher.clean(text)

    async def read_keys(self) -> list[str]:
        """Read the kept keys again; their variables."""
        return sorted(await on_disk(self._launcher.keys.read))

    async def rename(self, query: str, wanted: str) -> None:
        """Give a session another name."""
        async with self._supervisor.naming:
            session = self._roster.session(query)
            name = self._checked("session", wanted, self._roster.session_names() - {session.name})
            body = SessionRenamed(name=name)
            await self._supervisor.record(Draft(session=session.id, body=body))

    async def archive(self, query: str, archived: bool) -> None:
        """Put a session away, or take it back.

        Raises:
            UsageError: an agent of it works or waits.
        """
        session = self._roster.session(query)
        if archived == session.archived:
            return
        busy = [a.name for a in session.agents if a.turn or a.queued or a.state in _BUSY]
        if archived and busy:
            raise UsageError(
                f"{', '.join(busy)} of session {session.name!r} has not ended its turn; wait for "
                "it or end it with `mato stop`, then archive the session"
            )
        body = SessionArchived(archived=archived)
        await self._supervisor.record(Draft(session=session.id, body=body))

    async def arrange(self, session: SessionSummary, windows: tuple[WindowNode, ...]) -> None:
        """Keep the windows and panes of a session.

        Raises:
            UsageError: no client could draw them.
        """
        layout.check(windows, {agent.id for agent in session.agents})
        body = SessionArranged(windows=windows)
        await self._supervisor.record(Draft(session=session.id, body=body))

    async def reconfigure(
        self, session: SessionSummary, agent: AgentSummary, request: Reconfigure
    ) -> None:
        """Another model from the next turn on, or another mode from the next call on.

        Raises:
            UsageError: no model, or a mode looser than that of the agent that started it.
        """
        self._check_mode(session, agent, request.mode)
        self._supervisor.hand_over(session.id, request.env)
        choice = None
        if request.model or request.base_url:
            model = request.model or agent.model
            # An endpoint belongs to its model: another model starts without the old one's.
            held = self._supervisor.env(session.id)
            choice = self._launcher.choose(model, request.base_url, held, session.cwd)
        branch = self._supervisor.branch(session.id, agent.id)
        await branch.ask(lambda living: living.reconfigure(choice, request.mode))
        if request.mode is not None:
            await self._supervisor.children.lower(session, agent)

    def _check_mode(self, session: SessionSummary, agent: AgentSummary, mode: Mode | None) -> None:
        for above in ancestors(session.agents, agent)[:1]:
            if mode is not None and looser(mode, above.mode):
                raise UsageError(
                    f"agent {agent.name!r} was started by {above.name!r}, which is in mode "
                    f"{above.mode}, so it cannot be in mode {mode}; change {above.name!r} first"
                )

    async def explain(self, journal: Journal, request: Explain) -> ExplainResult:
        """What was decided about a call, and what would be decided now."""
        return await explain(journal, self._supervisor, self._launcher, request)

    async def profiles(self, cwd: str) -> ProfilesResult:
        """The agent profiles that can be started in a folder."""
        found = await on_disk(lambda: self._launcher.profiles(_folder(cwd) if cwd else None))
        said = {
            agent.profile: agent.program
            for session in self._roster.catalog.sessions()
            for agent in session.agents
            if agent.program
        }
        known = (replace(each, program=said.get(each.name, "")) for each in found.profiles)
        return replace(found, profiles=tuple(known))

    def _name(self, request: NewSession, cwd: Path) -> str:
        taken = self._roster.session_names()
        if request.name:
            return self._checked("session", request.name, taken)
        # Cleaned first: a slug of a secret is a secret, and no redactor would know it.
        ids = {session.id for session in self._roster.catalog.sessions()}
        return name_from_task(self._launcher.clean(request.task) or cwd.name, taken | ids)

    def _spawned(
        self, wish: AgentWish, kind: AgentKind, spec: LaunchSpec, taken: Sequence[str]
    ) -> AgentSpawned:
        if wish.name:
            name = self._checked("agent", wish.name, taken)
        else:
            name = names.number(names.check("agent", spec.profile), taken)
        return AgentSpawned(name=name, agent_kind=kind, spec=spec)

    def _checked(self, what: str, name: str, taken: Iterable[str]) -> str:
        if self._launcher.clean(name) != name:
            # Redacted it could not be typed, and as it is it would be shown everywhere.
            raise UsageError(f"the name of the {what} holds a secret; give one without")
        return names.check(what, name, taken)


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
