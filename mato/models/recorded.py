"""Plays the answers of a journal again, in their order, at the pace they came with or faster.

The recording is what ``mato log S --json`` prints, named by ``recorded:FILE``. Requests are
answered by position in their conversation; a request whose prompt is another one is a fault, since
the recorded answer would be nonsense. ``recorded:FILE?speed=10`` plays ten times as fast, and
``?speed=0`` without pauses; ``&agent=ID`` picks an agent where the log has several.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec

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
from mato_sessions.errors import ConfigError


class _Line(msgspec.Struct):
    """What is read of a line of the log."""

    kind: str
    body: dict[str, Any]
    agent: str | None = None


class _Timed(msgspec.Struct, frozen=True):
    after_us: int
    chunk: Chunk


class RecordedAnswer(msgspec.Struct, frozen=True):
    """An answer of the recording and the prompt that it belongs to."""

    prompt: str
    chunks: tuple[_Timed, ...]
    finish: FinishChunk


class Recording(msgspec.Struct, frozen=True):
    """All answers of one agent, in order."""

    name: str
    answers: tuple[RecordedAnswer, ...]
    speed: float = 1.0
    """0: without pauses."""


def load(place: Path) -> Recording:
    """The recording in a log; `place` may end in ``?speed=…&agent=…``.

    Raises:
        ConfigError: it cannot be read, is no log, or the options make no sense.
    """
    name, _, query = str(place).partition("?")
    options = {key: values[-1] for key, values in parse_qs(query).items()}
    try:
        speed = float(options.get("speed", "1"))
        text = Path(name).read_text()
        lines = [msgspec.json.decode(line, type=_Line) for line in text.splitlines() if line]
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(f"the recording {name!r} cannot be used: {error}") from error
    agent = options.get("agent")
    if agent is None:
        agent = next((line.agent for line in lines if line.kind == "model.answered"), None)
    answers = _answers([line for line in lines if line.agent == agent])
    if not answers:
        raise ConfigError(f"the recording {name!r} holds no answer of agent {agent!r}")
    return Recording(name, answers, speed)


def _answers(lines: Sequence[_Line]) -> tuple[RecordedAnswer, ...]:
    answers: list[RecordedAnswer] = []
    prompt = ""
    usage = Usage(cost_usd=0.0)
    streams: dict[str, list[_Timed]] = {}
    for line in lines:
        body = line.body
        match line.kind:
            case "turn.prompted":
                prompt = "\n\n".join(block.get("text", "") for block in body["blocks"])
            case "usage.reported":
                usage = msgspec.convert(
                    {key: body[key] for key in Usage.__struct_fields__ if key in body}, Usage
                )
            case "reasoning.streamed" | "text.streamed" | "arguments.streamed":
                attempt = body["stream"].rpartition("/")[0]
                streams.setdefault(attempt, []).extend(_pieces(line.kind, body))
            case "model.answered":
                attempt = f"{body['request']}/{body['attempt']}"
                chunks = _indexed(streams.pop(attempt, []), body)
                finish = FinishChunk(msgspec.convert(body["finish"], Finish), usage)
                answers.append(RecordedAnswer(prompt.strip(), tuple(chunks), finish))
            case _:
                pass
    return tuple(answers)


def _pieces(kind: str, body: dict[str, Any]) -> list[_Timed]:
    text: str = body["text"]
    pieces: list[tuple[int, int]] = body.get("pieces") or [(0, len(text))]
    found: list[_Timed] = []
    at = 0
    for after_us, count in pieces:
        part = text[at : at + count]
        at += count
        chunk: Chunk
        if kind == "reasoning.streamed":
            chunk = ReasoningChunk(part)
        elif kind == "text.streamed":
            chunk = TextChunk(part)
        else:
            # The call's id stands in for its index until the answer says which it is.
            chunk = ArgumentsChunk(0, body["call"], part)
        found.append(_Timed(after_us, chunk))
    return found


def _indexed(found: list[_Timed], body: dict[str, Any]) -> list[_Timed]:
    """The chunks with their calls' places; a journal whose streams were purged gives them whole."""
    calls: list[dict[str, Any]] = body.get("calls", [])
    place = {call["call"]: index for index, call in enumerate(calls)}
    if not found:
        whole: list[Chunk] = []
        if reasoning := body.get("reasoning", ""):
            whole.append(ReasoningChunk(reasoning))
        if text := body.get("text", ""):
            whole.append(TextChunk(text))
        found = [_Timed(0, chunk) for chunk in whole]
    timed: list[_Timed] = []
    streamed: set[str] = set()
    for each in found:
        chunk = each.chunk
        if isinstance(chunk, ArgumentsChunk):
            streamed.add(chunk.name)
            index = place[chunk.name]
            chunk = ArgumentsChunk(index, calls[index]["name"], chunk.text)
        timed.append(_Timed(each.after_us, chunk))
    for call in calls:
        if call["call"] not in streamed:
            index = place[call["call"]]
            timed.append(_Timed(0, ArgumentsChunk(index, call["name"], call["arguments"])))
    return timed


class RecordedModel:
    """Plays a recording. See `mato.models.base.Model`."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        answer = self._find(request.messages)
        speed = self._recording.speed
        for timed in answer.chunks:
            await asyncio.sleep(timed.after_us / 1_000_000 / speed if speed else 0)
            yield timed.chunk
        yield answer.finish

    async def close(self) -> None:
        """Nothing is held."""

    def _find(self, messages: Sequence[Message]) -> RecordedAnswer:
        recording = self._recording
        position = sum(message.role == "assistant" for message in messages)
        if position >= len(recording.answers):
            count = len(recording.answers)
            raise ModelFault(
                "refused",
                f"the recording {recording.name!r} has {count} answers and this is request "
                f"{position + 1}; choose another model to go on",
            )
        answer = recording.answers[position]
        asked = [message.text for message in messages if message.role == "user"]
        if not asked or not asked[-1].endswith(answer.prompt):
            raise ModelFault(
                "refused",
                f"answer {position + 1} of {recording.name!r} belongs to the prompt "
                f"{answer.prompt[:60]!r}; send that one, or choose another model",
            )
        return answer
