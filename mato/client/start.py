"""Starting the daemon from whatever client finds none: detached, and waited for until it serves."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping

from mato.config.paths import Paths
from mato.protocol import faults
from mato_sessions.errors import DaemonError

START_S = 45.0
"""Longer than a daemon waits for a deaf predecessor to end."""


def start(
    paths: Paths,
    env: Mapping[str, str] | None = None,
    *,
    resume: bool = True,
    module: str = "mato.daemon",
) -> bool:
    """Start the daemon and return once it serves; False when another one serves already.

    It gets a session of its own, outlives this process and its terminal, and never sees this
    process's working folder as a place to import from. `env`: its environment, else this one's.
    `resume` False: agents that were in the middle of a turn stay paused. `module`: what is run.

    Raises:
        MatoError: it did not start; error and message are the daemon's own.
    """
    places = (paths.config, paths.state, paths.cache, paths.runtime)
    command = [sys.executable, "-P", "-m", module, *map(os.fspath, places)]
    if not resume:
        command.append("--no-resume")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                cwd="/",
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            raise DaemonError(f"cannot start the daemon: {error.strerror}") from error
        finally:
            os.close(writing)
        said = _read_all(reading, START_S)
        # What was started only forks and ends, so this does not block.
        process.wait()
    finally:
        os.close(reading)
    return _judge(said, paths)


def _read_all(handle: int, within_s: float) -> bytes:
    deadline = time.monotonic() + within_s
    said = b""
    while len(said) < 65536:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            break
        piece = os.read(handle, 4096)
        if not piece:
            break
        said += piece
    return said


def _judge(said: bytes, paths: Paths) -> bool:
    try:
        report = json.loads(said.splitlines()[-1])
        if "error" in report:
            raise faults.error_of(report["code"], str(report["error"]))
        return bool(report["started"])
    except (ValueError, IndexError, KeyError, TypeError):
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = last or "it ended without a word"
        raise DaemonError(
            f"the daemon did not start: {reason}; its log is {str(paths.log)!r}"
        ) from None
