"""Paused agents go on, and what a person lets agents use from now on."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict, replace

from mato.daemon.supervisor import Supervisor
from mato.protocol.methods import Resume
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import UsageError
from mato_sessions.events import AgentReconfigured, Draft
from mato_sessions.events.agent import Allowance
from mato_sessions.kinship import descendants


async def resume(agents: Supervisor, request: Resume) -> list[str]:
    """Let paused agents go on, an agent together with those under it; returns who was paused.

    Raises:
        UsageError: a budget without a session, or one that is used up still.
    """
    roster = agents.roster
    if request.session:
        sessions = [roster.session(request.session)]
    elif request.budget == Allowance():
        sessions = roster.catalog.sessions()
    else:
        raise UsageError("a budget is given to the agents of one session; name it")
    resumed: list[str] = []
    refusals: list[UsageError] = []
    for session in sessions:
        chosen = roster.agents(session, request.agent)
        agents.hand_over(session.id, request.env)
        if request.budget != Allowance():
            await _allow(agents, session, chosen, request.budget)
        if request.agent:
            chosen += descendants(session.agents, chosen[0])
        try:
            names = await agents.resume(session, chosen)
        except UsageError as error:
            refusals.append(error)  # the other sessions go on all the same
            continue
        resumed += [f"{session.name}:{name}" for name in names]
    if refusals and not resumed:
        raise refusals[0]
    return resumed


async def _allow(
    agents: Supervisor, session: SessionSummary, chosen: Sequence[AgentSummary], budget: Allowance
) -> None:
    """Give agents another budget; what it does not say stays as it was."""
    living = [agent for agent in chosen if agent.state != "stopped"]
    if not living:
        raise UsageError("agents that have ended use nothing more; `mato new` starts others")
    said = {name: amount for name, amount in asdict(budget).items() if amount is not None}
    await agents.record(
        *(
            Draft(
                session=session.id,
                agent=agent.id,
                body=AgentReconfigured(budget=replace(agent.budget, **said)),
            )
            for agent in living
        )
    )
