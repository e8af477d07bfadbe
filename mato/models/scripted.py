"""Answers from a script, the same every time: for tests, demonstrations and benchmarks.

The script is a TOML file (or JSON with the same shape) named by ``scripted:FILE``. It has defaults
and a list of answers::

    tokens_per_second = 0        # 0: no pauses. Applies to reasoning, text and arguments
    repeat = true                # begin again when the answers are used up (else: "stop" with
                                 # an empty text, which ends the turn)

    [[answer]]
    when = "count the files"     # only if the newest user message contains this
    reasoning = "I look first."
    text = "There are three."
    calls = [ { name = "list", arguments = { path = "." } }, { name = "read", raw = "{\\"pa" } ]
    finish = "stop"              # default: "tool_calls" where there are calls
    delay_s = 0.5                # before the first chunk
    tokens_per_second = 50.0     # instead of the default
    repeat_text = 20             # the text so many times (a long stream)
    for_s = 10.0                 # the text again and again for so long, at tokens_per_second
    usage = { input = 100, output = 20, cached = 50, reasoning = 5, cost_usd = 0.001 }
    fault = "rate_limit"         # instead of an answer, or, with cut_after, in its middle
    message = "slow down"        # of the fault
    retry_after_s = 1.5
    cut_after = 3                # chunks before the fault
    stall_after = 3              # chunks before it falls silent, without end and fault
    times = 1                    # how often this answer is given; 0: always

Arguments are given as a table, or `raw` as the text that a model would write.

Which answer comes: first those with `when` or `after` (how many tool results have come since the
newest user message) that fit, in their order, each as often as its `times` says. If none fits, the
others by position: the n-th for the n-th answer of a conversation, so that many agents can share a
script. Faults without `when` and `after` have no position: they come `times` times (once, where 0)
before the answer that follows them. `times` counts within the process.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    Fault,
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

_TOKEN = re.compile(r"\s*\S+|\s+")
"""Words with the space before them stand for tokens."""


class ScriptedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call of an answer."""

    name: str
    arguments: dict[str, Any] = {}
    raw: str | None = None
    """Instead of `arguments`: the text itself, malformed if you like."""

    @property
    def text(self) -> str:
        """What the model writes."""
        return msgspec.json.encode(self.arguments).decode() if self.raw is None else self.raw


class ScriptedAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer of a script; the fields are told in this file's head."""

    when: str = ""
    after: int | None = None
    reasoning: str = ""
    text: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    finish: Finish | None = None
    delay_s: float = 0.0
    tokens_per_second: float | None = None
    repeat_text: int = 1
    for_s: float = 0.0
    usage: Usage | None = None
    fault: Fault | None = None
    message: str = "the script says so"
    retry_after_s: float | None = None
    cut_after: int = 0
    stall_after: int | None = None
    times: int = 0

    @property
    def by_position(self) -> bool:
        """Whether its place in the script decides when it comes."""
        return not self.when and self.after is None


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole script file."""

    answer: tuple[ScriptedAnswer, ...]
    tokens_per_second: float = 0.0
    repeat: bool = False


def load(path: Path) -> Script:
    """The script in a file.

    Raises:
        ConfigError: it cannot be read, or is no script; the message names it.
    """
    try:
        text = path.read_text()
        data: Any = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
        return msgspec.convert(data, Script)
    except OSError as error:
        raise ConfigError(
            f"the script {str(path)!r} cannot be read: {error.strerror}; check its path"
        ) from error
    except (ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(f"the script {str(path)!r} cannot be used: {error}") from error


class ScriptedModel:
    """Plays a script. See `mato.models.base.Model`."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._given: dict[int, int] = {}

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        answer = self._choose(request.messages)
        rate = answer.tokens_per_second
        rate = self._script.tokens_per_second if rate is None else rate
        loop = asyncio.get_running_loop()
        due = loop.time() + answer.delay_s
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        given = 0
        for chunk in _chunks(answer, loop, loop.time() + answer.for_s):
            if answer.fault is not None and given >= answer.cut_after:
                break
            if given == answer.stall_after:
                break
            # Against the clock, not the previous token: the rate holds under load.
            due += 1 / rate if rate else 0.0
            await asyncio.sleep(max(0.0, due - loop.time()) if rate else 0.0)
            given += 1
            yield chunk
        if answer.stall_after is not None:
            await asyncio.Event().wait()
        if answer.fault is not None:
            raise ModelFault(answer.fault, answer.message, answer.retry_after_s)
        finish = answer.finish or ("tool_calls" if answer.calls else "stop")
        yield FinishChunk(finish, answer.usage or _counted(request, given))

    async def close(self) -> None:
        """Nothing is held."""

    def _choose(self, messages: Sequence[Message]) -> ScriptedAnswer:
        users = [place for place, each in enumerate(messages) if each.role == "user"]
        newest = users[-1] if users else 0
        said = messages[newest].text if messages else ""
        results = sum(each.role == "tool" for each in messages[newest:])
        for number, answer in enumerate(self._script.answer):
            fits = answer.when in said and answer.after in (None, results)
            if not answer.by_position and fits and self._left(number, answer.times):
                return self._give(number)
        steps = self._steps()
        position = sum(each.role == "assistant" for each in messages)
        if self._script.repeat:
            position %= max(1, sum(step.answer is not None for step in steps))
        if position >= len(steps):
            return ScriptedAnswer()
        step = steps[position]
        for number in step.faults:
            if self._left(number, self._script.answer[number].times or 1):
                return self._give(number)
        return ScriptedAnswer() if step.answer is None else self._give(step.answer)

    def _steps(self) -> list[_Step]:
        steps = [_Step([])]
        for number, answer in enumerate(self._script.answer):
            if not answer.by_position:
                continue
            if answer.fault is not None:
                steps[-1].faults.append(number)
            else:
                steps[-1].answer = number
                steps.append(_Step([]))
        return steps

    def _left(self, number: int, times: int) -> bool:
        return not times or self._given.get(number, 0) < times

    def _give(self, number: int) -> ScriptedAnswer:
        self._given[number] = self._given.get(number, 0) + 1
        return self._script.answer[number]


class _Step(msgspec.Struct):
    """A position: faults, then the answer; no answer after the last one."""

    faults: list[int]
    answer: int | None = None


def _chunks(
    answer: ScriptedAnswer, loop: asyncio.AbstractEventLoop, until: float
) -> Iterator[Chunk]:
    for part in _TOKEN.findall(answer.reasoning):
        yield ReasoningChunk(part)
    text = [TextChunk(part) for part in _TOKEN.findall(answer.text)]
    for _ in range(answer.repeat_text):
        yield from text
    while text and loop.time() < until:
        yield from text
    for index, call in enumerate(answer.calls):
        whole = call.text
        for start in range(0, len(whole) or 1, 16):
            yield ArgumentsChunk(index, call.name, whole[start : start + 16])


def _counted(request: ModelRequest, output: int) -> Usage:
    words = sum(len(message.text.split()) for message in request.messages)
    return Usage(input=len(request.system.split()) + words, output=output, cost_usd=0.0)
