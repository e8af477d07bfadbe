"""Which agents of a session were started by which others; pure."""

from __future__ import annotations

from collections.abc import Sequence

from mato_sessions.catalog import AgentSummary


def ancestors(agents: Sequence[AgentSummary], agent: AgentSummary) -> list[AgentSummary]:
    """The agents over one, the nearest first."""
    known = {each.id: each for each in agents}
    found: list[AgentSummary] = []
    above = known.get(agent.parent)
    while above is not None and above not in found:
        found.append(above)
        above = known.get(above.parent)
    return found


def descendants(agents: Sequence[AgentSummary], agent: AgentSummary) -> list[AgentSummary]:
    """The agents under one, each after its parent."""
    found: list[AgentSummary] = []
    above = {agent.id}
    # A child is spawned after its parent, so one pass sees all.
    for each in agents:
        if each.parent in above and each.id not in above:
            above.add(each.id)
            found.append(each)
    return found


def ordered(agents: Sequence[AgentSummary]) -> list[AgentSummary]:
    """The agents with each one's children right after it, otherwise as they come."""
    known = {each.id for each in agents}
    found: list[AgentSummary] = []

    def put(agent: AgentSummary) -> None:
        found.append(agent)
        for each in agents:
            if each.parent == agent.id and each.id not in {one.id for one in found}:
                put(each)

    for each in agents:
        if each.parent not in known:
            put(each)
    # Of those that are over each other, which no daemon writes, none is lost.
    return [*found, *(each for each in agents if each not in found)]
