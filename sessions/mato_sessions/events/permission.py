"""Facts about permissions: asked, answered."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from mato_sessions.events.base import Body

Action = Literal["read", "write", "execute", "note"]
"""What a tool does to the world. note: it only changes the agent's own record (plan)."""


Question = Literal["permission", "recovery"]
"""permission: may it run? recovery: it was cut off; what is to become of it?"""

Decision = Literal["done", "again", "give_up"]
"""Answers to a recovery: it took effect; run it once more; neither, go on without it."""


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


class PermissionAnswered(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "permission.answered"

    call: str
    allowed: bool
    """Whether it runs now."""
    by: Literal["person", "mode", "cancel"]
    """mode: the session's mode decided without asking. cancel: the turn ended while it waited."""
    rule: str
    """For people: why ("mode ask: reads run", "approved in the pane", "denied by mato deny")."""
    decision: Decision | None = None
    """The answer to a recovery; None where the turn ended first."""
