"""A person's machine: a home of its own, a project folder, the `mato` command and terminals."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.journeys.terminal import Terminal

COMMAND = (sys.executable, "-m", "mato")


class Machine:
    """Runs `mato` as a person or a script would, in `project`, with everything under `home`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.home = top / "home"
        self.project = top / "orchard"
        self.project.mkdir()
        (self.home / "config").mkdir(parents=True)
        self.env = {
            "MATO_HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "HOME": str(top),
            "LC_ALL": "C.UTF-8",
            "COLORTERM": "truecolor",
        }
        self.terminals: list[Terminal] = []

    def script(self, text: str, **settings: str) -> None:
        """Let all agents answer by a script (`mato.models.scripted` tells its format)."""
        script = self.top / "script.toml"
        script.write_text(text)
        lines = [f'model = "scripted:{script}"', *(f'{k} = "{v}"' for k, v in settings.items())]
        (self.home / "config" / "config.toml").write_text("\n".join(lines) + "\n")

    def run(self, *arguments: str, code: int = 0, text: str = "", patience_s: float = 90.0) -> str:
        """stdout of one command, which must exit with `code`."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=self.env,
            cwd=self.project,
            timeout=patience_s,
            input=text,
            check=False,
        )
        assert done.returncode == code, (
            f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        return json.loads(self.run(*arguments, "--json"))

    def events(self, session: str) -> list[dict[str, Any]]:
        """The journal of a session, as `mato log --json` prints it."""
        return [json.loads(line) for line in self.run("log", session, "--json").splitlines()]

    def until(self, session: str, kind: str) -> None:
        """Returns once an event of that kind is in the session's journal."""
        following = subprocess.Popen(
            [*COMMAND, "log", session, "--json", "--follow"],
            stdout=subprocess.PIPE,
            text=True,
            env=self.env,
            cwd=self.project,
        )
        with following:
            lines = following.stdout or ()
            found = any(json.loads(line)["kind"] == kind for line in lines)
            following.terminate()
        assert found, f"the log ended without {kind}"

    def open(
        self,
        *arguments: str,
        size: tuple[int, int] = (100, 30),
        inside_tmux: bool = False,
    ) -> Terminal:
        """A terminal that runs `mato arguments…`."""
        terminal = Terminal(
            self.project, [*COMMAND, *arguments], self.env, size, inside_tmux=inside_tmux
        )
        self.terminals.append(terminal)
        return terminal

    def daemon_pid(self) -> int:
        """Of the daemon that runs."""
        return int(self.json("daemon", "status")["pid"])

    def processes(self) -> list[psutil.Process]:
        """Every living process that belongs to this machine, by its MATO_HOME."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("MATO_HOME") == str(self.home):
                    found.append(process)
            except psutil.Error:
                continue
        return [p for p in found if p.status() != psutil.STATUS_ZOMBIE]

    def close(self) -> None:
        """End terminals and daemon; nothing may be left running."""
        with contextlib.ExitStack() as closing:
            for terminal in self.terminals:
                closing.callback(terminal.close)
        self.run("daemon", "stop")
        _, alive = psutil.wait_procs(self.processes(), timeout=10)
        assert not alive, f"left running: {alive}"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    try:
        yield machine
    finally:
        machine.close()


def kinds(events: Sequence[dict[str, Any]]) -> list[str]:
    """The kinds of events, in their order."""
    return [event["kind"] for event in events]
