"""What people answer, and what they allow for longer than one call: given, in force, taken back."""

from __future__ import annotations

import math

from mato.daemon import names
from mato.daemon.standing import in_force
from mato.daemon.supervisor import Supervisor
from mato.protocol.granting import Answer, RevokeGrants, RevokeResult
from mato_sessions.catalog import PendingCall
from mato_sessions.clock import Clock
from mato_sessions.errors import UnknownName, UsageError
from mato_sessions.events import Draft, PermissionGranted, PermissionRevoked
from mato_sessions.ids import Ids

_LONGEST_S = 30 * 86_400.0


async def answer(agents: Supervisor, clock: Clock, ids: Ids, request: Answer) -> None:
    """Answer a waiting call.

    Raises:
        UnknownName: no such call waits.
        UsageError: the call can only be allowed once, or not for so long.
    """
    call = agents.roster.call(request.call)
    granted = None
    if request.scope == "session":
        _check(request, call)
        granted = PermissionGranted(
            grant=ids.grant(),
            call=call.call,
            action=call.action,
            patterns=call.patterns,
            words=call.lasting,
            by=request.rule,
            expires_us=clock.wall_us() + int(request.for_s * 1_000_000),
        )
    branch = agents.branch(call.session, call.agent)
    await branch.ask(
        lambda living: living.answer(
            call.call, request.allowed, request.rule, request.decision, granted
        )
    )


def _check(request: Answer, call: PendingCall) -> None:
    if not request.allowed or request.decision is not None or call.question != "permission":
        raise UsageError("only a yes to a call that waits for permission can hold for the session")
    if not call.patterns:
        raise UsageError(f"call {call.call!r} can only be allowed once: {_why(call)}")
    if not (math.isfinite(request.for_s) and 1 <= request.for_s <= _LONGEST_S):
        raise UsageError("a grant holds from 1 second to 30 days; give such a time")


def _why(call: PendingCall) -> str:
    if call.why and not call.why.startswith("mode "):
        return call.why
    return "what it does is not understood well enough to allow others like it"


async def revoke(agents: Supervisor, clock: Clock, request: RevokeGrants) -> RevokeResult:
    """Take a grant back, or all; when this returns no call is allowed by them any more.

    Raises:
        UnknownName: no such grant is in force, or several begin so.
    """
    held = {
        grant.grant: (session.id, agent.id)
        for session in agents.roster.catalog.sessions()
        for agent in session.agents
        for grant in in_force(agent, clock)
    }
    if request.grant:
        if not any(key.startswith(request.grant) for key in held):
            raise UnknownName(
                f"no grant {request.grant!r} is in force: it has run out, was taken back, or there"
                " was none; `mato grants` lists those that are"
            )
        held = {key: held[key] for key in [names.find("grant", request.grant, _unnamed(held))]}
    drafts = [
        Draft(session=session, agent=agent, body=PermissionRevoked(grant=grant, by=request.by))
        for grant, (session, agent) in held.items()
    ]
    if drafts:
        await agents.record(*drafts)
    return RevokeResult(tuple(held))


def _unnamed(held: dict[str, tuple[str, str]]) -> dict[str, str]:
    return dict.fromkeys(held, "")
