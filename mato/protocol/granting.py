"""Requests about what people have allowed: answers, grants, and who decided what."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from mato.protocol.request import Request
from mato_sessions.events.permission import Decision, Scope

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
