"""The roster is kept while the daemon runs, so that the next one folds only what came since.

Only committed events are in it, and the journal alone says what is true: see `snapshots`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mato.bus import is_fact
from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato_sessions import snapshots
from mato_sessions.events import Event
from mato_sessions.journal import Journal

EVERY = 4000
"""Facts after which it is kept again: so many, about, a start after a crash has to fold."""
_BYTES_A_FACT = 500
"""The larger it is the rarer: of a large one, so many bytes are written for each fact."""


class Keeping:
    """Made by `Keeping.open`."""

    def __init__(self, roster: Roster, path: Path, every: int) -> None:
        self._roster = roster
        self._path = path
        self._every = every
        self._size = 0
        self._facts = 0
        """Since it was kept."""
        self._due = asyncio.Event()
        self._well = True

    @classmethod
    @asynccontextmanager
    async def open(
        cls, journal: Journal, roster: Roster, path: Path | None, every: int = EVERY
    ) -> AsyncGenerator[None]:
        """Fill the roster from `path` and the journal, and keep it there; also when left.

        `path` None: from the journal alone, and it is not kept.
        """
        if path is None:
            await roster.load(journal)
            yield
            return
        keeping = cls(roster, path, every)
        kept = await asyncio.to_thread(snapshots.read, path, roster.maker)
        keeping._count(await roster.load(journal, kept))
        leave = journal.listen(keeping._committed)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(keeping._run(), name="roster")
            try:
                yield
            finally:
                leave()
                task.cancel()
        if keeping._facts:
            await keeping._keep()

    def _committed(self, events: Sequence[Event]) -> None:
        self._count(sum(is_fact(event.kind) for event in events))

    def _count(self, facts: int) -> None:
        self._facts += facts
        if self._facts >= max(self._every, self._size // _BYTES_A_FACT):
            self._due.set()

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await self._keep()

    async def _keep(self) -> None:
        """Write it; what cannot be written is tried again as much later."""
        self._facts = 0
        snapshot = self._roster.snapshot()
        try:
            self._size = await asyncio.to_thread(snapshots.write, self._path, snapshot)
        except OSError as error:
            if self._well:
                logger.warning("cannot keep the roster in %s: %s", self._path, error.strerror)
            self._well = False
            return
        self._well = True
