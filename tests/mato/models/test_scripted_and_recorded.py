"""Scripts and recordings as models: what comes is what the file says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mato.models.base import (
    ArgumentsChunk,
    CallRequest,
    Chunk,
    FinishChunk,
    Message,
    Model,
    ModelChoice,
    ModelFault,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
)
from mato.models.sources import Sources
from mato_sessions.errors import ConfigError


def asked(*messages: Message) -> ModelRequest:
    return ModelRequest("r", ModelChoice("x"), "system", (), messages or (user("hello"),))


def user(text: str) -> Message:
    return Message("user", text)


def said(text: str) -> Message:
    return Message("assistant", text)


async def read(model: Model, request: ModelRequest) -> list[Chunk]:
    return [chunk async for chunk in model.stream(request)]


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


def model_of(kind: str, path: Path | str) -> Model:
    sources = Sources(lambda pid, purpose: lambda: None)
    return sources.get(ModelChoice(f"{kind}:{path}"))


def script(folder: Path, content: str) -> Model:
    file = folder / "script.toml"
    file.write_text(content)
    return model_of("scripted", file)


async def test_answers_come_by_their_position_in_the_conversation(tmp_path: Path) -> None:
    model = script(tmp_path, '[[answer]]\ntext = "one"\n[[answer]]\ntext = "two"\n')
    assert text(await read(model, asked())) == "one"
    assert text(await read(model, asked(user("a"), said("one"), user("b")))) == "two"
    assert text(await read(model, asked())) == "one"
    [last] = await read(model, asked(user("a"), said("1"), user("b"), said("2"), user("c")))
    assert isinstance(last, FinishChunk)
    assert last.finish == "stop"


async def test_a_script_that_repeats_begins_again(tmp_path: Path) -> None:
    model = script(tmp_path, 'repeat = true\n[[answer]]\ntext = "one"\n[[answer]]\ntext = "two"\n')
    later = asked(user("a"), said("1"), user("b"), said("2"), user("c"))
    assert text(await read(model, later)) == "one"


async def test_when_and_after_choose_by_the_newest_message(tmp_path: Path) -> None:
    model = script(
        tmp_path,
        """
        [[answer]]
        when = "count"
        after = 0
        calls = [ { name = "list", arguments = { path = "." } }, { name = "read", raw = '{"pa' } ]
        [[answer]]
        when = "count"
        after = 2
        text = "two"
        [[answer]]
        text = "else"
        """,
    )
    chunks = await read(model, asked(user("count the files")))
    calls = [chunk for chunk in chunks if isinstance(chunk, ArgumentsChunk)]
    assert [(c.index, c.name, c.text) for c in calls] == [
        (0, "list", '{"path":"."}'),
        (1, "read", '{"pa'),
    ]
    last = chunks[-1]
    assert isinstance(last, FinishChunk)
    assert last.finish == "tool_calls"
    results = (
        user("count the files"),
        Message("assistant", "", (CallRequest("c", "list", "{}"),)),
        Message("tool", "a", call="c"),
        Message("tool", "b", call="d"),
    )
    assert text(await read(model, asked(*results))) == "two"
    assert text(await read(model, asked(user("other")))) == "else"


async def test_faults_come_before_or_in_the_middle_and_are_used_up(tmp_path: Path) -> None:
    model = script(
        tmp_path,
        """
        [[answer]]
        fault = "rate_limit"
        retry_after_s = 1.5
        times = 2
        [[answer]]
        text = "half of it"
        fault = "cut"
        cut_after = 2
        [[answer]]
        text = "whole"
        """,
    )
    for _ in range(2):
        with pytest.raises(ModelFault) as caught:
            await read(model, asked())
        assert (caught.value.fault, caught.value.retry_after_s) == ("rate_limit", 1.5)
    got: list[Chunk] = []
    with pytest.raises(ModelFault) as caught:
        async for chunk in model.stream(asked()):
            got.append(chunk)
    assert caught.value.fault == "cut"
    assert text(got) == "half of"
    assert text(await read(model, asked())) == "whole"


async def test_a_stream_keeps_its_rate_for_its_time(tmp_path: Path) -> None:
    model = script(
        tmp_path,
        """
        tokens_per_second = 200
        [[answer]]
        reasoning = "think first"
        text = "word "
        for_s = 0.5
        usage = { input = 1, output = 2, cost_usd = 0.5 }
        """,
    )
    loop = asyncio.get_running_loop()
    begun = loop.time()
    chunks = await read(model, asked())
    took_s = loop.time() - begun
    assert isinstance(chunks[0], ReasoningChunk)
    assert took_s >= 0.45
    assert len(chunks) <= took_s * 200 + 2
    last = chunks[-1]
    assert isinstance(last, FinishChunk)
    assert last.usage.cost_usd == 0.5


@pytest.mark.parametrize(
    "content", ["not toml", "answers = []", '[[answer]]\ntext = "x"\nextra = 1\n', "answer = 3"]
)
def test_a_broken_script_is_a_sentence(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match=r"script\.toml"):
        script(tmp_path, content)


def test_scripts_may_be_json_and_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_text('{"answer": [{"text": "hi"}]}')
    model_of("scripted", file)
    with pytest.raises(ConfigError, match="cannot be read"):
        model_of("scripted", tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="absolute"):
        model_of("scripted", "relative.toml")


def line(kind: str, agent: str = "a-1", **body: Any) -> str:
    return json.dumps({"kind": kind, "agent": agent, "seq": 1, "body": body})


LOG = "\n".join(
    [
        line("turn.prompted", blocks=[{"type": "text", "text": "hello"}]),
        line(
            "reasoning.streamed",
            stream="r-1/1/reasoning",
            attempt=1,
            offset=0,
            text="I think",
            pieces=[[0, 2], [5000, 5]],
        ),
        line("text.streamed", stream="r-1/1/text", attempt=1, offset=0, text="lost try"),
        line(
            "arguments.streamed",
            stream="r-1/2/c-9",
            attempt=2,
            offset=0,
            text='{"path":"a"}',
            call="c-9",
            name="read",
        ),
        line("usage.reported", request="r-1", attempt=2, model="m", input=7, output=3),
        line(
            "model.answered",
            request="r-1",
            attempt=2,
            calls=[{"call": "c-9", "name": "read", "arguments": '{"path":"a"}'}],
            finish="tool_calls",
            first_us=1,
            latency_us=2,
        ),
        line("model.answered", agent="a-2", request="r-7", attempt=1, finish="stop", text="other"),
        line(
            "model.answered",
            request="r-2",
            attempt=1,
            text="done",
            reasoning="hm",
            calls=[{"call": "c-10", "name": "list", "arguments": "{}"}],
            finish="stop",
        ),
    ]
)


async def test_a_recording_gives_the_answers_of_its_log(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(LOG)
    model = model_of("recorded", f"{file}?speed=0")
    first = await read(model, asked(user("hello")))
    assert first[:-1] == [ArgumentsChunk(0, "read", '{"path":"a"}')]
    last = first[-1]
    assert isinstance(last, FinishChunk)
    assert (last.finish, last.usage.input) == ("tool_calls", 7)
    second = await read(
        model,
        asked(user("hello"), Message("assistant", "", (CallRequest("c", "read", "{}"),))),
    )
    assert second[:-1] == [
        ReasoningChunk("hm"),
        TextChunk("done"),
        ArgumentsChunk(0, "list", "{}"),
    ]
    other = model_of("recorded", f"{file}?agent=a-2")
    assert text(await read(other, asked(user("hello")))) == "other"


async def test_what_was_not_recorded_is_a_clear_fault(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(LOG)
    model = model_of("recorded", file)
    with pytest.raises(ModelFault, match="belongs to the prompt 'hello'"):
        await read(model, asked(user("something else")))
    with pytest.raises(ModelFault, match="has 2 answers"):
        await read(model, asked(user("hello"), *([said("x"), user("hello")] * 2)))


@pytest.mark.parametrize("content", ["", "not json\n", '{"kind": "turn.ended", "body": {}}\n'])
def test_a_log_without_answers_is_no_recording(tmp_path: Path, content: str) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"log\.jsonl"):
        model_of("recorded", file)
