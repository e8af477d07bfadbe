"""`mato wait` says how a turn ended, and nothing of one that goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mato.cli import requests
from mato.client import quick
from mato.testing.daemon import running

SCRIPT = """
[[answer]]
text = "Hello."

[[answer]]
when = "write"
calls = [ { name = "write", arguments = { path = "pears.txt", content = "conference" } } ]
"""


async def test_the_reason_of_an_earlier_turn_is_not_told_of_the_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)

    async with running(tmp_path / "home") as daemon:

        def ask() -> None:
            monkeypatch.setenv("MATO_HOME", str(daemon.home))
            agents = [{"model": f"scripted:{script}"}]
            wish = {"cwd": str(tmp_path), "name": "s", "task": "hello", "agents": agents}
            [first] = quick.request(daemon.paths, "session.new", wish)["turns"]
            requests.wait("s", "ended")
            requests.send("s", "write it")
            requests.wait("s", "blocked")
            requests.wait("s", "ended", first)

        await asyncio.to_thread(ask)
    ended, _, blocked, of_the_first = capsys.readouterr().out.splitlines()
    assert ended == "coder  done  end_turn"
    assert blocked == "coder  blocked"
    assert of_the_first == "coder  blocked  end_turn"
