"""Facts about model requests: asked, answered, failed."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from mato_sessions.events.base import BlobRef, Body


class ModelAsked(Body, frozen=True, kw_only=True):
    """A manifest from which the exact request can be rebuilt."""

    kind: ClassVar[str] = "model.asked"

    request: str
    attempt: int
    """From 1; a retry of the same request has the next number."""
    model: str
    base_url: str = ""
    source: str = ""
    parameters: dict[str, Any] = {}  # noqa: RUF012  a struct copies an empty default
    system: BlobRef
    tools: BlobRef
    """Canonical JSON of the tool schemas, in the order sent."""
    messages: tuple[int, ...]
    """seq of the events that the messages were made from, in order (prompts, answers, results)."""


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool call as the model wrote it; see `mato.models.base.CallRequest`."""

    call: str
    name: str
    arguments: str
    redacted: bool = False
    """A secret was taken out of the arguments: this call never runs from the journal."""


class ModelAnswered(Body, frozen=True, kw_only=True):
    """The whole answer. It supersedes the streamed pieces with the same request and attempt."""

    kind: ClassVar[str] = "model.answered"

    request: str
    attempt: int
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str
    first_us: int
    """From the request to its first chunk."""
    latency_us: int
    """From the request to its end."""


INTERRUPTED = "interrupted"
"""Fault of an attempt that its daemon's end cut: what was streamed of it is kept."""


class ModelFailed(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "model.failed"

    request: str
    attempt: int
    fault: str
    """One of `mato.models.base.Fault`, or `INTERRUPTED`."""
    message: str
    retry_in_s: float | None = None
    """When it is asked again. None: it is not, the turn ends."""
    retry_after_s: float | None = None
    """What the endpoint asked for."""
