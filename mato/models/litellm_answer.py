"""One request through litellm: Mato's structs in, litellm's call, Mato's chunks out.

Runs in the litellm process only. litellm has no types worth the name, so everything of it is `Any`
here and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    Finish,
    FinishChunk,
    Message,
    ModelFault,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from mato.models.keys import VARIABLES, variable_for
from mato.models.litellm_faults import fault_of
from mato.models.pairs import Pairs, whole

_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_OUTPUT = 32_000
"""Tokens of an answer where the endpoint insists on a limit (Anthropic)."""


async def answer(litellm: Any, request: ModelRequest) -> AsyncIterator[Chunk]:
    """The answer, chunk by chunk.

    Raises:
        ModelFault: as the contract of models says.
    """
    shown = request.choice.model
    model, provider = _resolve(litellm, request)
    reading = _Reading()
    stream: Any = None
    try:
        async with asyncio.timeout(request.first_s):
            stream = await litellm.acompletion(**_arguments(litellm, request, model, provider))
        while True:
            async with asyncio.timeout(request.stall_s if reading.begun else request.first_s):
                part: Any = await anext(stream, None)
            if part is None:
                break
            for chunk in reading.read(part):
                yield chunk
    except ModelFault:
        raise
    except TimeoutError as error:
        where = "in the middle of its answer" if reading.begun else "at all"
        silent_s = request.stall_s if reading.begun else request.first_s
        raise ModelFault("timeout", f"{shown} did not answer {where} for {silent_s:g} s") from error
    except Exception as error:
        raise fault_of(error, shown, provider, request.choice.base_url, reading.begun) from error
    finally:
        await _close(stream)
    for chunk in reading.rest():
        yield chunk
    # litellm makes up a finish for streams that just end; only what the endpoint said counts.
    if reading.finish is None or getattr(stream, "received_finish_reason", "") is None:
        raise ModelFault("cut", f"the answer of {shown} was cut off before its end")
    usage = reading.usage_of(litellm, model, provider, priced=not request.choice.base_url)
    yield FinishChunk(reading.finish, usage)


async def _close(stream: Any) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


def _resolve(litellm: Any, request: ModelRequest) -> tuple[str, str]:
    """litellm's name of the model, and its provider."""
    model = request.choice.model
    if request.choice.base_url and model.partition("/")[0] not in litellm.provider_list:
        return f"openai/{model}", "openai"
    try:
        provider: str = litellm.get_llm_provider(model)[1]
    except Exception as error:
        raise ModelFault(
            "not_found",
            f"{model!r} names no model: write PROVIDER/NAME with --model (openai/gpt-5.5), or give "
            "the endpoint with --base-url",
        ) from error
    return model, provider


def _arguments(litellm: Any, request: ModelRequest, model: str, provider: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": model,
        "messages": messages(request.system, request.messages, marked=provider == "anthropic"),
        "stream": True,
        "stream_options": {"include_usage": True},
        # Ours (above) comes first: litellm's own looks like any other lost connection.
        "timeout": max(request.first_s, request.stall_s) + 10.0,
        "num_retries": 0,
        "max_retries": 0,
        **_access(request, provider),
        **request.parameters,
    }
    if request.tools:
        arguments["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    if provider == "anthropic" and "max_tokens" not in arguments:
        arguments["max_tokens"] = min(_longest(litellm, model), _OUTPUT)
    return arguments


def _longest(litellm: Any, model: str) -> int:
    try:
        return int(litellm.get_model_info(model).get("max_output_tokens") or _OUTPUT)
    except Exception:  # whatever it raises for a model that it has not heard of
        return 8192


def _access(request: ModelRequest, provider: str) -> dict[str, Any]:
    """Key and endpoint, from the request alone."""
    access: dict[str, Any] = {}
    env = request.env
    if request.choice.base_url:
        access["api_base"] = request.choice.base_url
    if provider == "bedrock":
        for name in ("access_key_id", "secret_access_key", "session_token", "region_name"):
            if value := env.get(f"AWS_{name.upper()}"):
                access[f"aws_{name}"] = value
        return access
    if provider == "azure":
        if base := env.get("AZURE_API_BASE"):
            access.setdefault("api_base", base)
        if version := env.get("AZURE_API_VERSION"):
            access["api_version"] = version
    variable = variable_for(provider)
    if key := env.get(variable):
        access["api_key"] = key
    elif request.choice.base_url:
        access["api_key"] = "none"  # local servers want none, their client library wants one
    elif variable in VARIABLES:
        raise ModelFault(
            "auth",
            f"{request.choice.model} needs a key: set {variable}, or choose another model with "
            "--model",
        )
    return access


def messages(system: str, found: Sequence[Message], marked: bool) -> list[dict[str, Any]]:
    """The conversation in the chat-completions shape.

    `marked`: with the marks at which Anthropic caches the prompt (system and newest message).
    """
    made: list[dict[str, Any]] = [
        {"role": "system", "content": system},
        *(_message(message) for message in found),
    ]
    if marked:
        for message in {0: made[0], len(made) - 1: made[-1]}.values():
            if isinstance(message["content"], str):
                block = {"type": "text", "text": message["content"]}
                message["content"] = [block | {"cache_control": {"type": "ephemeral"}}]
    return made


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call, "content": message.text}
    if not message.calls:
        return {"role": message.role, "content": message.text}
    calls = [
        {
            "id": call.call,
            "type": "function",
            "function": {"name": call.name, "arguments": _valid(call.arguments)},
        }
        for call in message.calls
    ]
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def _valid(arguments: str) -> str:
    """Argument text as endpoints take it back: they refuse what is no JSON object."""
    try:
        if isinstance(json.loads(arguments or "{}"), dict):
            return arguments or "{}"
    except ValueError:
        pass
    return json.dumps({"malformed": arguments})


class _Reading:
    """What has been read of a stream."""

    def __init__(self) -> None:
        self.begun = False
        self.finish: Finish | None = None
        self._usage: Any = None
        self._places: dict[int, tuple[int, str]] = {}
        self._calls = 0
        self._reasoning = Pairs()
        self._text = Pairs()
        self._written: dict[int, Pairs] = {}

    def read(self, part: Any) -> list[Chunk]:
        """The chunks in one part of litellm's stream."""
        if getattr(part, "usage", None) is not None:
            self._usage = part.usage
        chunks: list[Chunk] = []
        for choice in part.choices[:1]:
            delta = choice.delta
            if reasoning := getattr(delta, "reasoning_content", None):
                chunks.append(ReasoningChunk(self._reasoning.feed(str(reasoning))))
            if text := getattr(delta, "content", None):
                chunks.append(TextChunk(self._text.feed(str(text))))
            for call in getattr(delta, "tool_calls", None) or ():
                chunks.append(self._arguments(call))
            if choice.finish_reason:
                self.finish = _FINISHES.get(str(choice.finish_reason), "stop")
        self.begun = self.begun or bool(chunks)
        return chunks

    def _arguments(self, call: Any) -> ArgumentsChunk:
        given = call.index if call.index is not None else self._calls
        name = call.function.name or ""
        known = self._places.get(given)
        # Some endpoints number every call 0: another id with a name is another call.
        if known is None or (name and call.id and known[1] and call.id != known[1]):
            known = (self._calls, call.id or "")
            self._places[given] = known
            self._calls += 1
        written = self._written.setdefault(known[0], Pairs())
        return ArgumentsChunk(known[0], whole(name), written.feed(call.function.arguments or ""))

    def rest(self) -> list[Chunk]:
        """What was still held back at the end of the stream."""
        chunks = [
            ReasoningChunk(self._reasoning.rest()),
            TextChunk(self._text.rest()),
            *(ArgumentsChunk(at, "", each.rest()) for at, each in self._written.items()),
        ]
        return [chunk for chunk in chunks if chunk.text]

    def usage_of(self, litellm: Any, model: str, provider: str, priced: bool) -> Usage:
        """Tokens and cost. The price of somebody's own endpoint is nobody's business here."""
        usage = self._usage
        if usage is None:
            return Usage()
        cost: float | None = None
        if priced:
            try:
                parts: tuple[float, float] = litellm.cost_per_token(
                    model=model, custom_llm_provider=provider, usage_object=usage
                )
                cost = sum(parts)
            except Exception:  # it raises many things for a model without a price
                cost = None
        return Usage(
            input=int(usage.prompt_tokens or 0),
            output=int(usage.completion_tokens or 0),
            cached=_detail(usage, "prompt_tokens_details", "cached_tokens"),
            reasoning=_detail(usage, "completion_tokens_details", "reasoning_tokens"),
            cost_usd=cost,
        )


def _detail(usage: Any, group: str, name: str) -> int:
    details: Any = getattr(usage, group, None)
    if isinstance(details, Mapping):
        return int(details.get(name) or 0)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    return int(getattr(details, name, None) or 0)
