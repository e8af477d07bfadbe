"""The fold from the facts of all sessions to the listings: sessions, agents, inbox.

It needs only what `Journal.since(…, facts_only=True)` gives; other events change nothing.
"""

from __future__ import annotations

import msgspec

from mato_sessions.events import (
    AgentConnected,
    AgentDecided,
    AgentExited,
    AgentOffered,
    AgentReconfigured,
    AgentSpawned,
    AgentStateChanged,
    Event,
    PermissionAnswered,
    PermissionAsked,
    PermissionGranted,
    PermissionRevoked,
    SessionArchived,
    SessionArranged,
    SessionOpened,
    SessionRenamed,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    UsageReported,
)
from mato_sessions.events.agent import PAUSED
from mato_sessions.grants import with_fact
from mato_sessions.ledger import Ledger
from mato_sessions.packable import packable
from mato_sessions.spending import clock, spend
from mato_sessions.summaries import AgentSummary, PendingCall, SessionSummary

__all__ = ["AgentSummary", "Catalog", "PendingCall", "SessionSummary"]


class _State(msgspec.Struct):
    sessions: dict[str, SessionSummary] = {}
    ledger: msgspec.Raw = msgspec.Raw(b"{}")


class Catalog:
    """All sessions. Summaries are changed in place; readers only read them. A `Projection`."""

    def __init__(self) -> None:
        self._sessions: dict[str, SessionSummary] = {}
        self._ledger = Ledger()
        self._changed: set[str] = set()
        self.position = 0
        """Of the newest event that was applied."""

    def sessions(self) -> list[SessionSummary]:
        """By the time of their opening, oldest first."""
        return list(self._sessions.values())

    def session(self, session: str) -> SessionSummary | None:
        """The session with that id."""
        return self._sessions.get(session)

    def agent(self, agent: str) -> tuple[SessionSummary, AgentSummary] | None:
        """The agent with that id and its session."""
        for session in self._sessions.values():
            for summary in session.agents:
                if summary.id == agent:
                    return session, summary
        return None

    def pending(self) -> list[PendingCall]:
        """The inbox: all calls that wait for a person, oldest first."""
        found = [
            call
            for session in self._sessions.values()
            for agent in session.agents
            for call in agent.pending
        ]
        return sorted(found, key=lambda call: call.position)

    def changed(self) -> list[SessionSummary]:
        """Sessions that changed since the last call."""
        names = sorted(self._changed)
        self._changed.clear()
        return [self._sessions[name] for name in names]

    def snapshot(self) -> bytes:
        """The whole state."""
        return msgspec.json.encode(_State(self._sessions, msgspec.Raw(self._ledger.snapshot())))

    def restore(self, data: bytes) -> None:
        """Take up a state that `snapshot` gave; every session counts as changed."""
        state = msgspec.json.decode(data, type=_State)
        self._sessions = state.sessions
        self._ledger.restore(bytes(state.ledger))
        self._changed = set(self._sessions)
        self.position = max((one.position for one in self._sessions.values()), default=0)

    def apply(self, event: Event) -> None:
        """Take in the next event, position ascending."""
        self.position = event.position
        if event.kind.partition(".")[0] not in _SUBJECTS and event.kind != "tool.proposed":
            return
        session = self._sessions.get(event.session)
        if session is None:
            session = SessionSummary(id=event.session, created_us=event.at_us, last_us=event.at_us)
            self._sessions[event.session] = session
        session.last_us = event.at_us
        session.seq = event.seq
        session.position = event.position
        self._changed.add(event.session)
        match event.body:
            case SessionOpened() as body:
                session.name = body.name
                session.cwd = body.cwd
                session.mode = body.mode
                session.trusted = body.trusted
            case SessionRenamed(name=name):
                session.name = name
            case SessionArranged(windows=windows):
                session.windows = windows
            case SessionArchived(archived=archived):
                session.archived = archived
            case AgentSpawned() as body if event.agent is not None:
                self._count(_spawn(session, event.agent, event, body))
            case _:
                for agent in session.agents:
                    if agent.id == event.agent:
                        self._agent_fact(agent, event)

    def _agent_fact(self, agent: AgentSummary, event: Event) -> None:
        match event.body:
            case AgentStateChanged(state=state, evidence=evidence):
                if state != agent.state:
                    agent.since_us = event.at_us
                agent.state = state
                agent.evidence = evidence
                if agent.turn is not None:
                    clock(agent, event.at_us, counts=not evidence.startswith(PAUSED))
            case AgentReconfigured() as body:
                _reconfigure(agent, body)
            case AgentConnected(name=name, release=release):
                agent.program = f"{name} {release}".strip()
            case AgentOffered(options=options, commands=commands):
                agent.options, agent.commands = options, commands
            case AgentDecided():
                agent.decides = True
            case AgentExited():
                agent.turn = None
                agent.queued = []
                agent.pending = []
                agent.grants = []
            case TurnQueued() if event.turn is not None:
                agent.queued.append(event.turn)
            case TurnReturned():
                agent.queued = [turn for turn in agent.queued if turn != event.turn]
            case TurnPrompted():
                agent.queued = [turn for turn in agent.queued if turn != event.turn]
                agent.turn = event.turn
                agent.turn_at_us = event.at_us
                clock(agent, event.at_us, counts=True)
            case TurnEnded():
                clock(agent, event.at_us, counts=False)
                agent.turn = None
                agent.pending = []
            case PermissionAsked() as body:
                others = [one for one in agent.pending if one.call != body.call]
                agent.pending = [*others, _pending(agent, event, body)]
            case PermissionAnswered(call=call):
                agent.pending = [one for one in agent.pending if one.call != call]
            case PermissionGranted() | PermissionRevoked() as body:
                agent.grants = with_fact(agent.grants, event, body)
            case UsageReported() as body:
                tokens = body.input + body.output
                spend(agent, event.at_us, tokens, body.cost_usd or 0.0, 1)
                self._ledger.apply(event)
                self._count(agent)
            case _:
                pass  # Proposed calls and unknown kinds only count as activity.

    def _count(self, agent: AgentSummary) -> None:
        total = self._ledger.agent(agent.id)
        agent.input = total.input
        agent.output = total.output
        agent.cached = total.cached
        agent.reasoning = total.reasoning
        agent.cost_usd = total.cost_usd
        agent.unpriced = total.unpriced


_SUBJECTS = frozenset({"session", "agent", "turn", "permission", "usage"})


def _spawn(session: SessionSummary, agent: str, event: Event, body: AgentSpawned) -> AgentSummary:
    summary = AgentSummary(
        id=agent,
        name=body.name,
        kind=body.agent_kind,
        since_us=event.at_us,
        profile=body.spec.profile,
        model=body.spec.model,
        model_source=body.spec.model_source,
        base_url=body.spec.base_url,
        mode=body.spec.mode,
        budget=body.spec.budget,
        parent=body.parent,
        depth=body.depth,
        spawned_seq=event.seq,
        call=body.call,
        task=body.task,
    )
    for at, old in enumerate(session.agents):
        if old.id == agent:
            session.agents[at] = summary
            return summary
    session.agents.append(summary)
    return summary


def _reconfigure(agent: AgentSummary, body: AgentReconfigured) -> None:
    if body.model is not None:
        agent.model = body.model
    if body.model_source is not None:
        agent.model_source = body.model_source
    if body.base_url is not None:
        agent.base_url = body.base_url
    if body.mode is not None:
        agent.mode = body.mode
    if body.budget is not None:
        agent.budget = body.budget


def _pending(agent: AgentSummary, event: Event, body: PermissionAsked) -> PendingCall:
    return PendingCall(
        call=body.call,
        session=event.session,
        agent=agent.id,
        agent_name=agent.name,
        turn=event.turn,
        tool=body.tool,
        action=body.action,
        resource=body.resource,
        arguments=packable(body.arguments),
        preview=body.preview,
        question=body.question,
        decisions=body.decisions,
        why=body.why,
        private=body.private,
        untrusted=body.untrusted,
        patterns=body.patterns,
        lasting=body.lasting,
        at_us=event.at_us,
        position=event.position,
    )
