"""The word to stop: who asked for it, how much time what runs may take, and who comes after."""

from __future__ import annotations

import asyncio

LONGEST_S = 24 * 3600.0


class Stopping:
    """Asked for by a client or a signal. A later word that leaves less time goes before."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._at_once = asyncio.Event()
        self.drain_s = 0.0
        """How long what runs may take to end by itself."""
        self.restart = False
        """Another daemon follows."""

    def ask(self, drain_s: float = 0.0, *, restart: bool = False) -> None:
        """Stop, after at most `drain_s`."""
        drain_s = min(max(drain_s, 0.0), LONGEST_S)
        if drain_s == 0.0:
            self._at_once.set()
        if not self._asked.is_set():
            self.drain_s, self.restart = drain_s, restart
            self._asked.set()

    def at_once(self) -> None:
        """A signal came: whoever sends it may send SIGKILL next."""
        self.ask()

    async def asked(self) -> None:
        """Wait for the word."""
        await self._asked.wait()

    async def hurried(self) -> None:
        """Wait for the word that it is to be at once."""
        await self._at_once.wait()
