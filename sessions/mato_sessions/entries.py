"""What a transcript is made of: the entries that a person reads, oldest first.

The fold in `transcript` makes and changes them; views only read them. `revision` grows with each
change of an entry, so that a view knows what to draw again.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mato_sessions.events.base import BlobRef
from mato_sessions.events.permission import Decision, Question
from mato_sessions.events.tool import PlanItem


class Entry(msgspec.Struct, kw_only=True):
    """What all entries share."""

    key: str
    """Unique in the transcript and the same in live view and replay."""
    seq: int
    """Of the event that made it; 0 while only live deltas have."""
    turn: str | None
    at_us: int
    revision: int = 0


class PromptEntry(Entry, tag="prompt", kw_only=True):
    """What a person sent."""

    text: str
    status: Literal["queued", "sent", "returned"]
    note: str = ""
    """Why it was returned."""


class ReasoningEntry(Entry, tag="reasoning", kw_only=True):
    text: str
    open: bool
    """More may come."""
    started_us: int = 0
    ended_us: int = 0
    """mono_us of first and last piece."""


class TextEntry(Entry, tag="text", kw_only=True):
    text: str
    open: bool
    partial: bool = False
    """It was cut off: by a stop, a fault or the daemon's end."""


class CallEntry(Entry, tag="call", kw_only=True):
    """A tool call from its first streamed argument to its end."""

    call: str
    name: str
    title: str
    status: Literal[
        "writing", "proposed", "waiting", "running", "finished", "failed", "denied", "unknown"
    ]
    """writing: its arguments are being streamed. waiting: a person has to decide."""
    arguments: dict[str, Any] = {}
    arguments_text: str = ""
    """The streamed argument text, while `status` is writing."""
    resource: str = ""
    preview: str = ""
    question: Question = "permission"
    """While waiting: may it run, or what became of it when it was cut off."""
    decisions: tuple[Decision, ...] = ()
    decided: str = ""
    """The rule or person that decided (PermissionAnswered.rule)."""
    why: str = ""
    private: bool = False
    untrusted: bool = False
    lasting: str = ""
    """While waiting; see `PermissionAsked`."""
    output: str = ""
    """What it has printed so far; its last 64 KiB while it runs, the tool's content afterwards."""
    summary: str = ""
    diff: str = ""
    whole: BlobRef | None = None
    exit_code: int | None = None
    started_us: int = 0
    """mono_us of the start of its latest attempt; 0 before."""
    duration_us: int = 0


class PlanEntry(Entry, tag="plan", kw_only=True):
    """The newest plan of a turn, changed in place."""

    items: tuple[PlanItem, ...]


class NoticeEntry(Entry, tag="notice", kw_only=True):
    """What Mato has to say: a retry, a model switched, an unknown event."""

    level: Literal["info", "warning", "error"]
    text: str


class TurnEndEntry(Entry, tag="end", kw_only=True):
    """The end of a turn."""

    reason: str
    detail: str
    duration_us: int


AnyEntry = (
    PromptEntry | ReasoningEntry | TextEntry | CallEntry | PlanEntry | NoticeEntry | TurnEndEntry
)
