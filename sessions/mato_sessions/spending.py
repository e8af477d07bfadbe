"""What an agent has used, in all and on its newest day: what budgets are held against."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec


class Spent(msgspec.Struct):
    """What an agent has used, for budgets."""

    cost_usd: float = 0.0
    tokens: int = 0
    model_calls: int = 0
    ran_us: int = 0
    """Of turns, up to where it was last counted; while an agent is paused no time counts."""


class Spender(Protocol):
    """What amounts are added to."""

    spent: Spent
    today: Spent
    day: int
    counted_us: int
    """Since when the time of a turn counts, wall clock; 0: it does not count now."""


def day_of(at_us: int) -> int:
    """The number of the local day in which a moment of the wall clock lies."""
    return datetime.fromtimestamp(at_us // 1_000_000).toordinal()


def spend(
    agent: Spender,
    at_us: int,
    tokens: int = 0,
    cost_usd: float = 0.0,
    model_calls: int = 0,
    ran_us: int = 0,
) -> None:
    """Add to both amounts; the first of a day begins a new one."""
    if agent.day != (day := day_of(at_us)):
        agent.day, agent.today = day, Spent()
    for spent in (agent.spent, agent.today):
        spent.tokens += tokens
        spent.cost_usd += cost_usd
        spent.model_calls += model_calls
        spent.ran_us += ran_us


def clock(agent: Spender, at_us: int, counts: bool) -> None:
    """Let time count from now on, or up to now."""
    if counts and not agent.counted_us:
        agent.counted_us = at_us
    elif not counts and agent.counted_us:
        spend(agent, at_us, ran_us=max(0, at_us - agent.counted_us))
        agent.counted_us = 0
