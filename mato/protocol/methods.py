"""Every request a client can make: method name, parameters, result.

Requests and their answers are JSON-RPC 2.0. `S` is a session's id or name, `A` an agent's id or
name within its session. A connection begins with ``hello``; anything else before it is refused.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from mato.protocol.deciding import History, HistoryResult
from mato.protocol.granting import Answer, Explain, RevokeGrants
from mato.protocol.keys import ReadKeys
from mato.protocol.observing import (
    Blob,
    BlobResult,
    Events,
    EventsResult,
    Inbox,
    InboxResult,
    Profiles,
    ProfilesResult,
    ProfileSummary,
    Purge,
    PurgeResult,
    Shutdown,
    Status,
    StatusResult,
    Subscribe,
)
from mato.protocol.request import Request
from mato.protocol.steering import Looked, Reconfigure, Wait, WaitResult
from mato.protocol.trusting import FolderStanding, LookAtFolder, TrustedFile, TrustFolder
from mato.protocol.undoing import KillAll, KillAllResult, Undo, UndoFile, UndoResult, UndoTurn
from mato_sessions.catalog import SessionSummary
from mato_sessions.events.agent import Allowance, Limits
from mato_sessions.events.session import Mode, WindowNode


class Welcome(msgspec.Struct, frozen=True):
    """The daemon's side of the handshake."""

    protocol: int
    mato: str
    pid: int
    epoch: int
    position: int
    sandbox: str = ""
    """The tier that commands run in (see `StatusResult`)."""


class Hello(Request, frozen=True, kw_only=True):
    """Must come first. A daemon of another protocol answers with error 8, one sentence."""

    method: ClassVar[str] = "hello"
    Result: ClassVar[Any] = Welcome
    observes: ClassVar[bool] = True

    protocol: int
    mato: str
    client: str
    """What connects: "workspace", "ls" … for the log."""


class AgentWish(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent that a client wants started."""

    profile: str = ""
    """Empty: the built-in one."""
    name: str = ""
    """Empty: the profile's name, numbered where taken."""
    model: str = ""
    base_url: str = ""
    mode: Mode | None = None
    """None: the session's."""
    limits: Limits | None = None
    unconfined: bool = False
    """Its commands may run by its mode alone where there is no sandbox."""
    budget: Allowance = Allowance()
    """Goes before what the settings say of each agent, in both directions."""


class AgentRef(msgspec.Struct, frozen=True):
    id: str
    name: str
    kind: str


class NewSession(Request, frozen=True, kw_only=True):
    """Open a session with its agents; every agent gets `task` as its first prompt, if given."""

    method: ClassVar[str] = "session.new"

    cwd: str
    task: str = ""
    name: str = ""
    mode: Mode | None = None
    agents: tuple[AgentWish, ...] = (AgentWish(),)
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Variables that the profiles name (keys …); held in memory only."""


class NewSessionResult(msgspec.Struct, frozen=True):
    session: str
    name: str
    agents: tuple[AgentRef, ...]
    turns: tuple[str, ...]
    """The first turn of each agent, when there was a task; journaled as started."""


NewSession.Result = NewSessionResult


class ListSessions(Request, frozen=True, kw_only=True):
    method: ClassVar[str] = "session.list"
    observes: ClassVar[bool] = True


class ListSessionsResult(msgspec.Struct, frozen=True):
    sessions: tuple[SessionSummary, ...]
    position: int
    """The listing is exact as of this position: subscribe after it and miss nothing."""


ListSessions.Result = ListSessionsResult


class RenameSession(Request, frozen=True, kw_only=True):
    method: ClassVar[str] = "session.rename"

    session: str
    name: str


class ArchiveSession(Request, frozen=True, kw_only=True):
    """Put a session away, or take it back; refused while an agent of it works or waits."""

    method: ClassVar[str] = "session.archive"

    session: str
    archived: bool = True


class Arrange(Request, frozen=True, kw_only=True):
    """Keep the windows and panes of a session."""

    method: ClassVar[str] = "session.arrange"

    session: str
    windows: tuple[WindowNode, ...]


class Spawn(Request, frozen=True, kw_only=True):
    """Start another agent in a session."""

    method: ClassVar[str] = "agent.spawn"
    Result: ClassVar[Any] = AgentRef

    session: str
    agent: AgentWish
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Prompt(Request, frozen=True, kw_only=True):
    """Send a prompt; answered once its turn is journaled as started."""

    method: ClassVar[str] = "agent.prompt"

    session: str
    agent: str = ""
    """Empty: the session's only agent (else `UsageError` that names them)."""
    text: str
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class PromptResult(msgspec.Struct, frozen=True):
    turn: str


Prompt.Result = PromptResult


class Stop(Request, frozen=True, kw_only=True):
    """End the current turn of an agent, or of all agents of the session."""

    method: ClassVar[str] = "agent.stop"

    session: str
    agent: str = ""


class Kill(Request, frozen=True, kw_only=True):
    """End an agent, or all agents of the session; the record stays."""

    method: ClassVar[str] = "agent.kill"

    session: str
    agent: str = ""


class Resume(Request, frozen=True, kw_only=True):
    """Let paused agents go on: one, those of a session, or all of all sessions."""

    method: ClassVar[str] = "agent.resume"

    session: str = ""
    agent: str = ""
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Handed over to the sessions that it applies to."""
    budget: Allowance = Allowance()
    """What these agents may use from now on, paused or not; only with a `session`."""


class AgentNames(msgspec.Struct, frozen=True):
    agents: tuple[str, ...]
    """Names of the agents that it applied to."""


Stop.Result = AgentNames
Kill.Result = AgentNames
Resume.Result = AgentNames


METHODS: dict[str, type[Request]] = {
    request.method: request
    for request in (
        Hello,
        NewSession,
        ListSessions,
        RenameSession,
        ArchiveSession,
        Arrange,
        Spawn,
        Prompt,
        Stop,
        Kill,
        KillAll,
        Undo,
        Resume,
        Wait,
        Reconfigure,
        Looked,
        Inbox,
        History,
        Answer,
        RevokeGrants,
        Explain,
        ReadKeys,
        Events,
        Blob,
        Purge,
        Subscribe,
        Profiles,
        LookAtFolder,
        TrustFolder,
        Status,
        Shutdown,
    )
}

__all__ = [
    "METHODS",
    "AgentNames",
    "AgentRef",
    "AgentWish",
    "Answer",
    "ArchiveSession",
    "Arrange",
    "Blob",
    "BlobResult",
    "Events",
    "EventsResult",
    "Explain",
    "FolderStanding",
    "Hello",
    "History",
    "HistoryResult",
    "Inbox",
    "InboxResult",
    "Kill",
    "KillAll",
    "KillAllResult",
    "ListSessions",
    "ListSessionsResult",
    "LookAtFolder",
    "Looked",
    "NewSession",
    "NewSessionResult",
    "ProfileSummary",
    "Profiles",
    "ProfilesResult",
    "Prompt",
    "PromptResult",
    "Purge",
    "PurgeResult",
    "ReadKeys",
    "Reconfigure",
    "RenameSession",
    "Request",
    "Resume",
    "RevokeGrants",
    "Shutdown",
    "Spawn",
    "Status",
    "StatusResult",
    "Stop",
    "Subscribe",
    "TrustFolder",
    "TrustedFile",
    "Undo",
    "UndoFile",
    "UndoResult",
    "UndoTurn",
    "Wait",
    "WaitResult",
    "Welcome",
]
