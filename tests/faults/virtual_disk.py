"""A disk in virtual time: SQLite on the loop, with a moment at which the machine goes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from random import Random
from typing import Any

import aiosqlite

_GONE = "the machine has gone"


class Disk:
    """What a journal's connections stand on. From its end on nothing is written any more."""

    def __init__(self, chance: Random, ends_at: int | None) -> None:
        self._chance = chance
        self._ends_at = ends_at
        self._operations = 0
        self.gone = asyncio.Event()
        """Set when the machine went, be it by `go` or at the operation `ends_at`."""

    def go(self) -> None:
        """Everything in memory is lost now."""
        self.gone.set()

    def goes_within(self, operations: int) -> None:
        """Let the machine go at that operation from now on."""
        self._ends_at = self._operations + operations

    async def turn(self) -> None:
        """Take the time of an operation; whatever else is ready runs meanwhile.

        Raises:
            sqlite3.OperationalError: there is no machine any more.
        """
        self._operations += 1
        if self._operations == self._ends_at:
            self.go()
        if not self.gone.is_set():
            slow = self._chance.random()
            await asyncio.sleep(0 if slow < 0.5 else slow * 0.01 if slow < 0.98 else 1.0)
        if self.gone.is_set():
            raise sqlite3.OperationalError(_GONE)

    def connection(
        self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int
    ) -> aiosqlite.Connection:
        """A `mato_sessions.database.MakeConnection`."""
        return _Connection(self, connector, iter_chunk_size)


class _Connection(aiosqlite.Connection):
    """Does its work on the loop, between two turns of the disk.

    So a machine may go before an operation, or after it and before anybody heard of it.
    """

    def __init__(
        self, disk: Disk, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int
    ) -> None:
        super().__init__(connector, iter_chunk_size)
        self._disk = disk

    def __await__(self) -> Any:
        return self._connect().__await__()

    async def _connect(self) -> _Connection:
        self._connection = self._connector()
        return self

    async def _execute(self, fn: Any, *args: Any, **named: Any) -> Any:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        await self._disk.turn()
        result = fn(*args, **named)
        await self._disk.turn()
        return result

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()  # what was not committed is rolled back
            self._connection = None
