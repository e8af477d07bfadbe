"""Facts about permissions: asked, answered, granted for longer, and taken back."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from mato_sessions.events.base import Body

Action = Literal["read", "write", "execute", "reach", "spawn", "note"]
"""What a tool does to the world. reach: it asks somebody outside (the web, a server of tools), who
learns what is asked and whose answer a stranger may have written. spawn: it starts another agent,
which may do no more than the one that starts it. note: it only changes the agent's own record
(plan)."""


Question = Literal["permission", "recovery"]
"""permission: may it run? recovery: it was cut off; what is to become of it?"""

Decision = Literal["done", "again", "give_up"]
"""Answers to a recovery: it took effect; run it once more; neither, go on without it."""


TIMED_OUT = "time-out"
"""Rule of an answer that the daemon gives because nobody else did."""

Scope = Literal["once", "session"]
"""How far a person's yes reaches: this call, or all of the agent that are like it."""

By = Literal["person", "mode", "rule", "grant", "killed", "cancel", "timeout"]
"""mode, rule, grant: what decided without asking. killed: the agent is being ended. cancel: the
turn ended while the call waited. timeout: nobody answered in time."""


class Pattern(msgspec.Struct, frozen=True):
    """What a grant covers, besides what only looks."""

    kind: Literal["command", "line", "tests", "file", "folder", "reach"]
    """command: one with its sub-command, whatever its arguments. line: exactly this one.
    tests: the project's own tests and builds, where the sandbox holds them. folder: the files in
    it and below. reach: one tool of a server, or one site, whatever it is asked."""
    name: str = ""
    """``git commit``, the line, the path relative to the workspace, or ``mcp:github/search``."""


class PermissionAsked(Body, frozen=True, kw_only=True):
    """A person has to decide. The call waits."""

    kind: ClassVar[str] = "permission.asked"

    call: str
    tool: str
    action: Action
    resource: str
    """What it is about: the path, the command line."""
    arguments: dict[str, Any]
    preview: str = ""
    """A diff of what would change, where that can be said before."""
    question: Question = "permission"
    decisions: tuple[Decision, ...] = ()
    """What a recovery can be answered with."""
    why: str = ""
    """For people: what made it ask ("mode ask: writes ask")."""
    private: bool = False
    """Whether the agent may have seen what must not leave this machine."""
    untrusted: bool = False
    """Whether the agent may have read what strangers wrote."""
    patterns: tuple[Pattern, ...] = ()
    """What a yes for the session would cover; none: this call can only be allowed once."""
    lasting: str = ""
    """The same for people: "pytest, make lint, with any arguments"."""


class PermissionAnswered(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "permission.answered"

    call: str
    allowed: bool
    """Whether it runs now."""
    by: By
    rule: str
    """For people: why ("mode ask: reads run", "approved in the pane", "denied by mato deny")."""
    decision: Decision | None = None
    """The answer to a recovery; None where the turn ended first."""
    private: bool = False
    untrusted: bool = False
    """The agent's marks as they counted; of a call that was asked about, see there."""
    grant: str = ""
    """Of the grant that allowed it, or that was given with this answer."""


class PermissionGranted(Body, frozen=True, kw_only=True):
    """A person allowed the agent more than one call."""

    kind: ClassVar[str] = "permission.granted"

    grant: str
    call: str
    """The call that was asked about."""
    action: Action
    patterns: tuple[Pattern, ...]
    words: str
    """The patterns for people, as they were shown."""
    by: str
    """Who gave it ("approved in the pane")."""
    expires_us: int
    """Wall clock, µs since 1970."""


class PermissionRevoked(Body, frozen=True, kw_only=True):
    """A grant covers nothing any more."""

    kind: ClassVar[str] = "permission.revoked"

    grant: str
    by: str
    """Who took it back ("revoked by mato grants")."""
