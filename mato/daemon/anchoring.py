"""Anchors are noted while the daemon runs: where sessions stand when turns end, and at the end.

Only committed events are noted, after their commit, so an anchor never says more than the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mato.daemon.log import logger
from mato_sessions import anchors
from mato_sessions.anchors import Anchor
from mato_sessions.events import Event
from mato_sessions.journal import Journal

PAUSE_S = 1.0
"""At least so long between two writes; what comes meanwhile is written together."""


class Anchoring:
    """Made by `Anchoring.open`."""

    def __init__(self, path: Path, pause_s: float) -> None:
        self._path = path
        self._pause_s = pause_s
        self._heads: dict[str, Anchor] = {}
        """The newest of each session that is not yet noted."""
        self._ended: set[str] = set()
        self._due = asyncio.Event()
        self._well = True

    @classmethod
    @asynccontextmanager
    async def open(
        cls, journal: Journal, path: Path, pause_s: float = PAUSE_S
    ) -> AsyncGenerator[None]:
        """Note in the file at `path` what `journal` commits; when left, all that is not yet."""
        noting = cls(path, pause_s)
        leave = journal.listen(noting._committed)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(noting._run(), name="anchors")
            try:
                yield
            finally:
                leave()
                task.cancel()
        await noting._note(noting._heads)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            head = Anchor(event.session, event.seq, event.hash.hex(), event.at_us)
            self._heads[event.session] = head
            if event.kind == "turn.ended":
                self._ended.add(event.session)
                self._due.set()

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            ended, self._ended = self._ended, set()
            await self._note({session: self._heads[session] for session in ended})
            await asyncio.sleep(self._pause_s)

    async def _note(self, heads: dict[str, Anchor]) -> None:
        """Write anchors; what cannot be written is tried again with the next ones."""
        noted = dict(heads)
        if not noted:
            return
        try:
            await asyncio.to_thread(anchors.append, self._path, list(noted.values()))
        except OSError as error:
            if self._well:
                logger.warning("cannot note anchors in %s: %s", self._path, error.strerror)
            self._well = False
            return
        self._well = True
        for session, head in noted.items():
            if self._heads.get(session) is head:
                del self._heads[session]
