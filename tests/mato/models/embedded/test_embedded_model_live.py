"""The real model in its real process, spoken to over its pipes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from mato.models.base import (
    ArgumentsChunk,
    CallRequest,
    FinishChunk,
    Message,
    ModelChoice,
    ModelRequest,
    TextChunk,
    ToolSchema,
    WaitChunk,
)
from mato.models.embedded.fetch import locate
from mato.models.wire import (
    Ask,
    Cancel,
    Failed,
    FromChild,
    Piece,
    Ready,
    ToChild,
)

MODEL = locate()
pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(240),
    # MATO_LIVE makes a missing model a failure: a run that should prove this must not skip it.
    pytest.mark.skipif(
        MODEL is None and not os.environ.get("MATO_LIVE"), reason="run `make model` first"
    ),
]


def tool(name: str, description: str, *required: str, optional: tuple[str, ...] = ()) -> ToolSchema:
    return ToolSchema(
        name,
        description,
        {
            "type": "object",
            "properties": {one: {"type": "string"} for one in (*required, *optional)},
            "required": list(required),
        },
    )


TOOLS = (
    tool("read", "Read a text file of the workspace.", "path"),
    tool("list", "List a folder of the workspace.", "path"),
    tool("search", "Search the files of the workspace.", "pattern", optional=("path",)),
    tool("write", "Write a file.", "path", "content"),
    tool("edit", "Replace an exact text in a file.", "path", "old", "new"),
    tool("shell", "Run a command in the workspace.", "command"),
    ToolSchema(
        "plan",
        "Show the plan of the work.",
        {
            "type": "object",
            "properties": {"items": {"type": "array", "items": {"type": "string"}}},
            "required": ["items"],
        },
    ),
)
EASY = (
    "Read the file README.md.",
    "List the files in src.",
    "Search for TODO.",
    "Read pyproject.toml.",
    "List the files in the folder tests.",
    "Search for FIXME.",
    "Read the file data/orders.csv.",
    "Which files are in data?",
    "Find where Decimal is used.",
    "Read TODO.md and tell me what is open.",
)


class Child:
    """The parent's end of the wire."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.frames: dict[str, asyncio.Queue[FromChild]] = {}
        self.decoder: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)

    async def read(self) -> FromChild:
        assert self.process.stdout is not None
        length = int.from_bytes(await self.process.stdout.readexactly(4), "big")
        return self.decoder.decode(await self.process.stdout.readexactly(length))

    async def pump(self) -> None:
        while True:
            frame = await self.read()
            assert not isinstance(frame, Ready)
            await self.frames[frame.request].put(frame)

    def send(self, frame: ToChild) -> None:
        assert self.process.stdin is not None
        body = msgspec.msgpack.encode(frame)
        self.process.stdin.write(len(body).to_bytes(4, "big") + body)

    def ask(
        self,
        name: str,
        *messages: Message,
        tools: tuple[ToolSchema, ...] = TOOLS,
        **parameters: Any,
    ) -> asyncio.Queue[FromChild]:
        self.frames[name] = asyncio.Queue()
        system = "You are a careful engineer who works in the folder /home/me/invoices."
        request = ModelRequest(name, ModelChoice("embedded"), system, tools, messages, parameters)
        self.send(Ask(request))
        return self.frames[name]


class Answer(msgspec.Struct):
    name: str = ""
    arguments: str = ""
    text: str = ""
    finish: FinishChunk | None = None
    pieces: int = 0


async def collected(frames: asyncio.Queue[FromChild]) -> Answer:
    answer = Answer()
    while answer.finish is None:
        frame = await frames.get()
        assert not isinstance(frame, Failed), frame
        if not isinstance(frame, Piece) or isinstance(frame.chunk, WaitChunk):
            continue
        answer.pieces += 1
        match frame.chunk:
            case ArgumentsChunk(_, name, text):
                answer.name = answer.name or name
                answer.arguments += text
            case TextChunk(text):
                answer.text += text
            case FinishChunk():
                answer.finish = frame.chunk
            case _:
                pytest.fail(f"unexpected {frame.chunk!r}")
    return answer


def waits(frame: FromChild) -> bool:
    """Whether it says what the request waits for."""
    assert isinstance(frame, Piece), frame
    return isinstance(frame.chunk, WaitChunk)


@asynccontextmanager
async def child(home: Path) -> AsyncIterator[Child]:
    assert MODEL is not None, "MATO_LIVE is set and the model is not here: run `make model`"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mato.models.embedded.server",
        str(MODEL),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "MATO_HOME": str(home)},
    )
    one = Child(process)
    try:
        ready = await one.read()
        assert isinstance(ready, Ready)
        assert ready.details["slots"] == 4
        pump = asyncio.ensure_future(one.pump())
        try:
            yield one
        finally:
            pump.cancel()
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_easy_prompts_become_valid_calls_several_at_once(tmp_path: Path) -> None:
    by_name = {one.name: one for one in TOOLS}
    async with child(tmp_path) as it:
        asked = [it.ask(f"r{n}", Message("user", text)) for n, text in enumerate(EASY)]
        answers = await asyncio.gather(*(collected(frames) for frames in asked))
        called = [one for one in answers if one.name]
        assert len(called) >= 9, [(one.name, one.text) for one in answers]
        for one in called:
            assert one.finish is not None
            assert one.finish.finish == "tool_calls"
            assert one.finish.usage.cost_usd == 0.0
            assert one.finish.usage.output > 0
            assert one.pieces > 3  # streamed, not given at the end
            jsonschema.validate(json.loads(one.arguments), by_name[one.name].parameters)
        # What was read once serves the later ones.
        assert max(one.finish.usage.cached for one in called if one.finish) > 300
    assert list((tmp_path / "cache/prefixes").glob("*.kv"))


async def test_an_answer_comes_after_a_tool_result(tmp_path: Path) -> None:
    result = "# To do\n- [ ] totals of half cents are rounded the wrong way\n"
    call = CallRequest("c1", "read", '{"path":"TODO.md"}')
    async with child(tmp_path) as it:
        answer = await collected(
            it.ask(
                "r",
                Message("user", "Read TODO.md and tell me what is open."),
                Message("assistant", calls=(call,)),
                Message("tool", result, call="c1"),
            )
        )
    assert answer.name == ""
    assert answer.text.strip()
    assert answer.finish is not None
    assert answer.finish.finish == "stop"


async def test_a_cancelled_request_falls_silent_and_frees_its_slot(tmp_path: Path) -> None:
    long = Message("user", "Count from 1 to 1000, one number a line.")
    async with child(tmp_path) as it:
        running = [it.ask(f"long{n}", long, tools=(), max_tokens=1500) for n in range(4)]
        for frames in running:  # all four slots generate
            while waits(await frames.get()):
                pass
        waiting = it.ask("short", Message("user", "Say hello."), tools=(), max_tokens=8)
        assert waits(await waiting.get())
        it.send(Cancel("long0"))
        answer = await collected(waiting)
        assert answer.text
        silent = running[0].qsize()
        for n in range(1, 4):
            it.send(Cancel(f"long{n}"))
        await collected(it.ask("last", Message("user", "Say bye."), tools=(), max_tokens=8))
        assert running[0].qsize() == silent


async def test_the_engine_takes_schemas_of_any_kind(tmp_path: Path) -> None:
    odd = {
        "$defs": {"way": {"type": "string", "enum": ["up", "down"]}},
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 2, "maximum": 4},
            "ways": {"type": "array", "items": {"$ref": "#/$defs/way"}, "minItems": 1},
            "exact": {"type": ["null", "boolean"]},
            "inner": {
                "type": "object",
                "properties": {"name": {"type": "string", "minLength": 2}, "more": {}},
                "required": ["name", "more"],
            },
            "rate": {"anyOf": [{"type": "null"}, {"type": "number"}]},
            "fixed": {"const": "yes"},
        },
        "required": ["count", "ways", "exact", "inner", "rate", "fixed"],
    }
    tools = (ToolSchema("move", "Move things.", odd), ToolSchema("answer", "Shout.", {}))
    async with child(tmp_path) as it:
        answer = await collected(
            it.ask("r", Message("user", "Use move with 3 and up."), tools=tools)
        )
    assert answer.name == "move"
    jsonschema.validate(json.loads(answer.arguments), odd)
