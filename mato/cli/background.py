"""`mato daemon start|stop|restart|logs`."""

from __future__ import annotations

import sys
from collections import deque

from mato.cli import output
from mato.client import quick
from mato.config.paths import Paths, find
from mato.text import display
from mato_sessions.errors import DaemonError, NoDaemon, VersionMismatch

PATIENCE_S = 20.0
"""How long a stopping daemon may take: tools get 2 s, the journal its last checkpoint."""


def start() -> int:
    """Start the daemon unless one runs; print its pid."""
    status = quick.request(find(), "daemon.status", {}, start=True)
    output.say(f"running  pid {status['pid']}")
    return 0


def stop() -> int:
    """Stop the daemon and wait until its process has ended."""
    paths = find()
    try:
        pid: int = quick.request(paths, "daemon.status", {}, start=False)["pid"]
    except NoDaemon:
        output.note("no daemon was running")
        return 0
    except DaemonError as error:
        return _end(paths, error)
    quick.request(paths, "daemon.stop", {}, start=False)
    if not _ended(pid):
        raise DaemonError(f"the daemon (pid {pid}) is still stopping; see `mato daemon logs`")
    output.say(f"stopped  pid {pid}")
    return 0


def _end(paths: Paths, why: DaemonError) -> int:
    """End a daemon that cannot be asked to: deaf, or of another version."""
    from mato.daemon import lock

    # One of another version gets the time to end its turns; a deaf one would not use it.
    patience_s = PATIENCE_S if isinstance(why, VersionMismatch) else 3.0
    pid = lock.end(paths.lock, patience_s)
    if pid is None:
        raise why
    output.say(f"ended  pid {pid}, which could not be asked to stop")
    return 0


def _ended(pid: int) -> bool:
    import os
    import select

    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE_S)[0])
    finally:
        os.close(handle)


def restart() -> int:
    """Stop and start."""
    stop()
    return start()


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
