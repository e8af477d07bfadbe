"""The budgets of this daemon's agents: what the catalog says they spent, against the config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mato.config.budget import AgentCap, Budget, Cap, Reached, own, reached, total
from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.clock import Clock
from mato_sessions.errors import ConfigError
from mato_sessions.events.agent import Allowance
from mato_sessions.kinship import ancestors, descendants
from mato_sessions.spending import Spent, day_of


class Budgets:
    """Read anew at each prompt and resume, so that a raised one counts without a restart."""

    def __init__(self, roster: Roster, clock: Clock, read: Callable[[], Awaitable[Budget]]) -> None:
        self._roster = roster
        self._clock = clock
        self._read = read
        self._budget = Budget()

    def cap(self, session: SessionSummary, agent: AgentSummary) -> AgentCap:
        """What holds for an agent: how deep its children may go, the nearest over it says."""
        cap = own(self._budget.agent, agent.budget)
        line = [agent, *ancestors(session.agents, agent)]
        if (said := next((e for e in line if e.budget.depth is not None), None)) is None:
            return cap
        return replace(cap, depth=said.depth + (said.budget.depth or 0))

    async def refresh(self) -> None:
        """Take in what the config says now; while it is damaged, what it said before holds."""
        try:
            self._budget = await self._read()
        except ConfigError as error:
            logger.warning("the budgets stay as they were: %s", error)

    def reached(self, agent: str) -> Reached | None:
        """The budget that keeps this agent from going on: its own, or of one that it works for."""
        found = self._roster.catalog.agent(agent)
        if found is None:
            return None
        summary, itself = found
        line = [itself, *ancestors(summary.agents, itself)]
        if self._budget == Budget() and all(e.budget == Allowance() for e in line):
            return None
        now_us = self._clock.wall_us()
        session = total([_spent(each, now_us) for each in summary.agents])
        day = self._day(now_us)
        for each in line:
            family = [each, *descendants(summary.agents, each)]
            spent = total([_spent(member, now_us) for member in family])
            budget = replace(self._budget, agent=own(self._budget.agent, each.budget))
            if (used := reached(budget, spent, session, day)) is not None:
                return used
        return None

    def _day(self, now_us: int) -> Spent:
        """What all agents have used today; nothing, where no budget asks for it."""
        if self._budget.day == Cap():
            return Spent()
        everyone = [each for one in self._roster.catalog.sessions() for each in one.agents]
        return total([_today(each, now_us) for each in everyone])

    def used_up(self) -> list[tuple[str, Reached]]:
        """The agents in a turn that a budget keeps from going on."""
        running = [e.id for s in self._roster.catalog.sessions() for e in s.agents if e.turn]
        return [(each, used) for each in running if (used := self.reached(each)) is not None]

    @property
    def timed(self) -> bool:
        """Whether a turn runs whose time counts for a budget."""
        sessions = self._roster.catalog.sessions()
        caps = (self._budget.agent, self._budget.session, self._budget.day)
        everywhere = any(cap.wall_s is not None for cap in caps)
        return any(
            each.counted_us and (everywhere or _timed(session, each))
            for session in sessions
            for each in session.agents
        )


def _timed(session: SessionSummary, agent: AgentSummary) -> bool:
    line = (agent, *ancestors(session.agents, agent))
    return any(each.budget.wall_s is not None for each in line)


def _spent(agent: AgentSummary, now_us: int) -> Spent:
    return _with_turn(agent, agent.spent, now_us)


def _today(agent: AgentSummary, now_us: int) -> Spent:
    """What counts for the day of `now_us`; of a day that is over, nothing."""
    today = agent.today if agent.day == day_of(now_us) else Spent()
    return _with_turn(agent, today, now_us)


def _with_turn(agent: AgentSummary, spent: Spent, now_us: int) -> Spent:
    if not agent.counted_us:
        return spent
    return replace(spent, ran_us=spent.ran_us + max(0, now_us - agent.counted_us))
