"""`kill --all`: every process of every agent is gone within a second, and the record stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mato.client.killing import insist
from mato.processes import identity
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running

LIMIT_S = 1.0
AGENTS = 8
SCRIPT = """
[[answer]]
when = "stay"
calls = [ { name = "shell", arguments = { command = "bash stay.sh" } } ]

[[answer]]
when = "hello"
text = "Hello."
"""
STUBBORN = """
[ "$1" ] || exec bash stay.sh "$PWD"
trap '' TERM HUP INT
stay='trap "" TERM HUP INT; mktemp up-XXXXXX; while :; do sleep 1; done'
setsid bash -c "$stay" "$PWD" &
nohup bash -c "( $stay ) & exit" "$PWD" >/dev/null 2>&1
loop='while :; do sleep 1; done'
setsid bash -c "setsid bash -c '( mktemp up-XXXXXX; $loop ) &' again '$PWD'" "$PWD"
forks='trap "" TERM; mktemp up-XXXXXX; for ((;;)) do sleep 0.05 & wait $!; done'
( env -i PATH="$PATH" bash -c "$forks" "$PWD" & )
mktemp up-XXXXXX
while :; do sleep 1; done
"""
"""Each of its shells has the folder in its command line: numbers are others in a sandbox."""
SHELLS = 5
"""Set apart, orphaned, forked twice, without environment and ever forking, and the first."""
BARE = "[sandbox]\ntier = 'none'\nunconfined = true\n"


@pytest.fixture(params=["", BARE], ids=["sandboxed", "bare"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Daemon]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    (tmp_path / "home/config").mkdir(parents=True)
    (tmp_path / "home/config/config.toml").write_text(request.param)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as found:
        yield found


async def _pids(folder: Path, count: int) -> list[int]:
    """The processes of all commands, when as many shells have said that they are up."""
    await asyncio.to_thread(_until_up, folder, count)
    return await asyncio.to_thread(_running, folder)


def _until_up(folder: Path, count: int) -> None:
    end = time.monotonic() + 30
    while len(list(folder.glob("up-*"))) < count:
        assert time.monotonic() < end, "not all commands have begun"
        time.sleep(0.02)


def _running(folder: Path) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def _alive(pid: int) -> bool:
    found = identity(pid)
    return found is not None and found.alive


def _gone_after_s(pids: list[int], begun: float) -> float:
    while any(map(_alive, pids)) and time.monotonic() - begun < 20:
        time.sleep(0.01)
    return time.monotonic() - begun


async def test_stubborn_trees_of_all_agents_are_gone_in_a_second(
    home: Daemon, folder: Path
) -> None:
    async with await home.client() as client:
        wishes = tuple(m.AgentWish() for _ in range(AGENTS))
        (folder / "stay.sh").write_text(STUBBORN)
        new = await client.request(
            m.NewSession(cwd=str(folder), task="stay", mode="full", agents=wishes)
        )
        idle = await client.request(m.NewSession(cwd=str(folder), mode="full"))
        pids = await _pids(folder, SHELLS * AGENTS)
        assert len(pids) >= SHELLS * AGENTS

        killing = asyncio.ensure_future(client.request(m.KillAll()))
        begun = time.monotonic()
        took_s = await asyncio.to_thread(_gone_after_s, pids, begun)
        result = await killing
        assert await asyncio.to_thread(_running, folder) == []
        # A machine that does something else as well is given three times as long.
        assert took_s <= LIMIT_S * (1 if os.environ.get("MATO_SOAK") else 3), took_s
        assert len(result.agents) == AGENTS + 1
        assert result.left == ()

        sessions = (await client.request(m.ListSessions())).sessions
        states = {agent.state for session in sessions for agent in session.agents}
        assert states == {"stopped"}
        assert {session.id for session in sessions} == {new.session, idle.session}
        assert (await client.request(m.KillAll())).agents == ()

        # A person begins anew, and that is all it takes.
        again = await client.request(m.NewSession(cwd=str(folder), task="hello"))
        waited = await client.request(m.Wait(session=again.session, until="ended", timeout_s=20))
        assert waited.reasons == {"coder": "end_turn"}


async def test_a_daemon_that_does_not_come_to_it_hinders_nothing(
    home: Daemon, folder: Path
) -> None:
    (folder / "stay.sh").write_text(STUBBORN)
    async with await home.client() as client:
        await client.request(m.NewSession(cwd=str(folder), task="stay", mode="full"))
        pids = await _pids(folder, SHELLS)
        # Its loop answers nobody: as if a heavy request held it, or worse.
        os.kill(home.pid, signal.SIGSTOP)
        try:
            command = [sys.executable, "-m", "mato", "kill", "--all"]
            killing = await asyncio.create_subprocess_exec(
                *command, env=home.env, stdout=asyncio.subprocess.PIPE
            )
            begun = time.monotonic()
            took_s = await asyncio.to_thread(_gone_after_s, pids, begun)
            assert killing.returncode is None, "the daemon has answered"
        finally:
            os.kill(home.pid, signal.SIGCONT)
        said, _ = await killing.communicate()
        # The start of Python is in it.
        assert took_s <= LIMIT_S * (1.5 if os.environ.get("MATO_SOAK") else 4), took_s
        assert b":coder; its record stays" in said
        assert killing.returncode == 0
        assert await asyncio.to_thread(_running, folder) == []


async def test_the_workspace_ends_them_as_well(home: Daemon, folder: Path) -> None:
    (folder / "stay.sh").write_text(STUBBORN)
    async with await home.client() as client:
        await client.request(m.NewSession(cwd=str(folder), task="stay", mode="full"))
        pids = await _pids(folder, SHELLS)
        os.kill(home.pid, signal.SIGSTOP)
        try:
            async with asyncio.TaskGroup() as group:
                answer = insist(home.paths, client.request(m.KillAll()))
                killing = group.create_task(answer)
                took_s = await asyncio.to_thread(_gone_after_s, pids, time.monotonic())
                assert not killing.done()
                os.kill(home.pid, signal.SIGCONT)
        finally:
            os.kill(home.pid, signal.SIGCONT)
        assert took_s <= LIMIT_S * (1 if os.environ.get("MATO_SOAK") else 3), took_s
        assert len(killing.result().agents) == 1
