"""Facts about an agent: spawned, reconfigured, its state, its end."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from mato_sessions.events.base import Body
from mato_sessions.events.session import Mode

AgentState = Literal["starting", "idle", "working", "blocked", "done", "failed", "stopped"]
"""done: the last turn ended and nobody has looked yet. blocked: waits for a person.
failed: the last turn ended badly. stopped: the agent has ended for good."""

ANSWERS = "the model answers"
"""Evidence of an agent that works on, when what it waited for before is over."""

AgentKind = Literal["native"]


_Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
_Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000_000)]


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ends a turn with a reason. None: no such limit."""

    model_calls: _Count | None = 50
    """Model requests in one turn."""
    tokens: _Count | None = None
    """Input + output tokens in one turn."""
    cost_usd: _Amount | None = None
    """In one turn."""
    wall_s: _Amount | None = None
    """Of one turn, waiting for a person not counted."""


class LaunchSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is needed to start the agent again."""

    profile: str
    model: str
    base_url: str = ""
    model_source: str = ""
    mode: Mode = "ask"
    cwd: str = ""
    env_names: tuple[str, ...] = ()
    """Variables that the client hands over; values are never journaled."""
    limits: Limits = Limits()
    prompt: str = ""
    """The profile's own system prompt."""
    tools: tuple[str, ...] = ()
    """Names of the tools it has."""


class AgentSpawned(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "agent.spawned"

    name: str
    """Unique within the session."""
    agent_kind: AgentKind
    spec: LaunchSpec


class AgentStateChanged(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "agent.state_changed"

    state: AgentState
    evidence: str
    """What showed it, in a few words ("turn ended: end_turn", "asks: shell")."""


class AgentReconfigured(Body, frozen=True, kw_only=True):
    """The model or mode for the turns from now on. Fields left out stay as they were."""

    kind: ClassVar[str] = "agent.reconfigured"

    model: str | None = None
    base_url: str | None = None
    model_source: str | None = None
    mode: Mode | None = None


class AgentExited(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "agent.exited"

    reason: str
