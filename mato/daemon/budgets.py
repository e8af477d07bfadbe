"""The budgets of this daemon's agents: what the catalog says they spent, against the config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mato.config.budget import AgentCap, Budget, Reached, reached, total
from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato_sessions.catalog import AgentSummary
from mato_sessions.clock import Clock
from mato_sessions.errors import ConfigError
from mato_sessions.kinship import ancestors, descendants
from mato_sessions.spending import Spent, day_of


class Budgets:
    """Read anew at each prompt, so that a raised budget counts without a restart."""

    def __init__(self, roster: Roster, clock: Clock, read: Callable[[], Awaitable[Budget]]) -> None:
        self._roster = roster
        self._clock = clock
        self._read = read
        self._budget = Budget()

    @property
    def agent(self) -> AgentCap:
        """What holds for each agent, as it was read last."""
        return self._budget.agent

    async def refresh(self) -> None:
        """Take in what the config says now; while it is damaged, what it said before holds."""
        try:
            self._budget = await self._read()
        except ConfigError as error:
            logger.warning("the budgets stay as they were: %s", error)

    def reached(self, agent: str) -> Reached | None:
        """The budget that keeps this agent from going on: its own, or of one that it works for."""
        found = self._roster.catalog.agent(agent)
        if found is None or self._budget == Budget():
            return None
        summary, own = found
        now_us = self._clock.wall_us()
        everyone = [each for one in self._roster.catalog.sessions() for each in one.agents]
        session = total([_spent(each, now_us) for each in summary.agents])
        day = total([_today(each, now_us) for each in everyone])
        for each in (own, *ancestors(summary.agents, own)):
            family = [each, *descendants(summary.agents, each)]
            spent = total([_spent(member, now_us) for member in family])
            if (used := reached(self._budget, spent, session, day)) is not None:
                return used
        return None

    def used_up(self, agent: str) -> list[tuple[str, Reached]]:
        """This agent and those over it, as far as a budget keeps them from going on."""
        found = self._roster.catalog.agent(agent)
        line = [] if found is None else [found[1], *ancestors(found[0].agents, found[1])]
        return [(each.id, used) for each in line if (used := self.reached(each.id)) is not None]


def _spent(agent: AgentSummary, now_us: int) -> Spent:
    return _with_turn(agent, agent.spent, now_us)


def _today(agent: AgentSummary, now_us: int) -> Spent:
    """What counts for the day of `now_us`; of a day that is over, nothing."""
    today = agent.today if agent.day == day_of(now_us) else Spent()
    return _with_turn(agent, today, now_us)


def _with_turn(agent: AgentSummary, spent: Spent, now_us: int) -> Spent:
    if agent.turn is None:
        return spent
    return replace(spent, ran_us=spent.ran_us + max(0, now_us - agent.turn_at_us))
