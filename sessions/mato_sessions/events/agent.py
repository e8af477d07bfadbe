"""Facts about an agent: spawned, reconfigured, its state, its end."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

import msgspec

from mato_sessions.events.base import Body
from mato_sessions.events.session import Mode

AgentState = Literal["starting", "idle", "working", "blocked", "done", "failed", "stopped"]
"""done: the last turn ended and nobody has looked yet. blocked: waits for a person.
failed: the last turn ended badly. stopped: the agent has ended for good."""

ANSWERS = "the model answers"
"""Evidence of an agent that works on, when what it waited for before is over."""

PAUSED = "paused: "
"""How the evidence of an agent begins that a person has to let go on; the reason follows."""

STOPS = "the daemon stops; the next one goes on"
"""A reason that needs nobody."""

_SILENCE = re.compile(r"(?P<what>.+) \(since (?P<since_s>\d{1,9}(\.\d{1,6})?) s\)", re.DOTALL)

AgentKind = Literal["native", "acp", "terminal"]
"""native: Mato's own. acp: a child that speaks the Agent Client Protocol. terminal: any program."""


def silent(what: str, since_s: float) -> str:
    """Evidence of an agent whose model has said nothing for so long, waiting for `what`."""
    return f"{what} (since {since_s:g} s)"


def silence(evidence: str) -> tuple[str, float] | None:
    """What is waited for and since when, where evidence was made by `silent`."""
    found = _SILENCE.fullmatch(evidence)
    return None if found is None else (found["what"], float(found["since_s"]))


_Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
_Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000_000)]


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ends a turn with a reason, or an attempt to get an answer. None: no such limit."""

    model_calls: _Count | None = 50
    """Model requests in one turn."""
    tokens: _Count | None = None
    """Input + output tokens in one turn."""
    cost_usd: _Amount | None = None
    """In one turn."""
    wall_s: _Amount | None = None
    """Of one turn, waiting for a person not counted."""
    first_chunk_s: _Amount = 300.0
    """Silence before the first piece of an answer, after which the model is asked again."""
    silence_s: _Amount = 120.0
    """The same in the middle of an answer."""


class Allowance(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a person lets an agent use in all its life; it goes before the settings' [budget.agent].
    None: what the settings say.
    """

    cost_usd: _Amount | None = None
    tokens: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000_000)] | None = None
    """Input + output."""
    model_calls: _Count | None = None
    wall_s: _Amount | None = None
    """Of its turns, pauses not counted."""
    depth: Annotated[int, msgspec.Meta(ge=0, le=8)] | None = None
    """How many agents may stand between it and those that are started under it."""


class Hole(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an agent's processes may reach besides their workspace, as its profile names it."""

    read: tuple[str, ...] = ()
    """Files and folders, absolute or from ``~/``."""
    write: tuple[str, ...] = ()
    """The same; one with a ``/`` at its end is made where it is missing."""
    network: tuple[str, ...] = ()
    """Hosts, as ``name`` (ports 443 and 80) or ``name:port``."""
    env: tuple[str, ...] = ()
    """Variables."""


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
    unconfined: bool = False
    """A person said that its commands may run by the mode alone where there is no sandbox."""
    argv: tuple[str, ...] = ()
    """The program that is the agent, where it is one of its own."""
    flags: tuple[str, ...] = ()
    """What is to be known about that program; each kind has words of its own."""
    foreign: str = ""
    """The program's own name of a session that it is to join from its start (see
    `AgentConnected` for those that it opens)."""
    hole: Hole = Hole()
    """What of the machine is open to its processes; shown before its first start."""
    mcp: tuple[str, ...] | None = None
    """Names of the MCP servers whose tools it has; None: all that a person agreed to."""
    budget: Allowance = Allowance()


class AgentSpawned(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "agent.spawned"

    name: str
    """Unique within the session."""
    agent_kind: AgentKind
    spec: LaunchSpec
    parent: str = ""
    """The agent that started it; "" where a person did. The fields below are of such agents."""
    depth: int = 0
    """How many agents stand between it and a person."""
    above: tuple[str, ...] = ()
    """The names of those, the nearest first."""
    call: str = ""
    """The parent's call: one call starts one agent."""
    task: str = ""
    """The turn of its task, queued together with this."""
    private: bool = False
    untrusted: bool = False
    """The taints of its parent when it started."""


class AgentStateChanged(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "agent.state_changed"

    state: AgentState
    evidence: str
    """What showed it, in a few words ("turn ended: end_turn", "asks: shell")."""


class AgentReconfigured(Body, frozen=True, kw_only=True):
    """The model, mode or budget from now on. Fields left out stay as they were."""

    kind: ClassVar[str] = "agent.reconfigured"

    model: str | None = None
    base_url: str | None = None
    model_source: str | None = None
    mode: Mode | None = None
    budget: Allowance | None = None
    """Its whole budget, not only what is raised."""


class AgentExited(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "agent.exited"

    reason: str
