"""The history of decisions: what was allowed and rejected, and why, read back from the journal."""

from __future__ import annotations

from mato.daemon.roster import Roster
from mato.protocol.deciding import Decided, History, HistoryResult
from mato_sessions.catalog import SessionSummary
from mato_sessions.events import Event, PermissionAnswered, PermissionAsked, ToolProposed
from mato_sessions.journal import Journal

_STRETCH = 5_000
"""Positions that are read at once, from the newest back."""
_MOST = 1_000
_MOST_STRETCHES = 100
"""What lies further back is for `mato log`."""


class _About:
    """What is known of the calls of a stretch."""

    def __init__(self) -> None:
        self.answered: list[Event] = []
        self.asked: dict[str, tuple[PermissionAsked, int]] = {}
        self.proposed: dict[str, ToolProposed] = {}

    def take(self, event: Event) -> None:
        match event.body:
            case PermissionAnswered():
                self.answered.append(event)
            case PermissionAsked() as body:
                self.asked[body.call] = (body, event.at_us)
            case ToolProposed() as body:
                self.proposed[body.call] = body
            case _:
                pass


async def history(
    journal: Journal, roster: Roster, session: SessionSummary | None, request: History
) -> HistoryResult:
    """The newest decisions, newest first."""
    limit = max(1, min(request.limit, _MOST))
    about = _About()
    end, stretches = roster.catalog.position, 0
    while end > 0 and stretches < _MOST_STRETCHES:
        start = max(0, end - _STRETCH)
        chosen = session.id if session is not None else None
        for event in await journal.since(start, _STRETCH, session=chosen, facts_only=True):
            if event.position <= end:
                about.take(event)
        end, stretches = start, stretches + 1
        if len(about.answered) >= limit and not _unknown(about, limit):
            break
    newest = sorted(about.answered, key=lambda event: -event.position)
    known = {each.id: each for each in roster.catalog.sessions()}
    decisions = [_decided(event, about, known.get(event.session)) for event in newest[:limit]]
    return HistoryResult(tuple(decisions), complete=end == 0 and len(newest) <= limit)


def _unknown(about: _About, limit: int) -> bool:
    """Whether one of the newest is about a call that was proposed further back."""
    newest = sorted(about.answered, key=lambda event: -event.position)[:limit]
    calls = [event.body.call for event in newest if isinstance(event.body, PermissionAnswered)]
    return any(call not in about.proposed for call in calls)


def _decided(event: Event, about: _About, session: SessionSummary | None) -> Decided:
    body = event.body
    assert isinstance(body, PermissionAnswered)
    asked, asked_us = about.asked.get(body.call, (None, 0))
    proposed = about.proposed.get(body.call)
    agents = {each.id: each.name for each in session.agents} if session is not None else {}
    agent = event.agent or ""
    return Decided(
        call=body.call,
        session=event.session,
        session_name=session.name if session is not None else event.session,
        agent=agent,
        agent_name=agents.get(agent, agent),
        tool=asked.tool if asked else proposed.name if proposed else "",
        resource=asked.resource if asked else proposed.title if proposed else "",
        allowed=body.allowed,
        by=body.by,
        rule=body.rule,
        decision=body.decision,
        asked_us=asked_us,
        at_us=event.at_us,
        position=event.position,
    )
