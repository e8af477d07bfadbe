"""Budgets: a used-up one ends the turn with a reason that names it, and nothing begins after it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from mato.config.budget import Budget, Cap, reached
from mato.daemon.budgets import Budgets
from mato.daemon.roster import Roster
from mato.protocol import methods as m
from mato.testing.daemon import running
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.clock import ManualClock
from mato_sessions.codec import from_json_line
from mato_sessions.errors import UsageError
from mato_sessions.events import TurnEnded
from mato_sessions.spending import Spent, day_of

LOOKS = """
[[answer]]
when = "look"
calls = [ { name = "read", arguments = { path = "readme.md" } } ]

[[answer]]
when = "hello"
text = "Hello."
"""


@pytest.mark.parametrize(
    ("cap", "spent", "reason"),
    [
        (Cap(cost_usd=1.0), Spent(cost_usd=1.0), "cost_limit"),
        (Cap(tokens=10), Spent(tokens=11), "token_limit"),
        (Cap(model_calls=2), Spent(model_calls=2), "max_turn_requests"),
        (Cap(wall_s=1.5), Spent(ran_us=1_500_000), "time_limit"),
        (Cap(cost_usd=1.0, tokens=10), Spent(cost_usd=0.99, tokens=9), None),
        (Cap(), Spent(10.0**6, 10**9, 10**6, 10**12), None),
    ],
)
def test_each_sort_of_budget_is_reached_by_its_own_measure(
    cap: Cap, spent: Spent, reason: str | None
) -> None:
    for whose in ("agent", "session", "day"):
        budget = msgspec.convert({whose: msgspec.to_builtins(cap)}, Budget)
        amounts = {"agent": Spent(), "session": Spent(), "day": Spent(), whose: spent}
        found = reached(budget, **amounts)
        assert (found.reason if found else None) == reason
        assert found is None or f"[budget.{whose}]" in found.detail


async def test_a_day_is_over_at_midnight() -> None:
    late_us = int(datetime(2026, 3, 1, 23, 59, 59).timestamp()) * 1_000_000
    roster = Roster()
    agent = AgentSummary(id="a", name="coder", kind="native", since_us=0)
    agent.day, agent.today = day_of(late_us), Spent(tokens=10)
    session = SessionSummary(id="s", created_us=0, last_us=0, agents=[agent])
    roster.catalog.restore(msgspec.json.encode({"sessions": {"s": session}}))
    clock = ManualClock(wall_us=late_us)

    async def read() -> Budget:
        return Budget(day=Cap(tokens=10))

    budgets = Budgets(roster, clock, read)
    await budgets.refresh()
    assert budgets.reached("a") is not None
    clock.advance(1_000_000)
    assert budgets.reached("a") is None


async def test_a_used_up_budget_ends_the_turn_and_lets_no_other_begin_until_it_is_raised(
    tmp_path: Path, folder: Path
) -> None:
    script = tmp_path / "script.toml"
    script.write_text(LOOKS)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as daemon:
        config = daemon.paths.config_file
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("[budget.session]\nmodel_calls = 2\n")
        async with await daemon.client() as client:
            new = await client.request(m.NewSession(cwd=str(folder), task="look", mode="read"))
            await client.request(m.Wait(session=new.session, until="ended", timeout_s=20))
            lines = (await client.request(m.Events(session=new.session))).lines
            bodies = [from_json_line(line.encode()).body for line in lines]
            (ended,) = [body for body in bodies if isinstance(body, TurnEnded)]
            assert ended.reason == "max_turn_requests"
            assert "the budget of the session is used up" in ended.detail
            with pytest.raises(UsageError, match="budget of the session is used up"):
                await client.request(m.Prompt(session=new.session, text="hello"))

            config.write_text("[budget.session]\nmodel_calls = 20\n")
            turn = (await client.request(m.Prompt(session=new.session, text="hello"))).turn
            waited = await client.request(
                m.Wait(session=new.session, turn=turn, until="ended", timeout_s=20)
            )
            assert waited.reasons == {"coder": "end_turn"}
