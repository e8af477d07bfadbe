"""One run of the workspace, from the terminal as it was to the terminal as it was."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from mato.client.connection import Client
from mato.client.feed import Feed
from mato.config.paths import Paths
from mato.config.settings import Settings
from mato.protocol.methods import ListSessions
from mato.text import display
from mato_panes.prefix import choose
from mato_panes.store import Overview
from mato_panes.terminal import HANGUP, HangupWatch, TerminalDriver, TerminalLost
from mato_sessions.clock import SystemClock
from mato_sessions.errors import ConfigError, UsageError
from mato_themes.catalog import load_catalog
from mato_themes.palette import ThemeError

if TYPE_CHECKING:
    from mato_panes.app import MatoApp

LOG = "workspace.log"
"""In the state folder: what went wrong in a workspace, for whoever reports it."""
_LOG_BYTES = 256 * 1024


def run(paths: Paths, settings: Settings, session: str, *, theme: str = "") -> int:
    """Attach to the session (its id) until the person detaches; gives the exit code.

    Raises:
        MatoError: there is no terminal, no daemon, no such theme …
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("the workspace needs a terminal; `mato run` works without one")
    # What has been loaded stays, and is not looked through again and again.
    gc.freeze()
    gc.enable()
    return asyncio.run(_attached(paths, settings, session, theme))


async def _attached(paths: Paths, settings: Settings, session: str, theme: str) -> int:
    from mato_panes.app import MatoApp
    from mato_panes.compositing import FIRST_S

    async with await Client.connect(paths, client="workspace") as client:
        listing = await client.request(ListSessions())
    overview = Overview()
    overview.load(listing)
    link = Feed(paths, position=listing.position, sessions={session: 0})
    try:
        app = MatoApp(
            link,
            overview,
            session,
            settings,
            prefix=choose(settings.keys.prefix, os.environ),
            clock=SystemClock(),
            themes=load_catalog(paths.themes),
            theme=theme,
            driver=TerminalDriver,
        )
    except ThemeError as error:
        raise ConfigError(str(error)) from error
    await app.reading.begin(FIRST_S)
    return await drive(app, paths.state / LOG)


async def drive(app: MatoApp, log: Path) -> int:
    """Run the app on this terminal until it ends by whatever means; gives the exit code."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, app.end_by_signal, number)
    with HangupWatch(sys.stdin.fileno(), lambda: app.post_message(TerminalLost())):
        code = await app.run_async()
    if app.failure is not None:
        _record(log, app.failure)
        sentence = f"the workspace failed: {app.failure!r}; the agents go on (see {log})"
        print(display(sentence, newline=False), file=sys.stderr)
        return 1
    if code == HANGUP:
        _forget_terminal()
    return code or 0


def _forget_terminal() -> None:
    """Let what is still to be flushed at exit go nowhere: it would end in another exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _record(log: Path, failure: Exception) -> None:
    try:
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.unlink()
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(failure))
    except OSError as error:
        print(display(f"cannot write {log}: {error.strerror}", newline=False), file=sys.stderr)
