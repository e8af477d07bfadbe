"""A full disk: agents that work are shown as paused, and nothing new begins until there is room.

The journal holds what they have to say (see `mato_sessions.writer`); this tells people why they
stand still, and gives them their state back afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato_sessions.errors import JournalError
from mato_sessions.events import AgentStateChanged, Draft, Event
from mato_sessions.journal import Journal

PAUSED = "paused:"
"""How the evidence of a paused agent begins."""
GOES_ON = "goes on: there is room on the disk again"
_TRY_S = 2.0
"""How long a try may take before it counts as failed."""


@dataclass
class _Held:
    """An agent that is shown as paused."""

    session: str
    name: str
    """As `session:agent`."""
    before: AgentStateChanged
    """What is to be shown again when it goes on."""
    since: AgentStateChanged | None = None
    """The newest that the agent itself has said since then."""


class Pressure:
    """Follows the pauses of a journal; `run` is a branch of the daemon."""

    def __init__(self, journal: Journal, roster: Roster) -> None:
        self._journal = journal
        self._roster = roster
        self._held: dict[str, _Held] = {}
        self._told = False
        self._evidence = ""
        self._changed = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def paused(self) -> str:
        """Why nothing can be recorded, for people; "" while all is well."""
        return self._journal.paused or ""

    def check(self) -> None:
        """Let what changes something pass.

        Raises:
            JournalError: it could not be recorded now.
        """
        if self.paused:
            raise JournalError(
                f"{self.paused}, so nothing can be changed now; free some space and the agents go"
                " on by themselves, or say `mato resume`"
            )

    async def try_again(self) -> list[str]:
        """End a pause by trying at once, whatever room there is; names of the agents that go on.

        Raises:
            JournalError: there is still too little room.
        """
        if not self.paused:
            return []
        held = [held.name for held in self._held.values()]
        self._over.clear()
        self._journal.try_again()
        with suppress(TimeoutError):
            async with asyncio.timeout(_TRY_S):
                await self._over.wait()
        self.check()
        return held

    async def run(self) -> None:
        """Mark agents at each pause and release them after it, until cancelled."""
        leave = self._journal.on_pause(self._hear)
        unfollow = self._journal.listen(self._follow)
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self.paused and not self._told:
                    self._told = True
                    await self._hold()
                elif not self.paused and self._told:
                    self._told = False
                    await self._release()
        except JournalError as error:
            # The daemon is ending for the same reason.
            logger.error("the states of paused agents are not on record: %s", error)
        finally:
            leave()
            unfollow()

    def _hear(self, paused: str | None) -> None:
        self._changed.set()
        if paused is None:
            self._over.set()

    async def _hold(self) -> None:
        self._evidence = f"{PAUSED} {self.paused}; free some space"
        logger.warning("%s", self._evidence)
        for session in self._roster.catalog.sessions():
            for agent in session.agents:
                if agent.state in ("starting", "working"):
                    before = AgentStateChanged(state=agent.state, evidence=agent.evidence)
                    name = f"{session.name}:{agent.name}"
                    self._held[agent.id] = _Held(session.id, name, before)
        blocked = AgentStateChanged(state="blocked", evidence=self._evidence)
        await self._say(dict.fromkeys(self._held, blocked))

    async def _release(self) -> None:
        logger.info("%s", GOES_ON)
        said = {
            agent: AgentStateChanged(state=held.before.state, evidence=GOES_ON)
            for agent, held in self._held.items()
            if held.since is None
        }
        # An agent that spoke while this was on its way is right: then its word comes last.
        while said:
            await self._say(said)
            newer = {agent: self._held[agent].since for agent in said}
            said = {
                agent: body
                for agent, body in newer.items()
                if body is not None and body != said[agent]
            }
        self._held.clear()

    async def _say(self, bodies: dict[str, AgentStateChanged]) -> None:
        # Before what waits: the disk may be full again, and who waits is not to wait for this.
        drafts = [
            Draft(session=self._held[agent].session, agent=agent, body=body)
            for agent, body in bodies.items()
        ]
        await self._journal.append(drafts, urgent=True)

    def _follow(self, events: Sequence[Event]) -> None:
        for event in events:
            held = self._held.get(event.agent or "")
            if held is None or not isinstance(event.body, AgentStateChanged):
                continue
            if event.body.evidence not in (GOES_ON, self._evidence):
                held.since = event.body
