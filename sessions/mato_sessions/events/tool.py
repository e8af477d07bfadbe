"""Facts about a tool call: proposed, started, its output, its end; and checkpoints of files."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from mato_sessions.events.base import BlobRef, Body
from mato_sessions.events.permission import Action

RecoveryPolicy = Literal["idempotent", "probe", "ask"]
"""What a crash in the middle of the call allows: run again; look first; ask a person."""


class ToolProposed(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "tool.proposed"

    call: str
    name: str
    arguments: dict[str, Any]
    """Parsed arguments; empty when they could not be parsed (a `tool.failed` follows)."""
    key: str
    """Idempotency key, the same for every attempt of this call."""
    policy: RecoveryPolicy
    title: str
    """A few words for people: ``read src/app.py``, ``$ make test``."""
    action: Action | None = None
    """What the tool does to the world; None where that was not written down yet."""
    redacted: bool = False
    """A secret was taken out of the arguments: this call never runs from the journal."""


class ToolStarted(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "tool.started"

    call: str
    attempt: int


class OutputStreamed(Body, frozen=True, kw_only=True):
    """Output of a running tool, coalesced like streams of the model; same rule for `offset`."""

    kind: ClassVar[str] = "tool.output_streamed"

    call: str
    attempt: int
    offset: int
    text: str
    pieces: tuple[tuple[int, int], ...] = ()


class ToolFinished(Body, frozen=True, kw_only=True):
    """The tool ran to its end. A command that exits ≠ 0 has finished too."""

    kind: ClassVar[str] = "tool.finished"

    call: str
    attempt: int
    content: str
    """What the model gets."""
    summary: str = ""
    """A few words for people: ``42 lines``, ``exit 1``, ``+3 −1``."""
    diff: str = ""
    """Unified diff of what it changed."""
    output: BlobRef | None = None
    """The whole output where `content` holds only a part."""
    exit_code: int | None = None
    duration_us: int = 0
    private: bool = False
    untrusted: bool = False
    """What the result taints its agent with, where the arguments do not tell."""
    put_back: tuple[str, ...] = ()
    """Protected paths that a command had changed or planted, and that are as before again."""


class ToolFailed(Body, frozen=True, kw_only=True):
    """The tool could not do it; `message` is what the model gets. Also a denied call."""

    kind: ClassVar[str] = "tool.failed"

    call: str
    attempt: int
    """0: it never started."""
    message: str
    cause: Literal["error", "arguments", "denied", "cancelled", "timeout", "limit"] = "error"
    """limit: one of the person's limits, which `message` names."""
    duration_us: int = 0


class ToolUnknown(Body, frozen=True, kw_only=True):
    """It was running when its daemon ended: whether it took effect is not known.

    A person's decision may follow: then it is started again, finished or failed.
    """

    kind: ClassVar[str] = "tool.unknown"

    call: str
    attempt: int
    """0: it had not started, but its arguments held a secret that the record has not."""
    message: str


class FileCheckpointed(Body, frozen=True, kw_only=True):
    """The file as it was before the call wrote it."""

    kind: ClassVar[str] = "file.checkpointed"

    call: str
    path: str
    """Relative to the workspace."""
    before: BlobRef | None
    """None: there was no such file."""
    permissions: int = 0
    """Permission bits (st_mode & 0o7777)."""
    after_sha256: str = ""
    """Of what the call was about to write, 64 hex digits; "" where an older Mato wrote it."""
    redacted: bool = False
    """A secret was taken out of `before`: it is not what the file held."""


class FileContested(Body, frozen=True, kw_only=True):
    """Another agent has changed a file lately that this one changed too."""

    kind: ClassVar[str] = "file.contested"

    path: str
    """Relative to the workspace of the one that changed it last."""
    other: str
    """The other agent's id."""
    by: str
    """Its name, with its session's where that is another one."""


class PlanItem(msgspec.Struct, frozen=True):
    text: str
    status: Literal["pending", "in_progress", "completed"]


class PlanUpdated(Body, frozen=True, kw_only=True):
    """The agent's plan, whole (ACP session/update plan)."""

    kind: ClassVar[str] = "plan.updated"

    items: tuple[PlanItem, ...]


class UsageReported(Body, frozen=True, kw_only=True):
    """Tokens and cost of one model request; `input` includes `cached`, `output` `reasoning`."""

    kind: ClassVar[str] = "usage.reported"

    request: str
    attempt: int
    model: str
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    cost_usd: float | None = None
    """None: the price of this model is not known."""
