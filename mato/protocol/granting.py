"""Requests about what people have allowed: answers, grants, and who decided what."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from mato.protocol.request import Request
from mato_sessions.audit import Decided
from mato_sessions.events.permission import Action, Decision, Scope
from mato_sessions.events.session import Mode

GRANTED_S = 8 * 3600.0
"""How long a grant holds where nobody says how long."""


class Answer(Request, frozen=True, kw_only=True):
    """Allow or deny a waiting call."""

    method: ClassVar[str] = "inbox.answer"

    call: str
    """The call's id, or a unique beginning of it."""
    allowed: bool
    rule: str
    """For the record: "approved in the pane", "denied by mato deny" …"""
    decision: Decision | None = None
    """Of a call that was cut off. None: `allowed` says it (again, or give up)."""
    scope: Scope = "once"
    """session: the agent may also do what `PendingCall.lasting` says, without being asked. Refused
    where that is empty."""
    for_s: float = GRANTED_S
    """Of `session`: how long."""


class RevokeGrants(Request, frozen=True, kw_only=True):
    """Take a grant back, or with `grant` empty all there are; from then on those calls ask."""

    method: ClassVar[str] = "grant.revoke"

    grant: str = ""
    """Its id, or a unique beginning of it."""
    by: str
    """For the record: "revoked by mato grants" …"""


class RevokeResult(msgspec.Struct, frozen=True):
    grants: tuple[str, ...]
    """Those that do not hold any more."""


RevokeGrants.Result = RevokeResult


class ExplainResult(msgspec.Struct, frozen=True, kw_only=True):
    """A call, what was decided about it, and what would be decided now."""

    call: str
    session: str
    session_name: str
    agent: str
    agent_name: str
    tool: str
    action: Action
    resource: str
    decided: tuple[Decided, ...]
    """Oldest first; none while it waits."""
    effect: Literal["allow", "ask", "deny"]
    """Now, as are all that follow."""
    rule: str
    mode: Mode
    tier: str
    private: bool
    untrusted: bool
    """What the agent has seen by now, together with what the call itself would see."""
    lasting: str
    """What a yes for the session would cover; "" where it would not ask, or be for this once."""
    command: str
    """Of a command line: what the judge says of it."""


class Explain(Request, frozen=True, kw_only=True):
    """What was decided about a call of any age, and what would be now; nothing is run."""

    method: ClassVar[str] = "permission.explain"
    Result: ClassVar[Any] = ExplainResult
    observes: ClassVar[bool] = True

    call: str
    """Its id, or a unique beginning of it."""
