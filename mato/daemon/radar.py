"""Warns when two agents change the same file: both are told, in the record and in their panes.

What tools write is seen, because a file is kept before it is written; what commands write is not.
It knows what it has seen since this daemon began. An agent and those that work for it are no
rivals: the one waits for the other.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import JournalError
from mato_sessions.events import Draft, Event, FileCheckpointed, FileContested
from mato_sessions.journal import Journal
from mato_sessions.kinship import ancestors

LATELY_US = 3600 * 1_000_000
"""A change that is longer ago is in nobody's way."""
_MOST_FILES = 10_000
_MOST_WAITING = 1000
"""Changes that are not looked at yet; what comes while there are more is not warned of."""


class Sightings:
    """Who changed which file when; pure."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, dict[str, int]] = OrderedDict()
        """Absolute path → agent → when it changed it last, wall clock; the newest file last."""
        self._told: dict[tuple[str, frozenset[str]], int] = {}

    def note(self, path: str, agent: str, at_us: int) -> list[str]:
        """The agents that changed the file lately too, each pair given once in a while."""
        seen = self._files.setdefault(path, {})
        self._files.move_to_end(path)
        if len(self._files) > _MOST_FILES:
            self._files.popitem(last=False)
        others = [
            other
            for other, then_us in seen.items()
            if other != agent
            and at_us - then_us < LATELY_US
            and at_us - self._told.get((path, frozenset((agent, other))), 0) >= LATELY_US
        ]
        seen[agent] = at_us
        for other in others:
            self._told[path, frozenset((agent, other))] = at_us
        if len(self._told) > _MOST_FILES:
            del self._told[next(iter(self._told))]
        return others


class Radar:
    """Made by `Radar.open`."""

    def __init__(self, journal: Journal, roster: Roster) -> None:
        self._journal = journal
        self._roster = roster
        self._sightings = Sightings()
        self._changes: asyncio.Queue[Event] = asyncio.Queue(_MOST_WAITING)

    @classmethod
    @asynccontextmanager
    async def open(cls, journal: Journal, roster: Roster) -> AsyncGenerator[None]:
        """Watch what `journal` commits until this is left."""
        radar = cls(journal, roster)
        leave = journal.listen(radar._committed)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(radar._run(), name="radar")
            try:
                yield
            finally:
                leave()
                watching.cancel()

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event.body, FileCheckpointed) and not self._changes.full():
                self._changes.put_nowait(event)

    async def _run(self) -> None:
        while True:
            event = await self._changes.get()
            drafts = self._warnings(event)
            if drafts:
                try:
                    await self._journal.append(drafts)
                except JournalError as error:
                    logger.warning("two agents change one file, which cannot be noted: %s", error)

    def _warnings(self, event: Event) -> list[Draft]:
        """What both sides are told about a change."""
        found = self._roster.catalog.agent(event.agent or "")
        if found is None or not isinstance(event.body, FileCheckpointed):
            return []
        session, agent = found
        path = posixpath.join(session.cwd, event.body.path)
        drafts: list[Draft] = []
        for name in self._sightings.note(path, agent.id, event.at_us):
            rival = self._roster.catalog.agent(name)
            if rival is None or rival[1].state == "stopped" or _kin(rival, found):
                continue
            drafts += [_told(found, event.turn, event.body.path, rival)]
            drafts += [_told(rival, rival[1].turn, event.body.path, found)]
        return drafts


def _kin(
    one: tuple[SessionSummary, AgentSummary], other: tuple[SessionSummary, AgentSummary]
) -> bool:
    return one[1] in ancestors(other[0].agents, other[1]) or other[1] in ancestors(
        one[0].agents, one[1]
    )


def _told(
    who: tuple[SessionSummary, AgentSummary],
    turn: str | None,
    path: str,
    of: tuple[SessionSummary, AgentSummary],
) -> Draft:
    session, agent = of
    name = agent.name if who[0].id == session.id else f"{session.name}:{agent.name}"
    body = FileContested(path=path, other=agent.id, by=name)
    return Draft(session=who[0].id, agent=who[1].id, turn=turn, body=body)
