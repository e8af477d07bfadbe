"""`mato undo` and `mato kill --all` as a person gives them."""

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
calls = [ { name = "write", arguments = { path = "note.txt", content = "saved" } } ]

[[answer]]
when = "save"
after = 1
text = "Done."
"""


async def test_undo_shows_then_asks_and_says_what_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    note = tmp_path / "note.txt"
    async with running(tmp_path / "home") as daemon:

        def give() -> None:
            monkeypatch.setenv("MATO_HOME", str(daemon.home))
            agents = [{"model": f"scripted:{script}", "mode": "edit"}]
            wish = {"cwd": str(tmp_path), "name": "s", "task": "save it", "agents": agents}
            quick.request(daemon.paths, "session.new", wish)
            assert entry.run(["wait", "s", "--until", "ended"]) == 0
            capsys.readouterr()

            # Nobody sits at this terminal, so nothing is done unasked.
            assert entry.run(["undo", "s"]) == 0
            shown = capsys.readouterr()
            assert "-saved" in shown.out
            assert "nothing was done" in shown.err
            assert note.read_text() == "saved"

            note.write_text("by hand")
            assert entry.run(["undo", "s:coder", "--yes"]) == 1
            assert "note.txt  stays: it was changed since" in capsys.readouterr().out
            assert note.read_text() == "by hand"

            note.write_text("saved")
            assert entry.run(["undo", "s", "--yes", "--json"]) == 0
            [file] = json.loads(capsys.readouterr().out)["files"]
            assert file["state"] == "undone"
            assert not note.exists()

            assert entry.run(["undo", "s"]) == 2
            assert "nothing to undo" in capsys.readouterr().err
            assert entry.run(["undo", "s", "--turn", "none"]) == 3

            assert entry.run(["kill"]) == 2
            assert entry.run(["kill", "s", "--all"]) == 2
            assert entry.run(["kill", "--all"]) == 0
            assert capsys.readouterr().out == "ended s:coder; its record stays\n"

        await asyncio.to_thread(give)
