"""What a model is to Mato: a request, a stream of chunks, one kind of fault.

Every source of answers (litellm, the embedded model, a script, a recording) is a `Model`. The
structs double as the wire format between the daemon and model processes (`mato.models.wire`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, Protocol

import msgspec

from mato_sessions.errors import MatoError

Fault = Literal[
    "auth",  # the key is missing or wrong
    "not_found",  # no such model at this endpoint
    "rate_limit",  # 429, see `retry_after_s`
    "server",  # 5xx, overloaded
    "timeout",  # no answer, or a stall in the middle of one
    "cut",  # the stream ended before its finish
    "unreachable",  # nothing listens at the endpoint
    "context",  # the conversation is longer than the model takes
    "refused",  # any other 4xx: the endpoint does not take the request
    "process",  # the model process died
]
RETRIED: frozenset[Fault] = frozenset(
    {"rate_limit", "server", "timeout", "cut", "unreachable", "process"}
)
"""Faults that may pass by themselves. The others end the turn at once."""

Finish = Literal["stop", "tool_calls", "length", "refusal"]


class ModelFault(MatoError):
    """A model did not answer. `str()` is one sentence with what to change."""

    def __init__(self, fault: Fault, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault: Fault = fault
        self.retry_after_s = retry_after_s
        """What the endpoint asked for (Retry-After), in seconds."""


class CallRequest(msgspec.Struct, frozen=True):
    """A tool call as the model wrote it."""

    call: str
    """Mato's own call id; the provider's never leaves the model client."""
    name: str
    arguments: str
    """The argument text, normally a JSON object; kept as it came even when malformed."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the conversation, in the chat-completions shape."""

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    calls: tuple[CallRequest, ...] = ()
    """Only of an assistant."""
    call: str = ""
    """Only of a tool result: the call that it answers."""


class ToolSchema(msgspec.Struct, frozen=True):
    """A tool as the model sees it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of the arguments, an object."""


class ModelChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which model answers, and who decided that."""

    model: str
    """A litellm name (``openai/gpt-5``), ``embedded``, ``scripted:FILE`` or ``recorded:FILE``."""
    base_url: str = ""
    source: str = ""
    """For people: "flag", "config", "OPENAI_API_KEY", "embedded 0.5B" …"""


class ModelRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that one answer depends on.

    `system` and `tools` come first and are byte-identical within a session, so that prompt caches
    of the endpoints hit.
    """

    request: str
    """Request id, unique per attempt's stream (the attempt is part of the stream ids)."""
    choice: ModelChoice
    system: str
    tools: tuple[ToolSchema, ...]
    messages: tuple[Message, ...]
    parameters: dict[str, Any] = {}
    """temperature, max_tokens, reasoning_effort … as litellm names them."""
    env: Mapping[str, str] = {}
    """Keys for this request, by variable name. Never journaled, never logged."""
    first_s: float = 300.0
    """Longest silence, in seconds, before the first chunk."""
    stall_s: float = 120.0
    """Longest silence after it, before the stream counts as stalled."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one answer. `input` includes `cached`, `output` includes `reasoning`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    cost_usd: float | None = None
    """None: the price is not known. Zero: it costs nothing."""


ASKED = "the model is asked"
"""The `WaitChunk` that says: nothing else is waited for any more."""


class WaitChunk(msgspec.Struct, frozen=True, tag="wait"):
    """What is waited for, before the first other chunk ("queued behind 2")."""

    text: str


class ReasoningChunk(msgspec.Struct, frozen=True, tag="reasoning"):
    text: str


class TextChunk(msgspec.Struct, frozen=True, tag="text"):
    text: str


class ArgumentsChunk(msgspec.Struct, frozen=True, tag="arguments"):
    """A piece of a tool call. The first piece of an `index` carries its name."""

    index: int
    """0-based position among the calls of this answer (parallel calls interleave)."""
    name: str
    text: str


class FinishChunk(msgspec.Struct, frozen=True, tag="finish"):
    """Always the last chunk of a stream that was not cut."""

    finish: Finish
    usage: Usage


Chunk = WaitChunk | ReasoningChunk | TextChunk | ArgumentsChunk | FinishChunk


class Model(Protocol):
    """A source of answers."""

    def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """The answer, chunk by chunk, ending with one `FinishChunk`.

        Closing the iterator (or cancelling the task that reads it) ends the request at its source.

        Raises:
            ModelFault: no answer, or one cut off; chunks given before stay valid as partial text.
        """
        ...

    async def close(self) -> None:
        """Let go of processes and connections. Idempotent."""
        ...
