"""What people have said about an agent since it began, looked up whenever a call is decided."""

from __future__ import annotations

from collections.abc import Callable

from mato.daemon.roster import Roster
from mato.permissions.grants import Standing
from mato_sessions import grants
from mato_sessions.catalog import AgentSummary
from mato_sessions.clock import Clock
from mato_sessions.grants import Grant


def in_force(agent: AgentSummary, clock: Clock) -> tuple[Grant, ...]:
    """The grants of an agent that hold now."""
    return grants.standing(agent.grants, clock.wall_us())


def watch(
    roster: Roster, clock: Clock, killing: Callable[[], bool], agent: str
) -> Callable[[], Standing]:
    """Says what stands for an agent in the moment in which it is called."""

    def now() -> Standing:
        found = roster.catalog.agent(agent)
        if found is None:
            return Standing(killed=True)
        _, summary = found
        return Standing(in_force(summary, clock), killing() or summary.state == "stopped")

    return now
