"""What listings show: a session, its agents, and the calls that wait for a person."""

from __future__ import annotations

from typing import Any

import msgspec

from mato_sessions.events.agent import AgentState, Allowance
from mato_sessions.events.foreign import Option, SlashCommand
from mato_sessions.events.permission import Action, Decision, Pattern, Question
from mato_sessions.events.session import Mode, WindowNode
from mato_sessions.grants import Grant
from mato_sessions.spending import Spent


class PendingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that waits for a person."""

    call: str
    session: str
    agent: str
    agent_name: str
    turn: str | None
    tool: str
    action: Action
    resource: str
    arguments: dict[str, Any]
    """As asked; integers beyond 64 bits as text, because msgpack has none."""
    preview: str
    question: Question = "permission"
    """recovery: it was cut off by a daemon's end, and what became of it is not known."""
    decisions: tuple[Decision, ...] = ()
    """What a recovery can be answered with."""
    why: str = ""
    private: bool = False
    untrusted: bool = False
    patterns: tuple[Pattern, ...] = ()
    lasting: str = ""
    """See `PermissionAsked`."""
    at_us: int
    """When it was asked, wall clock."""
    position: int


class AgentSummary(msgspec.Struct, kw_only=True):
    """An agent as listings show it."""

    id: str
    name: str
    kind: str
    state: AgentState = "starting"
    evidence: str = ""
    since_us: int
    """When the state began, wall clock."""
    profile: str = ""
    model: str = ""
    model_source: str = ""
    base_url: str = ""
    mode: Mode = "ask"
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    """Tokens; `input` includes `cached`, `output` includes `reasoning`."""
    cost_usd: float = 0.0
    unpriced: int = 0
    """Requests whose price is not known; see `ledger.Total`."""
    spent: Spent = msgspec.field(default_factory=Spent)
    today: Spent = msgspec.field(default_factory=Spent)
    """The same of the day `day` alone, the newest in which it used anything."""
    day: int = 0
    """See `spending.day_of`."""
    budget: Allowance = Allowance()
    """What a person said about it, before what the settings say."""
    counted_us: int = 0
    """See `spending.Spender`."""
    turn: str | None = None
    """The turn that runs."""
    turn_at_us: int = 0
    """When it started, wall clock."""
    queued: list[str] = []
    """Turns that wait, oldest first."""
    pending: list[PendingCall] = []
    """Oldest first."""
    grants: list[Grant] = []
    """Oldest first; some may have expired (`grants.standing`)."""
    parent: str = ""
    """The agent that started it; "" where a person did."""
    depth: int = 0
    """How many agents stand between it and a person."""
    spawned_seq: int = 0
    """Of the event that says how it began."""
    call: str = ""
    """The parent's call that started it."""
    task: str = ""
    """The turn of the parent's task."""
    program: str = ""
    """Name and version of the program that is the agent, as it says."""
    decides: bool = False
    """It has acted without asking."""
    options: tuple[Option, ...] = ()
    commands: tuple[SlashCommand, ...] = ()
    """What a program with an agent of its own offers."""


class SessionSummary(msgspec.Struct, kw_only=True):
    """A session as listings show it."""

    id: str
    name: str = ""
    cwd: str = ""
    created_us: int
    last_us: int
    """Of its newest fact, wall clock."""
    mode: Mode = "ask"
    trusted: bool = False
    archived: bool = False
    """Put away by a person: listed apart, and takes no prompts."""
    windows: tuple[WindowNode, ...] = ()
    agents: list[AgentSummary] = []
    """In the order they were spawned."""
    seq: int = 0
    position: int = 0
    """Of the newest fact that is in here."""
