"""`mato kill --all`: every agent ends for good, and every process that one started, at once."""

from __future__ import annotations

import asyncio

from mato.daemon.carrying import together
from mato.daemon.epitaph import epitaph
from mato.daemon.supervisor import Supervisor
from mato.processes import ChildRecords
from mato.protocol.undoing import KillAllResult
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import UsageError
from mato_sessions.journal import Journal

_KILLED = "ended by a person, with all others"


async def kill_all(journal: Journal, agents: Supervisor, records: ChildRecords) -> KillAllResult:
    """End every agent and process; until that is done nothing begins.

    Raises:
        UsageError: it is being done already.
    """
    if agents.killing:
        raise UsageError("everything is being ended already")
    agents.killing = True
    # Agents are told first, so that none takes the death of a command for its result.
    ends = [
        asyncio.ensure_future(_end(journal, agents, session, agent))
        for session in agents.roster.catalog.sessions()
        for agent in session.agents
        if agent.state != "stopped"
    ]
    try:
        await asyncio.sleep(0)
        await asyncio.to_thread(records.end_all)
        names = await together(ends)
        # What was about to be started when the first round looked.
        return KillAllResult(tuple(names), await asyncio.to_thread(records.end_all))
    finally:
        agents.killing = False


async def _end(
    journal: Journal, agents: Supervisor, session: SessionSummary, agent: AgentSummary
) -> str:
    if agents.living(agent.id) is not None:
        await agents.kill(session, [agent])
    else:
        # One that does not live runs nothing; it is not made only to be ended.
        calls = await journal.calls(session.id, open_only=True) if agent.turn else []
        await agents.record(*epitaph(session.id, agent, calls, _KILLED))
        agents.forget(session.id, agent.id)
    return f"{session.name}:{agent.name}"
