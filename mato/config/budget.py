"""Budgets: what an agent, a session and a day may cost, and whether that is used up."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec.structs import replace

from mato_sessions.events.agent import Allowance
from mato_sessions.events.turn import StopReason
from mato_sessions.spending import Spent

_Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000_000)]
_Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000_000)]


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[budget.agent], [budget.session], [budget.day]; None: as much as it takes."""

    cost_usd: _Amount | None = None
    """Models whose price is not known count as nothing here."""
    tokens: _Count | None = None
    """Input + output."""
    model_calls: _Count | None = None
    wall_s: _Amount | None = None
    """Of turns from their start to their end, waiting for an answer counted, pauses not."""


class AgentCap(Cap, frozen=True, forbid_unknown_fields=True):
    """[budget.agent]; what the agents that it starts use counts for it too."""

    depth: Annotated[int, msgspec.Meta(ge=0, le=8)] = 2
    """How many agents may stand between an agent and a person. 0: agents start no others."""
    children: Annotated[int, msgspec.Meta(ge=1, le=32)] = 4
    """Agents that one may have started and that have not ended."""


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[budget]"""

    agent: AgentCap = AgentCap()
    """Over the whole life of an agent."""
    session: Cap = Cap()
    """All agents of a session together."""
    day: Cap = Cap()
    """All sessions together, from midnight to midnight (local time)."""


class Reached(msgspec.Struct, frozen=True):
    """A budget that is used up."""

    reason: StopReason
    detail: str
    """One sentence for a person that names the budget."""


def own(cap: AgentCap, allowed: Allowance) -> AgentCap:
    """What holds for one agent: what a person said of it goes before what is said of all."""
    said = {
        name: amount
        for name in allowed.__struct_fields__
        if (amount := getattr(allowed, name)) is not None
    }
    return replace(cap, **said)


def total(amounts: list[Spent]) -> Spent:
    """The sum."""
    return Spent(
        cost_usd=sum(each.cost_usd for each in amounts),
        tokens=sum(each.tokens for each in amounts),
        model_calls=sum(each.model_calls for each in amounts),
        ran_us=sum(each.ran_us for each in amounts),
    )


def reached(budget: Budget, agent: Spent, session: Spent, day: Spent) -> Reached | None:
    """The first budget that is used up, the agent's before the session's before the day's."""
    for whose, cap, spent in (
        ("agent", budget.agent, agent),
        ("session", budget.session, session),
        ("day", budget.day, day),
    ):
        if (found := _over(cap, spent)) is not None:
            reason, said = found
            more = {"agent": ", or `mato resume --budget`", "day": ", or wait for tomorrow"}
            return Reached(
                reason,
                f"the budget of the {whose} is used up: {said}; raise [budget.{whose}] in "
                f"config.toml{more.get(whose, '')}",
            )
    return None


def _over(cap: Cap, spent: Spent) -> tuple[StopReason, str] | None:
    if cap.cost_usd is not None and spent.cost_usd >= cap.cost_usd:
        return "cost_limit", f"{spent.cost_usd:.4f} of {cap.cost_usd:g} USD"
    if cap.tokens is not None and spent.tokens >= cap.tokens:
        return "token_limit", f"{spent.tokens} of {cap.tokens} tokens"
    if cap.model_calls is not None and spent.model_calls >= cap.model_calls:
        return "max_turn_requests", f"{spent.model_calls} of {cap.model_calls} model requests"
    if cap.wall_s is not None and spent.ran_us >= cap.wall_s * 1_000_000:
        return "time_limit", f"{spent.ran_us / 1e6:.0f} of {cap.wall_s:g} s"
    return None
