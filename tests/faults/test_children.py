"""`kill -9` while agents start agents: one child for each call, and every task comes to its end."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from mato.client.connection import Client
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato.testing.invariants import Evidence, check
from mato_sessions.codec import from_json_line
from mato_sessions.events import AgentSpawned, TurnEnded
from tests.faults.killing import Ordeal, living, script

pytestmark = pytest.mark.fault

SOAK = bool(os.environ.get("MATO_SOAK"))
ROUNDS = 4
BLOCKS = 60 if SOAK else 1
SLOW = """
[[answer]]
when = "hand it on"
after = 0
calls = [ { name = "spawn", arguments = { agent = "coder", task = "speak on" } } ]

[[answer]]
when = "speak on"
text = "on and "
for_s = 120.0
tokens_per_second = 20.0

[[answer]]
text = "That is all."
"""


@asynccontextmanager
async def bare(tmp_path: Path, model: str, module: str = "mato.daemon") -> AsyncGenerator[Daemon]:
    """A daemon whose commands run without a sandbox: the log of effects is outside of it."""
    suffix = "json" if model.startswith("{") else "toml"
    (answers := tmp_path / f"model.{suffix}").write_text(model)
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "config/config.toml").write_text("[sandbox]\ntier = 'none'\nunconfined = true\n")
    env = {"MATO_MODEL": f"scripted:{answers}", "PYTHONPATH": str(Path(__file__).parents[2])}
    async with running(home, env, module) as daemon:
        yield daemon


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_a_kill_at_any_instant_starts_no_child_twice_and_loses_none(
    tmp_path: Path, block: int
) -> None:
    seed = 7_000 + block
    print(f"seed {seed}")
    chance, log = Random(seed), tmp_path / "effects.log"
    left = f"{32_000_000 + seed}.{os.getpid()}"
    async with bare(tmp_path, script(chance, log, left, spawns=True)) as daemon:
        ordeal = Ordeal(daemon, chance, tmp_path, log, "lead")
        for _ in range(ROUNDS):
            await ordeal.round()
    assert not living(daemon.home, left)
    assert not ordeal.open_turns()
    children = [e for e in ordeal.events() if isinstance(e.body, AgentSpawned) and e.body.parent]
    assert children
    assert not check(ordeal.evidence())


async def handing_on(client: Client, folder: Path) -> str:
    """A session whose agent has started another one, which is at work."""
    wish = m.AgentWish(profile="lead")
    new = m.NewSession(cwd=str(folder), mode="full", agents=(wish,), task="hand it on")
    session = (await client.request(new)).session
    await client.request(m.Subscribe(sessions={session: 0}))
    async for _ in client.frames():
        listed = (await client.request(m.ListSessions())).sessions[0].agents
        if len(listed) == 2 and listed[1].turn:
            break
    return session


@pytest.mark.parametrize("module", ["mato.daemon", "tests.faults.forgetful"])
async def test_a_daemon_that_forgets_its_calls_is_found(tmp_path: Path, module: str) -> None:
    async with bare(tmp_path, SLOW) as daemon:
        async with await daemon.client() as client:
            session = await handing_on(client, tmp_path)
        await daemon.kill()
        daemon.module = module
        await daemon.begin()
        async with await daemon.client() as client:
            await client.request(m.Subscribe(sessions={session: 0}))
            children = 2 if module == "mato.daemon" else 3
            async for _ in client.frames():
                listed = (await client.request(m.ListSessions())).sessions[0].agents
                if len(listed) == children and all(each.turn for each in listed):
                    break
            await client.request(m.Kill(session=session))
    broken = check(Evidence(journal=daemon.paths.journal))
    if module == "mato.daemon":
        assert not broken
    else:
        assert any("a second agent" in sentence for sentence in broken)


@pytest.mark.parametrize("word", ["stop", "kill"])
async def test_what_was_left_behind_is_ended_by_the_next_daemon(tmp_path: Path, word: str) -> None:
    async with bare(tmp_path, SLOW, "tests.faults.negligent") as daemon:
        async with await daemon.client() as client:
            session = await handing_on(client, tmp_path)
            if word == "stop":
                await client.request(m.Stop(session=session, agent="lead"))
            else:
                await client.request(m.Kill(session=session, agent="lead"))
            listed = (await client.request(m.ListSessions())).sessions[0].agents
            assert listed[1].turn, "it was to be left behind"
        await daemon.kill()
        daemon.module = "mato.daemon"
        await daemon.begin()
        async with await daemon.client() as client:
            await client.request(
                m.Wait(session=session, agent="coder", until="ended", timeout_s=30)
            )
            lead, child = (await client.request(m.ListSessions())).sessions[0].agents
            lines = (await client.request(m.Events(session=session))).lines
    events = [from_json_line(line) for line in lines]
    (end,) = [e.body for e in events if isinstance(e.body, TurnEnded) and e.agent == child.id]
    assert isinstance(end, TurnEnded)
    assert end.reason == "cancelled"
    assert child.turn is None
    assert (lead.state == child.state == "stopped") is (word == "kill")
