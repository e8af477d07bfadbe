"""A real daemon in a home of its own, for tests: started, asked, killed, ended without a trace."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mato.client.connection import Client
from mato.client.start import start
from mato.config.paths import Paths, find
from mato.processes import identity
from mato.protocol.methods import Shutdown
from mato_sessions.errors import DaemonError

END_S = 15.0
"""How long a daemon may take to end in good order."""


class Daemon:
    """A daemon under test. `begin` and the ends may be called again and again."""

    def __init__(
        self, home: Path, env: Mapping[str, str] | None = None, module: str = "mato.daemon"
    ) -> None:
        self.home = home
        self.module = module
        """What `begin` runs; `mato.testing.older` is a daemon of the oldest protocol."""
        self.env = {**os.environ, **(env or {}), "MATO_HOME": str(home)}
        """For the daemon and for commands that should find it."""
        self.paths: Paths = find(self.env)
        self.pid = 0
        """Of the daemon that runs, or ran last."""

    async def begin(self) -> None:
        """Start it and wait until it serves."""
        await asyncio.to_thread(start, self.paths, self.env, module=self.module)
        async with await self.client("probe") as client:
            self.pid = client.welcome.pid

    async def client(self, name: str = "test") -> Client:
        """A new connection; close it (`async with await daemon.client() as client`)."""
        return await Client.connect(self.paths, name, start=False)

    async def stop(self) -> None:
        """End it in good order by request."""
        with suppress(DaemonError):
            async with await self.client("stop") as client:
                await client.request(Shutdown())
        await self.ended()

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal and wait for its end."""
        os.kill(self.pid, number)
        await self.ended()

    async def ended(self) -> None:
        """Wait until its process has ended.

        Raises:
            TimeoutError: it has not within `END_S`; it is killed then.
        """
        if not self.pid or not await asyncio.to_thread(_lives_on, self.pid, END_S):
            return
        os.kill(self.pid, signal.SIGKILL)
        raise TimeoutError(f"the daemon {self.pid} did not end within {END_S} s")

    def leftovers(self) -> list[str]:
        """What a daemon that has ended should not have left."""
        left = [str(path) for path in (self.paths.socket,) if path.exists()]
        if self.paths.children.is_dir():
            left += [path.name for path in self.paths.children.iterdir()]
        return left


@asynccontextmanager
async def running(
    home: Path, env: Mapping[str, str] | None = None, module: str = "mato.daemon"
) -> AsyncGenerator[Daemon]:
    """A daemon that serves; afterwards it is ended, and nothing of it may be left.

    Raises:
        AssertionError: a child's record or the socket was left behind.
    """
    daemon = Daemon(home, env, module)
    await daemon.begin()
    try:
        yield daemon
    finally:
        await daemon.stop()
    left = daemon.leftovers()
    if left:
        raise AssertionError(f"the daemon left {left}")


def _lives_on(pid: int, within_s: float) -> bool:
    """Whether the process still lives after so long."""
    if identity(pid) is None:
        return False
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        return not select.select([handle], [], [], within_s)[0]
    finally:
        os.close(handle)
