"""All sessions and agents as the journal has them, found by what a person calls them."""

from __future__ import annotations

import asyncio
import bisect

import msgspec

from mato.daemon import names
from mato.daemon.waiting import Waiting
from mato_sessions import snapshots
from mato_sessions.catalog import AgentSummary, Catalog, PendingCall, SessionSummary
from mato_sessions.errors import UnknownName, UsageError
from mato_sessions.events import Event
from mato_sessions.journal import Journal
from mato_sessions.snapshots import Snapshot

_PAGE = 2000
_CODE = (
    "mato.daemon.waiting",
    "mato_sessions.catalog",
    "mato_sessions.codec",
    "mato_sessions.events",
    "mato_sessions.events.agent",
    "mato_sessions.events.permission",
    "mato_sessions.events.session",
    "mato_sessions.events.tool",
    "mato_sessions.events.turn",
    "mato_sessions.grants",
    "mato_sessions.ledger",
    "mato_sessions.packable",
)
"""Modules that decide what the roster makes of the facts."""


class _State(msgspec.Struct):
    catalog: msgspec.Raw
    waiting: msgspec.Raw


class Roster:
    """The catalog and the progress of agents, folded from the same events."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        self.waiting = Waiting()
        self.maker = snapshots.maker(_CODE)
        """Of its snapshots."""
        self._hash = b""
        self._reached: list[tuple[int, asyncio.Future[None]]] = []

    async def load(self, journal: Journal, kept: Snapshot | None = None) -> int:
        """Take up what was kept, if it is of this journal's past; fold what the journal has since.

        Returns how many facts were folded.
        """
        position = facts = 0
        if kept is not None and await _is_past(journal, kept) and self._restore(kept):
            position = kept.position
        while page := await journal.since(position, _PAGE, facts_only=True):
            for event in page:
                self.apply(event)
            facts += len(page)
            position = page[-1].position
        return facts

    def snapshot(self) -> Snapshot:
        """All that is in here now."""
        state = _State(msgspec.Raw(self.catalog.snapshot()), msgspec.Raw(self.waiting.snapshot()))
        return Snapshot(
            self.maker,
            self.catalog.position,
            self._hash.hex(),
            msgspec.Raw(msgspec.json.encode(state)),
        )

    def _restore(self, kept: Snapshot) -> bool:
        """Whether it could be taken up; nothing has changed if not."""
        restored = Catalog()
        progress = Waiting()
        try:
            state = msgspec.json.decode(kept.state, type=_State)
            restored.restore(bytes(state.catalog))
            progress.restore(bytes(state.waiting))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        restored.position = kept.position
        self.catalog, self.waiting = restored, progress
        self._hash = bytes.fromhex(kept.hash)
        return True

    def apply(self, event: Event) -> None:
        """Take in a committed event, position ascending."""
        self._hash = event.hash
        self.catalog.apply(event)
        self.waiting.apply(event)
        while self._reached and self._reached[0][0] <= event.position:
            _, future = self._reached.pop(0)
            if not future.done():
                future.set_result(None)

    async def reached(self, position: int) -> None:
        """Wait until everything up to `position` has been applied."""
        if self.catalog.position < position:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            bisect.insort(self._reached, (position, future), key=lambda one: one[0])
            await future

    def session(self, query: str) -> SessionSummary:
        """The session that a person means.

        Raises:
            UnknownName: none, or several.
        """
        known = {session.id: session.name for session in self.catalog.sessions()}
        found = self.catalog.session(names.find("session", query, known))
        assert found is not None
        return found

    def active(self, query: str) -> SessionSummary:
        """The session that a person means to work in.

        Raises:
            UnknownName: none, or several.
            UsageError: it is archived.
        """
        session = self.session(query)
        if session.archived:
            raise UsageError(
                f"session {session.name!r} is archived; `mato archive {session.name} --undo` takes "
                "it back"
            )
        return session

    def agent(self, session: SessionSummary, query: str) -> AgentSummary:
        """The agent that a person means; the only one of the session where `query` is empty.

        Raises:
            UnknownName: none, or several.
            UsageError: `query` is empty and there is not exactly one.
        """
        if not query:
            living = [agent for agent in session.agents if agent.state != "stopped"]
            candidates = living or session.agents
            if len(candidates) == 1:
                return candidates[0]
            if not candidates:
                raise UsageError(f"session {session.name!r} has no agents")
            listed = ", ".join(repr(agent.name) for agent in candidates)
            raise UsageError(
                f"session {session.name!r} has several agents ({listed}); "
                f"name one as {session.name}:{candidates[0].name}"
            )
        known = {agent.id: agent.name for agent in session.agents}
        found = names.find("agent", query, known)
        return next(agent for agent in session.agents if agent.id == found)

    def agents(self, session: SessionSummary, query: str) -> list[AgentSummary]:
        """The agent that a person means, or all of the session where `query` is empty."""
        return [self.agent(session, query)] if query else list(session.agents)

    def call(self, query: str) -> PendingCall:
        """The waiting call with this id, or with this unique beginning of it.

        Raises:
            UnknownName: no such call waits, or several.
        """
        waiting = {call.call: call for call in self.catalog.pending()}
        if not any(query and key.startswith(query) for key in waiting):
            raise UnknownName(
                f"no call {query!r} waits: it is answered already, its turn has ended, or there "
                "was none; `mato inbox` lists those that wait"
            )
        return waiting[names.find("call", query, dict.fromkeys(waiting, ""))]

    def session_names(self) -> set[str]:
        return {session.name for session in self.catalog.sessions()}


async def _is_past(journal: Journal, kept: Snapshot) -> bool:
    """Whether this journal has the event with which the snapshot ends."""
    at = await journal.since(kept.position - 1, 1)
    return bool(at) and (at[0].position, at[0].hash.hex()) == (kept.position, kept.hash)
