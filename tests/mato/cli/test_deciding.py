"""`mato inbox` with its time-out, and `mato inbox --history`, as a person gives them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mato import entry
from mato.client import quick
from mato.testing.daemon import running

SCRIPT = """
[[answer]]
when = "save"
after = 0
calls = [ { name = "write", arguments = { path = "note\\u001b[31m.txt", content = "saved" } } ]

[[answer]]
when = "save"
after = 1
text = "Done."
"""


async def test_the_inbox_says_how_long_it_waits_and_the_history_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    async with running(tmp_path / "home") as daemon:

        def give() -> None:
            monkeypatch.setenv("MATO_HOME", str(daemon.home))
            monkeypatch.setenv("COLUMNS", "80")
            assert entry.run(["inbox", "--history"]) == 0
            assert capsys.readouterr().err == "nothing has been decided yet\n"
            assert entry.run(["inbox", "--history", "--json"]) == 0
            assert capsys.readouterr().out == "[]\n"

            agents = [{"model": f"scripted:{script}", "mode": "ask"}]
            wish = {"cwd": str(tmp_path), "name": "s", "task": "save it", "agents": agents}
            quick.request(daemon.paths, "session.new", wish)
            assert entry.run(["wait", "s", "--until", "blocked", "--timeout", "20"]) == 0
            capsys.readouterr()
            assert entry.run(["inbox"]) == 0
            assert "  rejected in 23h if nobody answers\n" in capsys.readouterr().out
            assert entry.run(["inbox", "--json"]) == 0
            [call] = json.loads(capsys.readouterr().out)
            assert call["rejected"] > call["asked"]

            daemon.paths.config_file.parent.mkdir(parents=True, exist_ok=True)
            daemon.paths.config_file.write_text('[permissions]\ntimeout = "never"\n')
            assert entry.run(["inbox", "--json"]) == 0
            assert json.loads(capsys.readouterr().out)[0]["rejected"] is None

            assert entry.run(["deny", call["call"]]) == 0
            capsys.readouterr()
            assert entry.run(["inbox", "--history"]) == 0
            head, row = capsys.readouterr().out.splitlines()
            assert head.split() == ["TIME", "ANSWER", "AGENT", "CALL", "WHY"]
            assert "rejected  s:coder  write note␛[31m.txt" in row
            assert row.endswith("denied by mato deny")
            assert max(len(head), len(row)) <= 80
            assert entry.run(["inbox", "--history", "--session", "s", "--json"]) == 0
            [told] = json.loads(capsys.readouterr().out)
            assert (told["call"], told["allowed"], told["by"]) == (call["call"], False, "person")
            assert told["asked"] <= told["answered"]

            assert entry.run(["inbox", "--history", "--session", "none"]) == 3
            assert entry.run(["inbox", "--session", "s"]) == 2

        await asyncio.to_thread(give)
