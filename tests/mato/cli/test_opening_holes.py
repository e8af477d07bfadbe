"""What a profile or the settings open in the sandbox is told before a start, or refused by name."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from mato.testing.daemon import running

PROFILE = """\
+++
description = "Needs more."
[sandbox]
write = ["~/.other/"]
network = ["api.example.org"]
+++
"""


def _mato(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mato", *words],
        env={**os.environ, "MATO_HOME": str(home)},
        cwd=home.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_what_a_profile_opens_is_told_before_its_agent_starts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "config/agents").mkdir(parents=True)
    (home / "config/agents/opening.md").write_text(PROFILE)
    async with running(home):
        told = await asyncio.to_thread(_mato, home, "new", "--agent", "opening", "--name", "s")
        plain = await asyncio.to_thread(_mato, home, "new", "--name", "t")
        listed = await asyncio.to_thread(_mato, home, "agents", "--json")
        events = await asyncio.to_thread(_mato, home, "log", "s", "--json")
    says = "opening reads and writes ~/.other/; reaches over the network api.example.org"
    assert told.returncode == 0 and says in told.stderr
    assert "reaches" not in plain.stderr
    [found] = [each for each in json.loads(listed.stdout) if each["name"] == "opening"]
    assert found["opens"] == says.removeprefix("opening ").split("; ")
    assert '"hole":{"network":["api.example.org"],"write":["~/.other/"]}' in events.stdout


def test_a_host_that_is_none_is_named_with_its_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "config/config.toml").write_text("[sandbox]\nnetwork = ['pypi.org', '*.org']\n")
    done = _mato(home, "new", "hello")
    [line] = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert "config.toml: 'sandbox.network': '*.org' is no exact host" in line
