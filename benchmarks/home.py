"""A Mato of the benchmark's own: an empty home, a daemon, scripted agents; gone afterwards."""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mato.client import quick
from mato.client.start import start
from mato.config.paths import find
from mato_sessions.errors import DaemonError

BIN = Path(sys.executable).parent
SIZE_WIDE = (200, 60)
END_S = 15.0
NAMES = (
    "ada", "bela", "cleo", "dora", "edda", "finn", "gwen", "hugo",
    "iris", "jona", "kurt", "lena", "moss", "nora", "otto", "pina",
)  # fmt: skip
"""Of the agents, in the order of their panes."""

_DROPPED = ("PYTHON", "MATO_", "TMUX", "NO_COLOR", "COLUMNS", "LINES", "COVERAGE", "TEXTUAL")


def environment(home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every measured program gets: the same, whatever this process was started with.

    Above all without PYTHONDONTWRITEBYTECODE: with it every start would compile anew.
    """
    base = os.environ if base is None else base
    kept = {
        name: value
        for name, value in base.items()
        if not name.startswith(_DROPPED) and not name.endswith("_API_KEY")
    }
    return kept | {
        "HOME": str(home),
        "MATO_HOME": str(home / "mato"),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
    }


class Home:
    """A home with a running daemon."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        """For programs that should find this daemon."""
        self.paths = find(env)
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.pid = 0
        """Of the daemon."""

    def request(self, method: str, timeout_s: float = 60.0, **params: object) -> dict[str, Any]:
        """The daemon's answer."""
        return quick.request(self.paths, method, params, start=False, timeout_s=timeout_s)

    def script(self, name: str, text: str) -> str:
        """Keep a model's script (see `mato.models.scripted`); returns its name as a model."""
        file = self.folder / f"{name}.toml"
        file.write_text(text)
        return f"scripted:{file}"

    def session(self, name: str, agents: int, model: str, task: str = "") -> str:
        """A session with so many agents called `NAMES`; returns its id."""
        wishes = [{"profile": "reader", "name": each, "model": model} for each in NAMES[:agents]]
        made = self.request(
            "session.new", cwd=str(self.workspace), name=name, task=task, agents=wishes
        )
        return made["session"]

    def wait(self, session: str, until: str) -> None:
        """Wait until every agent of a session is in a state (or has `ended` its turn)."""
        self.request("agent.wait", session=session, until=until, timeout_s=60.0)


@contextmanager
def running() -> Generator[Home]:
    """A home whose daemon serves; afterwards daemon and home are gone."""
    with tempfile.TemporaryDirectory(prefix="mato-bench-") as folder:
        home = Home(Path(folder), environment(Path(folder)))
        start(home.paths, home.env)
        try:
            home.pid = int(home.request("daemon.status")["pid"])
            yield home
        finally:
            _end(home)


def mato(*arguments: str) -> Sequence[str]:
    """The command line of the installed `mato`."""
    return (str(BIN / "mato"), *arguments)


def _end(home: Home) -> None:
    with suppress(DaemonError):
        home.request("daemon.stop", timeout_s=END_S)
    if not home.pid:
        return
    try:
        handle = os.pidfd_open(home.pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([handle], [], [], END_S)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], END_S)
    finally:
        os.close(handle)
