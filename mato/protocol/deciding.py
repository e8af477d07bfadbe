"""Requests about decisions: what has been allowed and rejected, and why."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from mato.protocol.request import Request
from mato_sessions.events.permission import Decision


class History(Request, frozen=True, kw_only=True):
    """The newest decisions about tool calls of all sessions, or of one."""

    method: ClassVar[str] = "inbox.history"
    observes: ClassVar[bool] = True

    session: str = ""
    limit: int = 200
    """At most 1000."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, as it is on record."""

    call: str
    session: str
    session_name: str
    agent: str
    agent_name: str
    tool: str
    resource: str
    """What it was about, else the call's title."""
    allowed: bool
    by: str
    """Who decided; see `events.permission.PermissionAnswered`."""
    rule: str
    """Why, for people."""
    decision: Decision | None = None
    asked_us: int = 0
    """When a person was asked, wall clock; 0: nobody was."""
    at_us: int
    position: int


class HistoryResult(msgspec.Struct, frozen=True):
    decisions: tuple[Decided, ...]
    """Newest first."""
    complete: bool
    """Whether there are no older ones."""


History.Result = HistoryResult
