"""What each request of a client means: the answer to every method of the protocol."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mato import __version__
from mato.bus import Bus
from mato.config.paths import Paths
from mato.daemon import allowing, decisions, granting, purging, trusting, undo
from mato.daemon.hub import Hub
from mato.daemon.killing import kill_all
from mato.daemon.pressure import Pressure
from mato.daemon.stopping import Stopping
from mato.daemon.subscription import LAST, Subscription
from mato.daemon.supervisor import Supervisor
from mato.daemon.waiting import RETURNED
from mato.protocol import methods as m
from mato.protocol.keys import ReadKeysResult
from mato.protocol.version import PROTOCOL
from mato.tools.disk import on_disk
from mato_sessions import codec
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.clock import Clock
from mato_sessions.errors import TimedOut, UnknownName, UsageError
from mato_sessions.events import BlobRef
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal

_PAGE_EVENTS = 2000
_PAGE_BYTES = 8 * 1024 * 1024
_BLOB_BYTES = 16 * 1024 * 1024
_TEXT_BYTES = 1024 * 1024
"""Longest prompt. What is longer belongs into a file."""


class FrontDesk:
    """Answers requests; see `mato.daemon.connection.Desk`."""

    def __init__(
        self,
        hub: Hub,
        agents: Supervisor,
        journal: Journal,
        bus: Bus,
        paths: Paths,
        clock: Clock,
        stopping: Stopping,
        pressure: Pressure,
    ) -> None:
        self._hub = hub
        self._agents = agents
        self._roster = agents.roster
        self._journal = journal
        self._bus = bus
        self._paths = paths
        self._clock = clock
        self._stopping = stopping
        self._pressure = pressure
        self._ids = Ids(clock.wall_us)
        self._started_us = clock.wall_us()
        self._started_mono_us = clock.mono_us()
        self.count_clients: Callable[[], int] = lambda: 0

    def welcome(self) -> m.Welcome:
        """The daemon's side of the handshake."""
        return m.Welcome(
            PROTOCOL,
            __version__,
            os.getpid(),
            self._journal.epoch,
            self._roster.catalog.position,
            self._hub.tier,
        )

    def clean(self, text: str) -> str:
        """`text` without secrets."""
        return self._hub.clean(text)

    def subscription(
        self, request: m.Subscribe, send: Callable[[bytes], Awaitable[None]]
    ) -> Subscription:
        """What streams to a subscriber until it is cancelled."""
        return Subscription(self._journal, self._bus, request, send)

    async def answer(self, request: m.Request) -> Any:
        """The request's `Result`.

        Raises:
            MatoError: what the client is told.
        """
        match request:
            case m.ListSessions():
                catalog = self._roster.catalog
                return m.ListSessionsResult(tuple(catalog.sessions()), catalog.position)
            case m.Inbox():
                return m.InboxResult(tuple(self._roster.catalog.pending()))
            case m.Wait():
                return await self._wait(request)
            case m.History():
                named = self._roster.session(request.session) if request.session else None
                return await decisions.history(self._journal, self._roster, named, request)
            case m.Events():
                return await self._events(request)
            case m.Blob():
                return await self._blob(request)
            case m.Explain():
                return await self._hub.explain(self._journal, request)
            case m.Profiles():
                return await self._hub.profiles(request.cwd)
            case m.LookAtFolder(cwd=cwd):
                return await on_disk(trusting.look, self._paths, Path(cwd))
            case m.Status():
                return self._status()
            case m.Shutdown(drain_s=drain_s, restart=restart):
                self._stopping.ask(drain_s, restart=restart)
                return None
            case m.Resume():
                released = await self._pressure.try_again()
                resumed = await self._agents.to_the_end(allowing.resume(self._agents, request))
                return m.AgentNames((*released, *resumed))
            case _:
                self._pressure.check()
                # What changes something is done to its end, whoever hangs up meanwhile.
                return await self._agents.to_the_end(self._act(request))

    async def _act(self, request: m.Request) -> Any:
        roster = self._roster
        match request:
            case m.NewSession():
                _check_text(request.task)
                return await self._hub.new_session(request)
            case m.RenameSession():
                await self._hub.rename(request.session, request.name)
            case m.ArchiveSession():
                await self._hub.archive(request.session, request.archived)
            case m.Arrange():
                session = roster.session(request.session)
                await self._hub.arrange(session, request.windows)
            case m.Spawn():
                return await self._hub.spawn(request.session, request.agent, request.env)
            case m.Prompt():
                _check_text(request.text)
                roster.active(request.session)
                session, agent = self._agent(request.session, request.agent)
                turn = await self._agents.prompt(session.id, agent.id, request.text, request.env)
                return m.PromptResult(turn)
            case m.Stop():
                session = roster.session(request.session)
                agents = roster.agents(session, request.agent)
                return m.AgentNames(tuple(await self._agents.stop(agents)))
            case m.Kill():
                session = roster.session(request.session)
                agents = roster.agents(session, request.agent)
                return m.AgentNames(tuple(await self._agents.kill(session, agents)))
            case m.KillAll():
                return await kill_all(self._journal, self._agents, self._agents.records)
            case m.Undo():
                session, agent = self._agent(request.session, request.agent)
                return await undo.undo(self._journal, self._agents, session, agent, request)
            case m.Reconfigure():
                session, agent = self._agent(request.session, request.agent)
                await self._hub.reconfigure(session, agent, request)
            case m.TrustFolder(cwd=cwd, digest=digest):
                return await on_disk(trusting.give, self._paths, Path(cwd), digest)
            case m.Purge():
                return await purging.purge(
                    self._journal, self._paths.journal, self._agents, self._clock, request.before_us
                )
            case m.Looked():
                session, agent = self._agent(request.session, request.agent)
                # All others have nothing to be seen, and would only be made for it.
                if agent.state == "done":
                    branch = self._agents.branch(session.id, agent.id)
                    await branch.ask(lambda living: living.looked())
            case m.Answer():
                await granting.answer(self._agents, self._clock, self._ids, request)
            case m.ReadKeys():
                return ReadKeysResult(tuple(await self._hub.read_keys()))
            case m.RevokeGrants():
                return await granting.revoke(self._agents, self._clock, request)
            case _:
                raise UsageError(f"{request.method} cannot be asked for here")
        return None

    def _agent(self, session: str, agent: str) -> tuple[SessionSummary, AgentSummary]:
        found = self._roster.session(session)
        return found, self._roster.agent(found, agent)

    async def _wait(self, request: m.Wait) -> m.WaitResult:
        session = self._roster.session(request.session)
        agents = self._roster.agents(session, request.agent)
        if not agents:
            raise UsageError(
                f"session {session.name!r} has no agents to wait for; `mato ls` lists them"
            )
        turn = request.turn
        if turn:
            agents = [self._owner(session, agents, turn) or await self._past(session, turn)]
        if request.until not in ("ended", "stopped"):
            living = [agent for agent in agents if agent.state != "stopped"]
            if not living:
                gone = ", ".join(repr(agent.name) for agent in agents)
                raise UsageError(
                    f"{gone} has ended and will never be {request.until}; "
                    "`mato new` starts another one"
                )
            agents = living
        chosen = [agent.id for agent in agents]
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._roster.waiting.wait(chosen, request.until, turn)
        except TimeoutError as error:
            states = ", ".join(f"{agent.name} is {agent.state}" for agent in agents)
            raise TimedOut(
                f"not {request.until} within {request.timeout_s:g} s: {states}"
            ) from error
        progress = self._roster.waiting.of
        states = {agent.name: progress(agent.id).state for agent in agents}
        reasons = {agent.name: progress(agent.id).last_reason() for agent in agents}
        if turn and (reason := progress(chosen[0]).turns.get(turn, "")):
            reasons[agents[0].name] = reason
        return m.WaitResult(states, {name: reason for name, reason in reasons.items() if reason})

    def _owner(
        self, session: SessionSummary, agents: list[AgentSummary], turn: str
    ) -> AgentSummary | None:
        for agent in agents:
            if turn in self._roster.waiting.of(agent.id).turns or turn in agent.queued:
                return agent
        return None

    async def _past(self, session: SessionSummary, turn: str) -> AgentSummary:
        """Whose turn it was that is too long ago to be remembered; it is remembered for now."""
        position, owner, reason = 0, "", ""
        while page := await self._journal.since(
            position, _PAGE_EVENTS, session=session.id, facts_only=True
        ):
            for event in page:
                if event.turn == turn and event.agent is not None:
                    owner = event.agent
                    if event.kind == "turn.ended":
                        reason = getattr(event.body, "reason", "")
                    elif event.kind == "turn.returned":
                        reason = RETURNED
            position = page[-1].position
        if not owner:
            raise UnknownName(
                f"session {session.name!r} has no turn {turn!r}; `mato send` prints a turn's id"
            )
        self._roster.waiting.of(owner).recall(turn, reason)
        return self._roster.agent(session, owner)

    async def _events(self, request: m.Events) -> m.EventsResult:
        session = self._roster.session(request.session)
        limit = max(1, min(request.limit, _PAGE_EVENTS))
        after = min(max(0, request.after), LAST)
        events = await self._journal.events(session.id, after, limit=limit)
        lines: list[str] = []
        last, size = after, 0
        for event in events:
            line = codec.to_json_line(event).decode()
            size += len(line)
            if lines and size > _PAGE_BYTES:
                break
            lines.append(line)
            last = event.seq
        newest = await self._journal.tail(session.id, 1)
        return m.EventsResult(session.id, tuple(lines), last, newest[-1].seq if newest else 0)

    async def _blob(self, request: m.Blob) -> m.BlobResult:
        try:
            whole = len(bytes.fromhex(request.sha256)) == 32
        except ValueError:
            whole = False
        if not whole:
            raise UsageError(f"{request.sha256[:80]!r} is no SHA-256; give its 64 hex digits")
        data = await self._journal.read_blob(BlobRef(request.sha256.lower(), 0))
        text = data[:_BLOB_BYTES].decode("utf-8", "replace")
        if len(data) > _BLOB_BYTES:
            text += f"\n… {len(data) - _BLOB_BYTES} bytes more"
        return m.BlobResult(text)

    def _status(self) -> m.StatusResult:
        agents = [a for session in self._roster.catalog.sessions() for a in session.agents]
        return m.StatusResult(
            pid=os.getpid(),
            mato=__version__,
            protocol=PROTOCOL,
            epoch=self._journal.epoch,
            started_us=self._started_us,
            uptime_s=(self._clock.mono_us() - self._started_mono_us) / 1e6,
            sessions=len(self._roster.catalog.sessions()),
            agents=sum(agent.state != "stopped" for agent in agents),
            working=sum(agent.state == "working" for agent in agents),
            blocked=sum(agent.state == "blocked" for agent in agents),
            clients=max(0, self.count_clients() - 1),
            position=self._journal.position,
            journal_bytes=_size_bytes(self._paths.journal),
            state=_shown(self._paths.state),
            socket=_shown(self._paths.socket),
            paused=self._pressure.paused,
            sandbox=self._hub.tier,
        )


def _shown(path: Path) -> str:
    """For people and JSON, also where its name is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def _size_bytes(journal: Path) -> int:
    """Of the database and of what is not yet checkpointed into it."""
    wal = journal.with_name(journal.name + "-wal")
    return journal.stat().st_size + (wal.stat().st_size if wal.exists() else 0)


def _check_text(text: str) -> None:
    if len(text) > _TEXT_BYTES:
        raise UsageError(
            f"the prompt has {len(text)} characters, {_TEXT_BYTES} are allowed; put it in a file"
        )
