"""One daemon per state folder: the lock, and the end of a predecessor that holds it but is deaf.

The kernel's lock (flock) is the truth and vanishes with its process. What the file says (pid, start
time, phase) only tells a successor whom it is waiting for.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from mato.processes import identity, same_process
from mato.protocol.version import PROTOCOL
from mato_sessions.errors import ConfigError, DaemonError

Phase = Literal["starting", "serving", "stopping"]

ANSWER_S = 3.0
"""How long a serving daemon may take to answer before it counts as dead."""
PATIENCE_S = 20.0
"""How long one that starts (a long journal) or stops (tools to end) may take."""
_TERM_S = 3.0


class AlreadyRunning(DaemonError):
    """Another daemon serves this state folder."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"a daemon is running already (pid {pid}); `mato daemon stop` ends it")
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Holder:
    """Who says that it holds the lock."""

    pid: int
    started: int
    """Start time of the process, in clock ticks since boot (/proc/PID/stat, field 22)."""
    phase: Phase


class Lock:
    """The held lock; it ends with `release` or with the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def say(self, phase: Phase) -> None:
        """Tell successors what this daemon is at."""
        pid = os.getpid()
        own = identity(pid)
        record = {"pid": pid, "started": own.started if own else 0, "phase": phase}
        text = json.dumps(record).encode() + b"\n"
        os.pwrite(self._handle, text, 0)
        os.ftruncate(self._handle, len(text))

    def release(self) -> None:
        os.close(self._handle)


def acquire(file: Path, socket_path: Path) -> Lock:
    """Hold the lock, ending a deaf predecessor first. Blocks for some seconds at most.

    Raises:
        AlreadyRunning: another daemon serves.
        ConfigError: the lock's file cannot be written.
        DaemonError: the lock is held and its holder cannot be told or ended.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        handle = os.open(file, flags, 0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot write {str(file)!r}: {error.strerror}; make its folder writable, or set "
            "MATO_HOME"
        ) from error
    lock = Lock(handle)
    try:
        _obtain(handle, socket_path)
        lock.say("starting")
    except BaseException:
        os.close(handle)
        raise
    return lock


def _obtain(handle: int, socket_path: Path) -> None:
    begun = time.monotonic()
    while not _try(handle):
        holder = _holder(handle)
        if answers(socket_path, ANSWER_S):
            raise AlreadyRunning(holder.pid if holder else 0)
        # The holder may have changed or gone while its socket was waited for.
        if _try(handle):
            return
        waited = time.monotonic() - begun
        if holder is not None and holder == _holder(handle):
            deaf = holder.phase == "serving" or waited > PATIENCE_S
            if deaf and _end(holder):
                continue
        if waited > PATIENCE_S:
            raise DaemonError(
                "another process holds the daemon's lock and does not answer; "
                "end it, then try again"
            )
        time.sleep(0.05)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(handle: int) -> Holder | None:
    try:
        record: Any = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    match cast("dict[str, Any]", record):
        case {
            "pid": int(pid),
            "started": int(begun),
            "phase": "starting" | "serving" | "stopping" as phase,
        } if pid > 1:
            return Holder(pid, begun, phase)
        case _:
            return None


def holder(file: Path) -> Holder | None:
    """Who says that it holds the lock at `file`; it may be gone."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return _holder(handle)
    finally:
        os.close(handle)


def end(file: Path, patience_s: float = _TERM_S) -> int | None:
    """End the daemon that holds the lock at `file` without asking it; its pid, None without one.

    It may take `patience_s` to end in good order. Blocks as long.

    Raises:
        DaemonError: it cannot be ended.
    """
    found = holder(file)
    return found.pid if found is not None and _end(found, patience_s) else None


def _end(holder: Holder, patience_s: float = _TERM_S) -> bool:
    """End exactly the process that took the lock: by descriptor, so its pid cannot be reused.

    False when there is no such process any more, whoever has its number now.
    """
    try:
        pidfd = os.pidfd_open(holder.pid)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise DaemonError(f"cannot end the old daemon {holder.pid}: {error.strerror}") from error
    try:
        if not same_process(holder.pid, holder.started):
            return False
        for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, _TERM_S)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
            if select.select([pidfd], [], [], wait_s)[0]:
                return True
        raise DaemonError(
            f"the old daemon (pid {holder.pid}) neither answers nor ends; end it, then try again"
        )
    except PermissionError as error:
        raise DaemonError(
            f"the old daemon (pid {holder.pid}) belongs to somebody else; end it, then try again"
        ) from error
    finally:
        os.close(pidfd)


def answers(socket_path: Path, within_s: float) -> bool:
    """Whether a daemon of any version answers on this socket."""
    deadline = time.monotonic() + within_s
    params = {"protocol": PROTOCOL, "mato": "", "client": "successor"}
    request = {"jsonrpc": "2.0", "id": 0, "method": "hello", "params": params}
    payload = b"J" + json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(within_s)
        try:
            connection.connect(os.fspath(socket_path))
            connection.sendall(struct.pack(">I", len(payload)) + payload)
            connection.settimeout(max(0.05, deadline - time.monotonic()))
            return bool(connection.recv(1))
        except OSError:
            return False
