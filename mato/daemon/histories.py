"""Reads an agent's history from the journal: how it began, and all that came of it."""

from __future__ import annotations

from mato_sessions.errors import JournalBroken, UsageError
from mato_sessions.events import AgentSpawned, Event, Purged
from mato_sessions.journal import Journal

_PAGE_EVENTS = 1000


async def history(journal: Journal, session: str, agent: str) -> tuple[AgentSpawned, list[Event]]:
    """How the agent began, and all its events."""
    spawned: AgentSpawned | None = None
    history: list[Event] = []
    after = 0
    while page := await journal.events(session, after, limit=_PAGE_EVENTS):
        for event in page:
            if isinstance(event.body, Purged):
                raise UsageError(
                    "what was said and done in this session has been purged, so no agent can go on "
                    "in it; `mato new` opens another"
                )
            if event.agent == agent:
                history.append(event)
                if isinstance(event.body, AgentSpawned):
                    spawned = event.body
        after = page[-1].seq
    if spawned is None:
        raise JournalBroken(f"the journal does not say how agent {agent!r} began; it cannot go on")
    return spawned, history
