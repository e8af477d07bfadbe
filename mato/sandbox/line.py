"""The way out of one sandbox: serves, in a thread of its own, the doors that it was handed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from mato.config.hosts import Allowed, Host
from mato.sandbox import doorway
from mato.sandbox.proxy import Proxy, pump
from mato.sandbox.reach import Reach, Resolve
from mato.text import display

_log = logging.getLogger(__name__)
_MOST_CONNECTIONS = 64
"""At a time; more wait."""
_MOST_TOLD = 20
_SCRIPT, _CONTROL, _NAME = "/run/mato/doorway.py", "/run/mato/line", "line"
"""Where script and socket are seen inside, and the socket's own name."""

_Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Traffic(msgspec.Struct, frozen=True):
    """What went through."""

    reached: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """Why, each once."""


class Line:
    """Open from the start; `close` ends all connections. Works whichever loop or thread asks."""

    def __init__(self, allowed: Allowed, resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        self._proxy = Proxy(Reach(allowed, resolve), self._tell)
        self._reached: dict[str, None] = {}
        self._refused: dict[str, None] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="mato-line-"))
        self._control = _listening(self._folder)
        self._port = next(port for port in range(3128, 65536) if port not in allowed.loopback)
        self._lock = threading.Lock()
        self._closed = False
        self._stop: Callable[[], object] | None = None
        threading.Thread(target=self._run, name="mato-line", daemon=True).start()

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """`command` behind its doorway, as it is run inside."""
        ports = ",".join(map(str, (self._port, *self._allowed.loopback)))
        return (str(interpreter()), "-I", "-S", _SCRIPT, _CONTROL, ports, *command)

    def shown(self) -> tuple[tuple[Path, Path], ...]:
        """What the doorway needs inside: places, and where they are seen."""
        return (
            (Path(sys.base_prefix), Path(sys.base_prefix)),
            (Path(doorway.__file__), Path(_SCRIPT)),
            (self._folder / _NAME, Path(_CONTROL)),
        )

    def variables(self) -> dict[str, str]:
        """What makes programs use it."""
        proxy = f"http://127.0.0.1:{self._port}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        local = "localhost,127.0.0.1,::1"
        # Node looks at none of these without being told to.
        told = {"no_proxy": local, "NO_PROXY": local, "NODE_USE_ENV_PROXY": "1"}
        return dict.fromkeys(names, proxy) | told

    def traffic(self) -> Traffic:
        """What went through until now."""
        with self._lock:
            return Traffic(tuple(self._reached), tuple(self._refused))

    def close(self) -> None:
        """End it, whether or not it was ever used."""
        with self._lock:
            self._closed = True
            stop, self._stop = self._stop, None
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        shutil.rmtree(self._folder, ignore_errors=True)
        if stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                stop()

    def _tell(self, host: Host | None, why: str) -> None:
        where, what = (self._refused, why) if host is None else (self._reached, host.says())
        with self._lock:
            if what in where or len(where) >= _MOST_TOLD:
                return
            where[what] = None
        if host is None:
            _log.warning("the sandbox's network refused: %s", display(why, newline=False))

    def _run(self) -> None:
        doors: list[socket.socket] = []
        try:
            count = 1 + len(self._allowed.loopback)
            with self._control:
                inside, _ = self._control.accept()
            with inside:
                _, handles, _, _ = socket.recv_fds(inside, 16, count)
                doors = [socket.socket(fileno=handle) for handle in handles]
                if len(doors) == count:
                    inside.send(b"x")
                    asyncio.run(self._serve(doors))
        except OSError as error:
            if not self._closed:
                _log.warning("the sandbox's network ended: %s", error)
        finally:
            for door in doors:
                door.close()

    async def _serve(self, doors: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        with self._lock:
            if self._closed or task is None:
                return
            self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        handles: list[_Handle] = [self._proxy.serve]
        handles += [_to_this_machine(port) for port in self._allowed.loopback]
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as group:
                room = asyncio.Semaphore(_MOST_CONNECTIONS)
                for door, handle in zip(doors, handles, strict=True):
                    door.setblocking(False)
                    group.create_task(_accept(door, handle, group, room))


async def _accept(
    door: socket.socket, handle: _Handle, group: asyncio.TaskGroup, room: asyncio.Semaphore
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await room.acquire()
        try:
            connection, _ = await loop.sock_accept(door)
        except OSError as error:  # no descriptor left, or the caller has gone already
            room.release()
            _log.warning("a connection of the sandbox was not taken: %s", error)
            await asyncio.sleep(0.1)
            continue
        group.create_task(_one(connection, handle, room))


async def _one(connection: socket.socket, handle: _Handle, room: asyncio.Semaphore) -> None:
    try:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            await handle(reader, writer)
        finally:
            writer.close()
    except* Exception as failed:
        _log.warning("a connection of the sandbox failed: %s", failed.exceptions[0])
    finally:
        room.release()


def _listening(folder: Path) -> socket.socket:
    """A socket in a folder, however long the folder's own name is."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    control = socket.socket(socket.AF_UNIX)
    try:
        control.bind(f"/proc/self/fd/{handle}/{_NAME}")
        control.listen(1)
    except OSError:
        control.close()
        raise
    finally:
        os.close(handle)
    return control


def _to_this_machine(port: int) -> _Handle:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_connection("localhost", port)
        except OSError:
            return  # closed at once, as a port is on which nobody listens
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(far[0], writer))
                group.create_task(pump(reader, far[1]))
        finally:
            far[1].close()

    return handle


def interpreter() -> Path:
    """A Python that runs inside: an installation, not an environment on top of one."""
    own = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    return own if os.access(own, os.X_OK) else Path("/usr/bin/python3")
