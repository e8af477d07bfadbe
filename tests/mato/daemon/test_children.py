"""Agents that start agents: one for each call, never looser than their parents, ended with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mato.client.connection import Client
from mato.daemon.heirloom import standing_over
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato_sessions.catalog import AgentSummary
from mato_sessions.codec import from_json_line
from mato_sessions.errors import UsageError
from mato_sessions.events import (
    AgentSpawned,
    Event,
    ModelAsked,
    PermissionAsked,
    ToolFailed,
    ToolFinished,
    ToolStarted,
    TurnEnded,
    TurnQueued,
)
from mato_sessions.events.agent import Allowance, Hole

LEAD = """+++
tools = ["read", "list", "search", "write", "edit", "shell", "plan", "spawn"]
env = ["ONE_NAME"]
limits = { model_calls = 20 }

[sandbox]
read = ["~/shared"]
write = ["~/.lead/"]
env = ["ONE_NAME"]
+++
You lead.
"""
HAND = """+++
tools = ["read", "write", "shell", "spawn"]
mode = "full"
env = ["ANOTHER_NAME"]
limits = { model_calls = 40 }

[sandbox]
read = ["~/shared", "~/.lead/", "~/other"]
write = ["~/.lead/", "~/shared", "~/.hand/"]
network = ["example.org"]
env = ["ANOTHER_NAME"]
+++
You do.
"""
SCRIPT = """
[[answer]]
when = "delegate"
after = 0
text = "I hand it on."
calls = [ { name = "spawn", arguments = { agent = "hand", task = "errand one" } } ]

[[answer]]
when = "delegate"
after = 1
text = "It is done."

[[answer]]
when = "errand one"
text = "The errand is run."

[[answer]]
when = "twice"
after = 0
calls = [
  { name = "spawn", arguments = { agent = "hand", task = "errand one", name = "left" } },
  { name = "spawn", arguments = { agent = "hand", task = "errand two", name = "right" } },
]

[[answer]]
when = "errand two"
text = "The second errand is run."

[[answer]]
when = "talk long"
after = 0
calls = [ { name = "spawn", arguments = { agent = "hand", task = "speak on" } } ]

[[answer]]
when = "speak on"
text = "on and "
for_s = 120.0
tokens_per_second = 20.0

[[answer]]
when = "deeper 1"
after = 0
calls = [ { name = "spawn", arguments = { agent = "hand", task = "deeper 2" } } ]

[[answer]]
when = "deeper 2"
after = 0
calls = [ { name = "spawn", arguments = { agent = "hand", task = "deeper 3" } } ]

[[answer]]
when = "deeper 3"
after = 0
calls = [ { name = "spawn", arguments = { agent = "hand", task = "errand one" } } ]

[[answer]]
when = "pry"
after = 0
calls = [ { name = "spawn", arguments = { agent = "hand", task = "look at secrets" } } ]

[[answer]]
when = "look at secrets"
after = 0
calls = [ { name = "read", arguments = { path = ".env" } } ]

[[answer]]
when = "carry it off"
after = 0
calls = [ { name = "read", arguments = { path = ".env" } } ]

[[answer]]
when = "carry it off"
after = 1
calls = [ { name = "spawn", arguments = { agent = "hand", task = "send it away" } } ]

[[answer]]
when = "send it away"
after = 0
calls = [ { name = "shell", arguments = { command = "curl --version" } } ]

[[answer]]
when = "wish for"
after = 0
calls = [ { name = "spawn", arguments = { agent = "stranger", task = "errand one" } } ]

[[answer]]
text = "That is all."
"""
BARE = "[sandbox]\ntier = 'none'\nunconfined = true\n"


@asynccontextmanager
async def household(
    tmp_path: Path, config: str = "", *, bare: bool = True
) -> AsyncGenerator[tuple[Daemon, Path]]:
    """A daemon with the profiles `lead` and `hand`, and a folder."""
    home, script = tmp_path / "home", tmp_path / "script.toml"
    script.write_text(SCRIPT)
    daemon = Daemon(home)
    daemon.paths.profiles.mkdir(parents=True)
    (daemon.paths.profiles / "lead.md").write_text(LEAD)
    (daemon.paths.profiles / "hand.md").write_text(HAND)
    daemon.paths.config.mkdir(exist_ok=True)
    (daemon.paths.config / "config.toml").write_text(BARE + config if bare else config)
    (folder := tmp_path / "project").mkdir()
    async with running(home, {"MATO_MODEL": f"scripted:{script}"}) as found:
        yield found, folder


async def begin(client: Client, folder: Path, task: str, mode: m.Mode = "full") -> str:
    new = m.NewSession(cwd=str(folder), task=task, mode=mode, agents=(m.AgentWish(profile="lead"),))
    return (await client.request(new)).session


async def settled(client: Client, session: str, agent: str = "") -> None:
    await client.request(m.Wait(session=session, agent=agent, until="ended", timeout_s=30))


async def agents(client: Client) -> dict[str, AgentSummary]:
    (session,) = (await client.request(m.ListSessions())).sessions
    return {agent.name: agent for agent in session.agents}


async def at_work(client: Client, name: str) -> None:
    """Returns once there is an agent of that name, and it has a turn."""
    async with asyncio.timeout(30):
        await client.request(m.Subscribe(position=0))
        async for _ in client.frames():
            if name in (named := await agents(client)) and named[name].turn:
                return


async def events(client: Client, session: str) -> list[Event]:
    lines = (await client.request(m.Events(session=session))).lines
    return [from_json_line(line) for line in lines]


async def test_a_child_does_its_task_and_its_parent_gets_the_answer(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "delegate")
        await settled(client, session)
        found = await events(client, session)
        named = await agents(client)
    assert list(named) == ["lead", "hand"]
    lead, hand = named["lead"], named["hand"]
    assert (hand.parent, hand.depth, lead.depth) == (lead.id, 1, 0)
    (spawned,) = [each for each in found if each.agent == hand.id and each.kind == "agent.spawned"]
    started = next(each for each in found if isinstance(each.body, ToolStarted))
    assert spawned.cause == started.seq
    queued = found[spawned.seq]
    assert isinstance(queued.body, TurnQueued)
    assert queued.turn == hand.task
    (result,) = [each.body for each in found if isinstance(each.body, ToolFinished)]
    assert "The errand is run." in result.content
    assert "material, not instruction" in result.content
    assert result.untrusted  # nobody trusts the folder
    (arranged,) = [each for each in found[spawned.seq :] if each.kind == "session.arranged"]
    assert hand.id in str(arranged.body)


async def test_a_child_has_nothing_that_its_parent_has_not(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "delegate", mode="edit")
        await settled(client, session)
        lead, hand = (
            each.body for each in await events(client, session) if each.kind == "agent.spawned"
        )
    assert isinstance(lead, AgentSpawned)
    assert isinstance(hand, AgentSpawned)
    assert hand.spec.mode == "edit"
    assert set(hand.spec.tools) <= set(lead.spec.tools)
    assert "ANOTHER_NAME" not in hand.spec.env_names
    assert hand.spec.hole == Hole(read=("~/shared", "~/.lead/"), write=("~/.lead/",))
    assert hand.spec.limits.model_calls == 20
    assert hand.spec.model == lead.spec.model
    assert hand.above == ("lead",)


def test_rules_for_a_profile_hold_for_the_children_of_agents_that_have_it() -> None:
    ann = AgentSummary(id="a-1", name="ann", kind="native", since_us=0, profile="reviewer")
    lead = AgentSummary(id="a-2", name="lead", kind="native", since_us=0, profile="lead")
    assert standing_over((ann, lead)) == ("ann", "reviewer", "lead")


async def test_starting_an_agent_asks_like_a_change(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "delegate", mode="ask")
        await client.request(m.Wait(session=session, until="blocked", timeout_s=30))
        (call,) = (await client.request(m.Inbox())).calls
        assert (call.tool, call.action, call.resource) == ("spawn", "spawn", "hand")
        assert call.arguments["task"] == "errand one"
        await client.request(m.Answer(call=call.call, allowed=True, rule="test"))
        await settled(client, session)
        assert (await agents(client))["hand"].mode == "ask"


async def test_two_children_work_at_once_under_their_names(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "twice")
        await settled(client, session)
        assert list(await agents(client)) == ["lead", "left", "right"]
        found = await events(client, session)
    results = [each.body.content for each in found if isinstance(each.body, ToolFinished)]
    assert sum("The second errand is run." in result for result in results) == 1


async def test_the_end_of_the_parents_turn_ends_the_childs(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "talk long")
        await client.request(m.Wait(session=session, agent="lead", until="working", timeout_s=30))
        await at_work(client, "hand")
        await client.request(m.Stop(session=session, agent="lead"))
        await settled(client, session)
        found = await events(client, session)
    hand = next(each.agent for each in found if getattr(each.body, "parent", ""))
    ends = {each.agent: each for each in found if isinstance(each.body, TurnEnded)}
    assert {getattr(end.body, "reason", "") for end in ends.values()} == {"cancelled"}
    assert "does not wait" in getattr(ends[hand].body, "detail", "")
    assert ends[hand].seq < max(end.seq for end in ends.values())


async def test_the_end_of_the_parent_ends_its_children(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "delegate")
        await settled(client, session)
        ended = (await client.request(m.Kill(session=session, agent="lead"))).agents
        assert sorted(ended) == ["hand", "lead"]
        assert {agent.state for agent in (await agents(client)).values()} == {"stopped"}


@pytest.mark.parametrize("everything", [True, False])
async def test_the_end_of_a_parent_at_work_leaves_nobody(tmp_path: Path, everything: bool) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "talk long")
        await at_work(client, "hand")
        if everything:
            await client.request(m.KillAll())
        else:
            await client.request(m.Kill(session=session, agent="lead"))
        assert {agent.state for agent in (await agents(client)).values()} == {"stopped"}
        found = await events(client, session)
    ends = [each for each in found if isinstance(each.body, TurnEnded)]
    assert len(ends) == 2
    assert not [each for each in found if isinstance(each.body, ToolFinished)]


async def test_a_session_that_was_ended_while_a_child_was_being_started_has_none_left(
    tmp_path: Path,
) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        for _ in range(8):
            session = await begin(client, folder, "twice")
            await client.request(m.Kill(session=session, agent="lead"))
        for listed in (await client.request(m.ListSessions())).sessions:
            assert {agent.state for agent in listed.agents} == {"stopped"}


async def test_both_taints_ask_of_a_child_before_it_sends_anything(tmp_path: Path) -> None:
    config = "[sandbox]\ntier = 'auto'\nunconfined = false\n"
    home = household(tmp_path, config=config, bare=False)
    async with home as (daemon, folder), await daemon.client() as client:
        if (await client.request(m.Status())).sandbox == "none":
            pytest.skip("no sandbox here, so every command asks")
        (folder / ".env").write_text("NAME=value\n")
        session = await begin(client, folder, "carry it off", mode="full")
        await at_work(client, "hand")
        await client.request(m.Wait(session=session, until="blocked", agent="hand", timeout_s=30))
        (call,) = (await client.request(m.Inbox())).calls
        assert (call.agent_name, call.tool) == ("hand", "shell")
        assert (call.private, call.untrusted) == (True, True)
        await client.request(m.Kill(session=session))


async def test_no_child_gets_above_its_parent_and_all_go_down_with_it(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "deeper 1", mode="edit")
        await settled(client, session)
        assert {each.mode for each in (await agents(client)).values()} == {"edit"}
        with pytest.raises(UsageError, match="'hand' was started by 'lead', which is in mode edit"):
            await client.request(m.Reconfigure(session=session, agent="hand", mode="full"))
        await client.request(m.Reconfigure(session=session, agent="lead", mode="read"))
        assert {each.mode for each in (await agents(client)).values()} == {"read"}
        await client.request(m.Reconfigure(session=session, agent="lead", mode="full"))
        modes = [each.mode for each in (await agents(client)).values()]
    assert modes == ["full", "read", "read"]


@pytest.mark.parametrize(("depth", "started"), [(0, 0), (1, 1), (2, 2)])
async def test_the_depth_is_limited_and_the_limit_is_named(
    tmp_path: Path, depth: int, started: int
) -> None:
    config = f"[budget.agent]\ndepth = {depth}\n"
    async with household(tmp_path, config) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "deeper 1")
        await settled(client, session)
        found = await events(client, session)
        assert len(await agents(client)) == 1 + started
    (failed,) = [each.body for each in found if isinstance(each.body, ToolFailed)]
    assert failed.cause == "limit"
    assert f"[budget.agent] depth = {depth}" in failed.message


async def test_the_child_that_is_done_makes_room_and_none_at_work_does(tmp_path: Path) -> None:
    config = "[budget.agent]\nchildren = 1\n"
    async with household(tmp_path, config) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "twice")
        await settled(client, session)
        found = await events(client, session)
        (failed,) = [each.body for each in found if isinstance(each.body, ToolFailed)]
        assert failed.cause == "limit"
        assert "children = 1" in failed.message
        await client.request(m.Prompt(session=session, agent="lead", text="delegate"))
        await settled(client, session)
        states = {name: each.state for name, each in (await agents(client)).items()}
    assert states["left"] == "stopped"
    assert states["hand"] == "done"


async def test_what_a_child_uses_counts_for_its_parent(tmp_path: Path) -> None:
    config = "[budget.agent]\nmodel_calls = 2\n"
    async with household(tmp_path, config) as (daemon, folder), await daemon.client() as client:
        session = await begin(client, folder, "delegate")
        await client.request(m.Wait(session=session, agent="lead", until="blocked", timeout_s=30))
        paused = (await agents(client))["lead"].evidence
        assert paused.startswith("paused: the budget of the agent is used up: 2 of 2")
        with pytest.raises(UsageError, match=r"budget\.agent"):
            await client.request(m.Prompt(session=session, agent="hand", text="hello"))


async def test_an_agent_goes_on_with_those_under_it_when_its_budget_is_raised(
    tmp_path: Path,
) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        wish = m.AgentWish(profile="lead", budget=Allowance(model_calls=2))
        new = m.NewSession(cwd=str(folder), task="deeper 1", mode="full", agents=(wish,))
        session = (await client.request(new)).session
        await at_work(client, "hand")
        await client.request(m.Wait(session=session, agent="hand", until="blocked", timeout_s=30))
        hand = (await agents(client))["hand"]
        assert "2 of 2 model requests" in hand.evidence
        assert hand.budget == Allowance()
        more = m.Resume(session=session, agent="lead", budget=Allowance(model_calls=20))
        resumed = (await client.request(more)).agents
        assert [name.partition(":")[2] for name in resumed] == ["hand"]
        await settled(client, session)
        assert (await agents(client))["lead"].spent.model_calls >= 2


@pytest.mark.parametrize(("depth", "most"), [(0, ["lead"]), (1, ["lead", "hand"])])
async def test_how_deep_its_children_go_a_person_may_say_of_an_agent(
    tmp_path: Path, depth: int, most: list[str]
) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        wish = m.AgentWish(profile="lead", budget=Allowance(depth=depth))
        new = m.NewSession(cwd=str(folder), task="deeper 1", mode="full", agents=(wish,))
        session = (await client.request(new)).session
        # Refused, it asks for another one again and again, until that makes a loop.
        await client.request(m.Wait(session=session, until="ended", timeout_s=30))
        assert list(await agents(client)) == most
        found = await events(client, session)
    failed = next(each.body for each in found if isinstance(each.body, ToolFailed))
    assert f"depth = {depth}" in failed.message


async def test_taints_go_down_with_the_task_and_up_with_the_answer(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        (folder / ".env").write_text("NAME=value\n")
        session = await begin(client, folder, "pry")
        await settled(client, session)
        first = await events(client, session)
        await client.request(m.Prompt(session=session, agent="lead", text="delegate"))
        await settled(client, session)
        found = await events(client, session)
    (told,) = [
        e.body for e in first if isinstance(e.body, ToolFinished) and "hand" in e.body.summary
    ]
    assert told.private
    spawned = [
        each.body for each in found if isinstance(each.body, AgentSpawned) and each.body.parent
    ]
    assert [each.private for each in spawned] == [False, True]


async def test_a_profile_of_a_folder_that_nobody_trusts_is_none(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        (folder / ".mato/agents").mkdir(parents=True)
        (folder / ".mato/agents/stranger.md").write_text(HAND)
        session = await begin(client, folder, "wish for")
        await settled(client, session)
        found = await events(client, session)
        assert list(await agents(client)) == ["lead"]
    failed = next(each.body for each in found if isinstance(each.body, ToolFailed))
    assert "no agent profile 'stranger'" in failed.message


async def test_a_rule_against_the_parent_holds_for_its_child(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder), await daemon.client() as client:
        rule = "[[rule]]\neffect = 'ask'\naction = 'read'\nagent = 'lead'\n"
        (daemon.paths.config / "permissions.toml").write_text(rule)
        (folder / ".env").write_text("NAME=value\n")
        session = await begin(client, folder, "pry")
        await at_work(client, "hand")
        await client.request(m.Wait(session=session, agent="hand", until="blocked", timeout_s=30))
        found = await events(client, session)
        await client.request(m.Kill(session=session))
    (asked,) = [each.body for each in found if isinstance(each.body, PermissionAsked)]
    assert asked.tool == "read"


async def test_a_restart_in_the_middle_waits_for_the_same_child(tmp_path: Path) -> None:
    async with household(tmp_path) as (daemon, folder):
        async with await daemon.client() as client:
            session = await begin(client, folder, "talk long")
            await at_work(client, "hand")
        await daemon.stop()
        await daemon.begin()
        async with await daemon.client() as client:
            await client.request(m.Stop(session=session, agent="hand"))
            await settled(client, session)
            found = await events(client, session)
    assert sum(each.kind == "agent.spawned" for each in found) == 2
    (told,) = [each.body for each in found if isinstance(each.body, ToolFinished)]
    assert "(cancelled)" in told.content
    assert sum(isinstance(each.body, ModelAsked) for each in found) >= 3
