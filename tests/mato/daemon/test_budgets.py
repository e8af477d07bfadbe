"""Budgets: a used-up one pauses the agent with a reason that names it, until it is raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from mato.client.connection import Client
from mato.client.feed import Arrived, Feed
from mato.config.budget import Budget, Cap, reached
from mato.daemon.budgets import Budgets
from mato.daemon.roster import Roster
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.clock import ManualClock
from mato_sessions.codec import from_json_line
from mato_sessions.errors import UsageError
from mato_sessions.events import ModelAsked
from mato_sessions.events.agent import Allowance
from mato_sessions.spending import Spent, day_of

LOOKS = """
[[answer]]
when = "dear"
text = "a b c d"
tokens_per_second = 20.0
usage = { input = 100, output = 20, cost_usd = 0.015 }
calls = [ { name = "read", arguments = { path = "readme.md" } } ]

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


@asynccontextmanager
async def _daemon(tmp_path: Path, config: str = "") -> AsyncGenerator[tuple[Daemon, Client]]:
    script = tmp_path / "script.toml"
    script.write_text(LOOKS)
    path = tmp_path / "home/config/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(config)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as daemon:
        assert daemon.paths.config_file == path
        async with await daemon.client() as client:
            yield daemon, client


async def _new(client: Client, folder: Path, task: str, *wishes: m.AgentWish) -> str:
    new = m.NewSession(cwd=str(folder), task=task, mode="read", agents=wishes or (m.AgentWish(),))
    return (await client.request(new)).session


async def _blocked(client: Client, session: str, agent: str = "coder") -> AgentSummary:
    wait = m.Wait(session=session, agent=agent, until="blocked", timeout_s=20)
    await client.request(wait)
    sessions = (await client.request(m.ListSessions())).sessions
    [found] = [a for s in sessions for a in s.agents if s.id == session and a.name == agent]
    return found


async def _requests(client: Client, session: str) -> int:
    lines = (await client.request(m.Events(session=session))).lines
    return sum(isinstance(from_json_line(line.encode()).body, ModelAsked) for line in lines)


@pytest.mark.parametrize("whose", ["agent", "session", "day"])
async def test_a_used_up_budget_pauses_until_it_is_raised(
    tmp_path: Path, folder: Path, whose: str
) -> None:
    config = f"[budget.{whose}]\nmodel_calls = 2\n"
    async with _daemon(tmp_path, config) as (daemon, client):
        session = await _new(client, folder, "look")
        agent = await _blocked(client, session)
        said = f"the budget of the {whose} is used up: 2 of 2 model requests"
        assert agent.evidence.startswith(f"paused: {said}")
        assert await _requests(client, session) == 2
        with pytest.raises(UsageError, match=said):
            await client.request(m.Prompt(session=session, text="hello"))
        with pytest.raises(UsageError, match=f"stays paused: {said}"):
            await client.request(m.Resume(session=session))
        if whose == "day":  # of all sessions: another one does not even begin
            with pytest.raises(UsageError, match=said):
                await _new(client, folder, "hello")

        daemon.paths.config_file.write_text(config.replace("2", "3"))
        resumed = await client.request(m.Resume(session=session))
        assert len(resumed.agents) == 1
        await _until_requests(daemon, session, 3)
        assert "3 of 3" in (await _blocked(client, session)).evidence
        await client.request(m.Stop(session=session))
        daemon.paths.config_file.write_text("")
        turn = (await client.request(m.Prompt(session=session, text="hello"))).turn
        waited = await client.request(
            m.Wait(session=session, turn=turn, until="ended", timeout_s=20)
        )
        assert waited.reasons == {"coder": "end_turn"}


async def _until_requests(daemon: Daemon, session: str, count: int) -> None:
    feed = Feed(daemon.paths, sessions={session: 0}, client="test")
    async with asyncio.timeout(20), aclosing(feed.news()) as news:
        async for new in news:
            if isinstance(new, Arrived):
                count -= sum(isinstance(event.body, ModelAsked) for event in new.events)
            if count <= 0:
                return


async def test_what_a_person_says_of_an_agent_goes_before_the_settings_and_outlives_the_daemon(
    tmp_path: Path, folder: Path
) -> None:
    async with _daemon(tmp_path, "[budget.agent]\nmodel_calls = 2\n") as (daemon, client):
        # Looser for one, tighter for the other, and nothing for the third.
        wishes = [m.AgentWish(name=n, budget=b) for n, b in _SAID.items()]
        session = await _new(client, folder, "look", *wishes)
        for name, calls in (("loose", 4), ("tight", 1), ("plain", 2)):
            agent = await _blocked(client, session, name)
            assert f"{calls} of {calls} model requests" in agent.evidence
        more = m.Resume(session=session, agent="tight", budget=Allowance(model_calls=3))
        assert len((await client.request(more)).agents) == 1
        await _until_requests(daemon, session, 9)
        assert "3 of 3" in (await _blocked(client, session, "tight")).evidence
        with pytest.raises(UsageError, match="name it"):
            await client.request(m.Resume(budget=Allowance(tokens=1)))

        await daemon.stop()
        await daemon.begin()
        async with await daemon.client() as again:
            for name, calls in (("loose", 4), ("tight", 3), ("plain", 2)):
                agent = await _blocked(again, session, name)
                assert f"{calls} of {calls} model requests" in agent.evidence
            assert await _requests(again, session) == 9


_SAID = {
    "loose": Allowance(model_calls=4),
    "tight": Allowance(model_calls=1),
    "plain": Allowance(),
}


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Allowance(tokens=1), "of 1 tokens"),
        (Allowance(cost_usd=0.02), "0.0300 of 0.02 USD"),
        (Allowance(wall_s=0.4), "of 0.4 s"),
    ],
)
async def test_each_measure_pauses_an_agent(
    tmp_path: Path, folder: Path, budget: Allowance, said: str
) -> None:
    async with _daemon(tmp_path) as (_, client):
        session = await _new(client, folder, "dear", m.AgentWish(budget=budget))
        agent = await _blocked(client, session)
        assert said in agent.evidence
        # A pause is not paid for: it goes on as soon as there is a little more.
        spent = agent.spent
        assert agent.counted_us == 0
        assert (await _blocked(client, session)).spent == spent
