"""The daemon's socket: who may connect, and a branch for each connection."""

from __future__ import annotations

import asyncio
import os
import socket

from mato.config.paths import Paths, private
from mato.daemon.connection import Connection, Desk
from mato.daemon.log import logger
from mato.protocol.frames import Goodbye
from mato.rpc import peer
from mato_sessions.errors import DaemonError

MOST_CLIENTS = 128
_BACKLOG = 64


def listen(paths: Paths) -> socket.socket:
    """A listening socket, 0600 in a 0700 folder. The caller holds the lock: what is there is stale.

    Raises:
        ConfigError: the folder is not this user's own.
        DaemonError: it cannot be bound.
    """
    private(paths.runtime)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        paths.socket.unlink(missing_ok=True)
        listening.bind(os.fspath(paths.socket))
        paths.socket.chmod(0o600)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise DaemonError(
            f"cannot listen on {str(paths.socket)!r}: {error.strerror or error}"
        ) from error
    return listening


class Server:
    """Accepts connections until `close`; each is served in a branch of its own."""

    def __init__(self, listening: socket.socket, desk: Desk) -> None:
        self._listening = listening
        self._desk = desk
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._accepting: asyncio.Task[None] | None = None

    @property
    def clients(self) -> int:
        return len(self._connections)

    async def run(self) -> None:
        """Serve; returns after `close`."""
        async with asyncio.TaskGroup() as tasks:
            self._accepting = tasks.create_task(self._accept(tasks))

    def stop_accepting(self) -> None:
        """Let nobody else in."""
        if self._accepting is not None:
            self._accepting.cancel()

    async def close(self, reason: str, restart: bool = False) -> None:
        """Say goodbye to everyone and end their connections. `restart`: a successor follows."""
        farewell = Goodbye(reason, restart)
        self.stop_accepting()
        async with asyncio.TaskGroup() as farewells:
            for connection in tuple(self._connections):
                farewells.create_task(connection.goodbye(farewell))
        for task in tuple(self._connections.values()):
            task.cancel()

    async def _accept(self, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    accepted, _ = await loop.sock_accept(self._listening)
                except OSError as error:
                    # Out of descriptors or memory: those who are connected go on.
                    logger.warning("cannot accept a connection: %s", error.strerror)
                    await asyncio.sleep(0.5)
                    continue
                await self._admit(accepted, tasks)
        finally:
            self._listening.close()

    async def _admit(self, accepted: socket.socket, tasks: asyncio.TaskGroup) -> None:
        try:
            pid, uid = peer.credentials(accepted)
        except OSError:
            accepted.close()
            return
        if uid != os.getuid():
            logger.warning("refused a connection of user %s (pid %s)", uid, pid)
            accepted.close()
            return
        if self.clients >= MOST_CLIENTS:
            logger.warning("refused a connection (pid %s): %s are open", pid, self.clients)
            accepted.close()
            return
        reader, writer = await asyncio.open_unix_connection(sock=accepted)
        connection = Connection(reader, writer, self._desk, pid)
        task = tasks.create_task(self._serve(connection))
        self._connections[connection] = task
        task.add_done_callback(lambda _: self._connections.pop(connection, None))

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.serve()
        except Exception:
            # One connection's fault is no reason to end the others.
            logger.exception("a connection went wrong")
