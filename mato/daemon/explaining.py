"""`mato policy explain CALL`: what was decided about a call, and what would be decided now."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from mato.agents.native import tooling
from mato.agents.native.state import State, fold
from mato.daemon.launch import Launcher
from mato.daemon.standing import watch
from mato.daemon.supervisor import Supervisor
from mato.models.base import ModelChoice
from mato.permissions.taint import taint
from mato.protocol.granting import Explain, ExplainResult
from mato.shell import judge
from mato.tools.registry import Registry
from mato_sessions.audit import Audit, Decided
from mato_sessions.errors import UnknownName, UsageError
from mato_sessions.events import AgentSpawned, Event, PermissionAsked, ToolProposed
from mato_sessions.events.model import Call
from mato_sessions.events.permission import Action
from mato_sessions.journal import Journal

_PAGE_EVENTS = 1000


class _Told(msgspec.Struct):
    """What the journal has about a call."""

    spawned: AgentSpawned
    proposed: ToolProposed
    state: State
    """Of its agent, now."""
    asked: PermissionAsked | None
    decided: list[Decided]


async def explain(
    journal: Journal, agents: Supervisor, launcher: Launcher, request: Explain
) -> ExplainResult:
    """Say it. Nothing is run.

    Raises:
        UnknownName: no such call, or several.
        UsageError: what was said and done there has been purged.
        ConfigError: the rules in force cannot be read.
    """
    session, call, agent = await _find(journal, request.call)
    told = await _told(journal, session, call, agent)
    summary = agents.roster.session(session)
    standing = watch(agents.roster, launcher.clock, lambda: agents.killing, agent)
    policy = await launcher.policy(told.spawned, session, agents.env(session), standing)
    action, resource = _about(told)
    marks = told.state.taint | taint(told.proposed.arguments)
    now = policy.decide(told.state.mode, action, resource, marks)
    verdict = judge(resource) if action == "execute" else None
    return ExplainResult(
        call=call,
        session=session,
        session_name=summary.name,
        agent=agent,
        agent_name=told.spawned.name,
        tool=told.proposed.name,
        action=action,
        resource=resource,
        decided=tuple(told.decided),
        effect=now.effect,
        rule=now.rule,
        mode=told.state.mode,
        tier=policy.tier,
        private=now.marks.private,
        untrusted=now.marks.untrusted,
        lasting=now.lasting,
        command="" if verdict is None else f"{verdict.kind}, {verdict.reason}",
    )


async def _find(journal: Journal, query: str) -> tuple[str, str, str]:
    found = await journal.calls_like(query)
    exact = [each for each in found if each[1] == query]
    if len(exact or found) > 1:
        several = ", ".join(call for _, call, _ in found[:5])
        raise UnknownName(f"{query!r} means several calls: {several}; give one id")
    if not found:
        raise UnknownName(f"no call {query!r} is in the journal; `mato audit` lists them")
    return (exact or found)[0]


async def _told(journal: Journal, session: str, call: str, agent: str) -> _Told:
    audit = Audit()
    spawned: AgentSpawned | None = None
    proposed: ToolProposed | None = None
    asked: PermissionAsked | None = None
    state = State(ModelChoice(""), "ask")
    decided: list[Decided] = []
    async for event in _events(journal, session):
        if (found := audit.apply(event)) is not None and found.call == call:
            decided.append(found)
        if event.agent != agent:
            continue
        match event.body:
            case AgentSpawned() as body:
                spawned = body
                state = State(ModelChoice(body.spec.model), body.spec.mode)
            case ToolProposed() as body if body.call == call:
                proposed = body
            case PermissionAsked() as body if body.call == call:
                asked = body
            case _:
                pass
        state = fold(state, event)
    if spawned is None or proposed is None:
        raise UsageError(
            f"what call {call!r} was has been purged, or is not in the journal as a call of an"
            " agent; nothing is left to explain"
        )
    return _Told(spawned, proposed, state, asked, decided)


async def _events(journal: Journal, session: str) -> AsyncIterator[Event]:
    after = 0
    while page := await journal.events(session, after, limit=_PAGE_EVENTS):
        for event in page:
            yield event
        after = page[-1].seq


def _about(told: _Told) -> tuple[Action, str]:
    """What the call does to the world, and to what."""
    if told.asked is not None:
        return told.asked.action, told.asked.resource
    proposed = told.proposed
    raw = msgspec.json.encode(proposed.arguments).decode()
    registry = Registry()
    if registry.get(proposed.name) is None:
        return "execute", proposed.title  # the most cautious, of what is not a tool of Mato's
    found = tooling.inspect(registry, Call(proposed.call, proposed.name, raw))
    return found.action, found.resource
