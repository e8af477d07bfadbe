"""A real daemon with a silent model and a command that does not end: it serves on, and stops."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from mato.client.connection import Client
from mato.processes import tree
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato.testing.invariants import Evidence, check
from mato_sessions.codec import unpack

pytestmark = pytest.mark.fault

STOP_S = 2.0
"""What a stop may take."""
SLACK_S = 3.0
"""For a machine that is busy."""
SCRIPT = """
[[answer]]
when = "say nothing"
stall_after = 0

[[answer]]
when = "fall silent"
text = "one two three four"
stall_after = 2

[[answer]]
when = "run on"
after = 0
calls = [ { name = "shell", arguments = { command = "trap '' TERM; sleep 9m & echo; sleep 9m" } } ]

[[answer]]
when = "hello"
text = "Hello."
"""
REACHED = {
    "say nothing": "model.asked",
    "fall silent": "text.streamed",
    "run on": "tool.output_streamed",
}
"""What is journaled of each when it is stuck."""


async def _begin(daemon: Daemon, client: Client, folder: Path) -> None:
    """A session for each way of being stuck, each of them stuck by now."""
    for task, kind in REACHED.items():
        wish = m.NewSession(cwd=str(folder), name=_name(task), task=task, mode="full")
        new = await client.request(wish)
        async with await daemon.client() as watching, asyncio.timeout(20):
            await watching.request(m.Subscribe(sessions={new.session: 0}))
            async for frame in watching.frames():
                if kind in {unpack(raw).kind for raw in frame.events}:
                    break


def _name(task: str) -> str:
    return task.replace(" ", "-")


async def _greet(client: Client, folder: Path) -> None:
    """Another agent is asked something and answers."""
    await client.request(m.NewSession(cwd=str(folder), name="beside", task="hello"))
    await client.request(m.Wait(session="beside", until="done", timeout_s=20))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    return {"MATO_MODEL": f"scripted:{script}"}


async def test_stuck_agents_hold_nobody_and_stop_at_once(
    tmp_path: Path, folder: Path, env: dict[str, str]
) -> None:
    async with running(tmp_path / "home", env) as daemon, await daemon.client() as client:
        await _begin(daemon, client, folder)
        await _greet(client, folder)
        for task in REACHED:
            before = time.monotonic()
            await client.request(m.Stop(session=_name(task)))
            assert time.monotonic() - before < STOP_S + SLACK_S
            reached = await client.request(m.Wait(session=_name(task), until="ended", timeout_s=5))
            assert set(reached.reasons.values()) == {"cancelled"}
        assert [process for process in tree(daemon.pid) if process.pid != daemon.pid] == []
    assert check(Evidence(journal=daemon.paths.journal)) == []


async def test_a_daemon_with_stuck_agents_ends_in_good_order(
    tmp_path: Path, folder: Path, env: dict[str, str]
) -> None:
    async with running(tmp_path / "home", env) as daemon:
        async with await daemon.client() as client:
            await _begin(daemon, client, folder)
        children = [process.pid for process in tree(daemon.pid)]
        before = time.monotonic()
        await daemon.stop()
        assert time.monotonic() - before < STOP_S + 2 * SLACK_S
        assert len(children) > 1
        assert [pid for pid in children if tree(pid)] == []
    assert check(Evidence(journal=daemon.paths.journal)) == []
