"""Run by tests in a pty of its own: the workspace on a daemon in memory.

Arguments: the log's path, then "fail" to have it fail after its first picture.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mato.config.settings import Settings
from mato_panes.app import MatoApp
from mato_panes.prefix import Choice
from mato_panes.running import drive
from mato_panes.store import Overview
from mato_panes.terminal import TerminalDriver
from mato_panes.testing import FakeDaemon
from mato_sessions.events.session import PaneNode, WindowNode


def workspace() -> MatoApp:
    daemon = FakeDaemon()
    daemon.open_session("here", "evil\x1b]52;c;AAAA\x07name\x9b31m")
    daemon.spawn("here", "agent")
    daemon.arrange("here", WindowNode("w1", "main", PaneNode("p1", "agent")))
    overview = Overview()
    overview.load(daemon.listing())
    daemon.begin("here")
    return MatoApp(
        daemon,
        overview,
        "here",
        Settings(),
        prefix=Choice("ctrl+b"),
        clock=daemon.clock,
        driver=TerminalDriver,
    )


async def main() -> int:
    app = workspace()
    if "fail" in sys.argv:

        async def fail() -> None:
            raise ZeroDivisionError("a fault of its own")

        asyncio.get_running_loop().call_later(1.0, lambda: app.in_background(fail()))
    return await drive(app, Path(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
