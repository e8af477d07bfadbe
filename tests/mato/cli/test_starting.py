"""What `mato new` is asked for reaches the agents that it starts."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mato.cli import starting
from mato.client import quick
from mato.testing.daemon import Daemon, running


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with running(tmp_path / "home") as found:
        yield found


async def new(daemon: Daemon, folder: Path, *words: str, **env: str) -> list[dict[str, Any]]:
    """The agents of the session that `mato new words…` opens."""
    command = [sys.executable, "-m", "mato", "new", "--name", "s", *words]
    merged = {**os.environ, **daemon.env, "MATO_MODEL": "", "MATO_MODE": "", **env}
    await asyncio.to_thread(subprocess.run, command, check=True, cwd=folder, env=merged)
    listed = await asyncio.to_thread(quick.request, daemon.paths, "session.list", {})
    [session] = listed["sessions"]
    assert session["cwd"] == str(folder)
    return session["agents"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes", ["notes"]),
        ("my notes", ["my notes"]),
        ("a; rm -rf ~", ["a; rm -rf ~"]),
        ("-x", ["--", "-x"]),
        ("\u202egnp", ["s-1"]),
    ],
)
def test_the_command_that_opens_a_session_can_be_pasted(name: str, words: list[str]) -> None:
    command = starting.opening({"session": "s-1", "name": name})
    assert shlex.split(command) == ["mato", "attach", *words]


async def test_flags_go_before_profile_and_config(daemon: Daemon, tmp_path: Path) -> None:
    daemon.paths.config.mkdir(parents=True)
    daemon.paths.config_file.write_text('model = "openai/of-the-config"\nmode = "read"\n')
    words = ("--agent", "reviewer", "--agent", "coder", "--mode", "edit", "--model", "m")
    agents = await new(daemon, tmp_path, *words, "--base-url", "http://127.0.0.1:9/v1")
    assert [agent["name"] for agent in agents] == ["reviewer", "coder"]
    for agent in agents:
        assert (agent["mode"], agent["model"], agent["base_url"], agent["model_source"]) == (
            "edit", "m", "http://127.0.0.1:9/v1", "flag",
        )  # fmt: skip


async def test_without_flags_the_profile_goes_before_the_config(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.paths.config.mkdir(parents=True)
    daemon.paths.config_file.write_text('model = "openai/of-the-config"\nmode = "edit"\n')
    agents = await new(daemon, tmp_path, "--agent", "reviewer", "--agent", "coder")
    assert [agent["mode"] for agent in agents] == ["ask", "edit"]
    assert {agent["model"] for agent in agents} == {"openai/of-the-config"}


async def test_the_variables_of_the_terminal_count_and_not_those_of_the_daemon(
    daemon: Daemon, tmp_path: Path
) -> None:
    [agent] = await new(daemon, tmp_path, MATO_MODEL="openai/of-this-terminal", MATO_MODE="full")
    assert (agent["model"], agent["mode"]) == ("openai/of-this-terminal", "full")
