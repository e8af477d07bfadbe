"""The vocabulary: every kind of event that this Mato can write, and the envelope around it."""

from __future__ import annotations

import msgspec

from mato_sessions.events.agent import (
    AgentExited,
    AgentReconfigured,
    AgentSpawned,
    AgentStateChanged,
)
from mato_sessions.events.base import BlobRef, Body, Purged, Unknown
from mato_sessions.events.foreign import (
    AgentConnected,
    AgentDecided,
    AgentOffered,
    EvidenceKept,
    ToolDescribed,
    UnknownSaid,
)
from mato_sessions.events.model import ModelAnswered, ModelAsked, ModelFailed
from mato_sessions.events.permission import (
    PermissionAnswered,
    PermissionAsked,
    PermissionGranted,
    PermissionRevoked,
)
from mato_sessions.events.session import (
    SessionArchived,
    SessionArranged,
    SessionOpened,
    SessionRenamed,
)
from mato_sessions.events.stream import ArgumentsStreamed, ReasoningStreamed, TextStreamed
from mato_sessions.events.tool import (
    FileCheckpointed,
    FileContested,
    OutputStreamed,
    PlanUpdated,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
    UsageReported,
)
from mato_sessions.events.turn import (
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    TurnUndone,
)

KINDS: dict[str, type[Body]] = {
    body.kind: body
    for body in (
        SessionOpened,
        SessionRenamed,
        SessionArranged,
        SessionArchived,
        AgentSpawned,
        AgentStateChanged,
        AgentReconfigured,
        AgentConnected,
        AgentOffered,
        AgentDecided,
        UnknownSaid,
        EvidenceKept,
        AgentExited,
        TurnQueued,
        TurnReturned,
        TurnPrompted,
        TurnEnded,
        TurnUndone,
        ModelAsked,
        ModelAnswered,
        ModelFailed,
        ReasoningStreamed,
        TextStreamed,
        ArgumentsStreamed,
        ToolProposed,
        ToolDescribed,
        ToolStarted,
        OutputStreamed,
        ToolFinished,
        ToolFailed,
        ToolUnknown,
        FileCheckpointed,
        FileContested,
        PermissionAsked,
        PermissionAnswered,
        PermissionGranted,
        PermissionRevoked,
        PlanUpdated,
        UsageReported,
    )
}
"""Body type of each kind, in its newest version."""

STREAMED: frozenset[str] = frozenset(
    {"reasoning.streamed", "text.streamed", "arguments.streamed", "tool.output_streamed"}
)
"""Kinds that carry pieces of a stream; all others are single facts."""


# Neither can be part of a cycle; so many come and go that the collector is spared them.
class Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fact on its way into the journal; the writer gives it seq, position, epoch and hash."""

    session: str
    body: Body
    agent: str | None = None
    turn: str | None = None
    cause: int | None = None
    """seq, in the same session, of what led to it."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A committed fact: the envelope and its body."""

    position: int
    """Ascending over all sessions; the cursor of listings and inbox."""
    session: str
    seq: int
    """From 1, no gaps, per session."""
    at_us: int
    """Wall clock, for people; may jump."""
    mono_us: int
    """For durations and pace, within one `boot`."""
    boot: str
    epoch: int
    agent: str | None
    turn: str | None
    cause: int | None
    kind: str
    version: int
    body: Body
    hash: bytes
    """32 bytes; chains to the previous event of the session."""


__all__ = [
    "KINDS",
    "STREAMED",
    "AgentConnected",
    "AgentDecided",
    "AgentExited",
    "AgentOffered",
    "AgentReconfigured",
    "AgentSpawned",
    "AgentStateChanged",
    "ArgumentsStreamed",
    "BlobRef",
    "Body",
    "Draft",
    "Event",
    "EvidenceKept",
    "FileCheckpointed",
    "ModelAnswered",
    "ModelAsked",
    "ModelFailed",
    "OutputStreamed",
    "PermissionAnswered",
    "PermissionAsked",
    "PermissionGranted",
    "PermissionRevoked",
    "PlanUpdated",
    "Purged",
    "ReasoningStreamed",
    "SessionArchived",
    "SessionArranged",
    "SessionOpened",
    "SessionRenamed",
    "TextStreamed",
    "ToolDescribed",
    "ToolFailed",
    "ToolFinished",
    "ToolProposed",
    "ToolStarted",
    "ToolUnknown",
    "TurnEnded",
    "TurnPrompted",
    "TurnQueued",
    "TurnReturned",
    "TurnUndone",
    "Unknown",
    "UnknownSaid",
    "UsageReported",
]
