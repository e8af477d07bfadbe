"""`mato daemon start|stop|restart|logs`."""

from __future__ import annotations

import sys
import time
from collections import deque

from mato.cli import output
from mato.client import quick
from mato.config.paths import Paths, find
from mato.text import display
from mato_sessions.errors import DaemonError, NoDaemon, VersionMismatch

PATIENCE_S = 20.0
"""How long a stopping daemon may take: tools get 2 s, the journal its last checkpoint."""


def start(*, resume: bool = True) -> int:
    """Start the daemon unless one runs; print its pid."""
    from mato.client.start import start as start_daemon

    paths = find()
    try:
        status = quick.request(paths, "daemon.status", {}, start=False)
    except NoDaemon:
        start_daemon(paths, resume=resume)
        status = quick.request(paths, "daemon.status", {}, start=False)
    else:
        if not resume:
            output.note("a daemon runs already, so --no-resume changes nothing")
    output.say(f"running  pid {status['pid']}")
    return 0


def stop(drain_s: float = 0.0, *, restart: bool = False) -> int:
    """Stop the daemon and wait until its process has ended."""
    paths = find()
    try:
        pid: int = quick.request(paths, "daemon.status", {}, start=False)["pid"]
    except NoDaemon:
        output.note("no daemon was running")
        return 0
    except DaemonError as error:
        return _end(paths, error)
    quick.request(paths, "daemon.stop", {"drain_s": drain_s, "restart": restart}, start=False)
    if drain_s:
        _tell_rest(paths, pid, drain_s)
    if not _ended(pid, PATIENCE_S):
        raise DaemonError(f"the daemon (pid {pid}) is still stopping; see `mato daemon logs`")
    output.say(f"stopped  pid {pid}")
    return 0


def _tell_rest(paths: Paths, pid: int, drain_s: float) -> None:
    """Say what is waited for while it ends, until the daemon stops or its time is over."""
    end = time.monotonic() + drain_s
    told = ""
    while (left_s := end - time.monotonic()) > 0 and not _ended(pid, min(1.0, left_s)):
        try:
            busy = _at_rest_later(paths)
        except DaemonError:
            return  # it has stopped serving
        if busy and busy != told:
            told = busy
            output.note(f"waits up to {drain_s:g} s for what runs: {busy}")


def _at_rest_later(paths: Paths) -> str:
    """The agents that have not come to a rest."""
    sessions = quick.request(paths, "session.list", {}, start=False)["sessions"]
    return ", ".join(
        f"{session['name']}:{agent['name']}"
        for session in sessions
        for agent in session["agents"]
        if agent["turn"] is not None and agent["evidence"].startswith("paused: the daemon stops")
    )


def _end(paths: Paths, why: DaemonError) -> int:
    """End a daemon that cannot be asked to: deaf, or newer."""
    from mato.daemon import lock

    # A newer one gets the time to end its turns; a deaf one would not use it.
    patience_s = PATIENCE_S if isinstance(why, VersionMismatch) else 3.0
    pid = lock.end(paths.lock, patience_s)
    if pid is None:
        raise why
    output.say(f"ended  pid {pid}, which could not be asked to stop")
    return 0


def _ended(pid: int, within_s: float) -> bool:
    import os
    import select

    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within_s)[0])
    finally:
        os.close(handle)


def restart(drain_s: float = 600.0, *, resume: bool = True) -> int:
    """Let what runs come to its end, stop and start."""
    stop(drain_s, restart=True)
    return start(resume=resume)


def logs(lines: int) -> int:
    """Print the last lines of the daemon's log, cleaned."""
    log = find().log
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            for line in deque(file, maxlen=lines):
                sys.stdout.write(display(line))
    except FileNotFoundError:
        output.note("there is no log yet: no daemon has run here")
    return 0
