"""What is journaled of an agent that cannot be made any more: its folder, or its past, is gone."""

from __future__ import annotations

from collections.abc import Iterable

from mato_sessions.catalog import AgentSummary
from mato_sessions.events import (
    AgentExited,
    AgentStateChanged,
    Body,
    Draft,
    ToolFailed,
    ToolUnknown,
    TurnEnded,
)
from mato_sessions.transitions import CallRow

_NOT_RUN = "This call was not run: its agent was ended."
_NOT_KNOWN = "Its agent was ended while this call ran: whether it took effect is not known."


def epitaph(session: str, agent: AgentSummary, calls: Iterable[CallRow], why: str) -> list[Draft]:
    """The ends of its open `calls` and its turn, then its own."""
    mine = [call for call in calls if call.agent == agent.id and call.turn == agent.turn]
    bodies: list[Body] = [body for call in mine for body in _end(call)]
    if agent.turn is not None:
        bodies.append(TurnEnded(reason="interrupted", detail=why))
    bodies += [AgentStateChanged(state="stopped", evidence=why), AgentExited(reason=why)]
    return [Draft(session=session, agent=agent.id, turn=agent.turn, body=body) for body in bodies]


def _end(call: CallRow) -> list[Body]:
    match call.state:
        case "proposed":
            failed = ToolFailed(call=call.call, attempt=0, message=_NOT_RUN, cause="cancelled")
            return [failed]
        case "started":
            return [ToolUnknown(call=call.call, attempt=call.attempt, message=_NOT_KNOWN)]
        case _:
            return []  # it has ended, or is unknown already
