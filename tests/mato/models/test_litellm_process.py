"""The litellm process against an endpoint that does what it is told."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from mato.models.base import (
    ArgumentsChunk,
    CallRequest,
    Chunk,
    FinishChunk,
    Message,
    ModelChoice,
    ModelFault,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
    ToolSchema,
)
from mato.models.sources import Sources
from mato.testing.endpoint import Endpoint, Reply, ReplyCall

# One process for all tests here: importing litellm costs seconds.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sk-secret-for-the-fake-endpoint"
TOOL = ToolSchema("read", "Read a file.", {"type": "object", "properties": {"path": {}}})


class Children:
    """Which model processes are alive."""

    def __init__(self) -> None:
        self.pids: dict[int, str] = {}

    def started(self, pid: int, purpose: str) -> Any:
        self.pids[pid] = purpose
        return lambda: self.pids.pop(pid)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def children() -> Children:
    return Children()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sources(children: Children) -> AsyncIterator[Sources]:
    async with Sources(children.started) as sources:
        yield sources
    assert not children.pids


@pytest_asyncio.fixture(loop_scope="module")
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


_numbers = iter(range(10_000))


def request(endpoint: Endpoint | None, **changes: Any) -> ModelRequest:
    url = "" if endpoint is None else endpoint.url
    given = ModelRequest(
        request=f"r-{next(_numbers)}",
        choice=ModelChoice("fake-1", url),
        system="You are a test.",
        tools=(TOOL,),
        messages=(Message("user", "hello"),),
        env={"OPENAI_API_KEY": SECRET},
    )
    return msgspec.structs.replace(given, **changes)


async def answers(sources: Sources, asked: ModelRequest) -> list[Chunk]:
    return [chunk async for chunk in sources.get(asked.choice).stream(asked)]


async def fault(sources: Sources, asked: ModelRequest) -> ModelFault:
    with pytest.raises(ModelFault) as caught:
        await answers(sources, asked)
    return caught.value


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


async def test_reasoning_text_and_usage_come_in_order(sources: Sources, endpoint: Endpoint) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    endpoint.tell(Reply(reasoning=("I ", "think"), text=("Hello", " you"), usage=usage))
    chunks = await answers(sources, request(endpoint))
    assert [chunk.text for chunk in chunks if isinstance(chunk, ReasoningChunk)] == ["I ", "think"]
    assert text(chunks) == "Hello you"
    last = chunks[-1]
    assert isinstance(last, FinishChunk)
    assert last.finish == "stop"
    used = last.usage
    assert (used.input, used.output, used.cached, used.reasoning) == (100, 20, 64, 5)
    assert used.cost_usd is None
    [asked] = endpoint.asked
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.body["model"] == "fake-1"
    assert [message["role"] for message in asked.body["messages"]] == ["system", "user"]
    assert asked.body["tools"][0]["function"]["name"] == "read"


async def test_characters_that_were_cut_between_pieces_are_put_together(
    sources: Sources, endpoint: Endpoint
) -> None:
    call = ReplyCall("read", '{"path": "\ud83d\ude00"}', "call_1")  # sent in pieces of seven
    endpoint.tell(
        Reply(reasoning=("\ud83d", "\ude00"), text=("a \ud83d", "\ude00 b"), calls=(call,))
    )
    chunks = await answers(sources, request(endpoint))
    assert "".join(c.text for c in chunks if isinstance(c, ReasoningChunk)) == "\U0001f600"
    assert text(chunks) == "a \U0001f600 b"
    written = "".join(c.text for c in chunks if isinstance(c, ArgumentsChunk))
    assert written == '{"path": "\U0001f600"}'
    endpoint.tell(Reply(text=("x \ude00 ", "y\ud83d")))
    assert text(await answers(sources, request(endpoint))) == "x \ufffd y\ufffd"


async def test_an_error_with_half_a_character_is_still_a_fault(
    sources: Sources, endpoint: Endpoint
) -> None:
    endpoint.tell(Reply(status=400, error="no \ud83d such thing"))
    with pytest.raises(ModelFault, match="no \ufffd such thing") as caught:
        await answers(sources, request(endpoint))
    assert caught.value.fault == "refused"


async def test_parallel_calls_interleave_and_stay_apart(
    sources: Sources, endpoint: Endpoint
) -> None:
    wanted = ['{"path": "a.txt"}', '{"path": "a/long/path/b.txt"}']
    calls = tuple(ReplyCall("read", each, f"call_{n}") for n, each in enumerate(wanted))
    endpoint.tell(Reply(text=("Reading.",), calls=calls))
    chunks = await answers(sources, request(endpoint))
    written = ["", ""]
    names = ["", ""]
    for chunk in chunks:
        if isinstance(chunk, ArgumentsChunk):
            written[chunk.index] += chunk.text
            names[chunk.index] += chunk.name
    assert written == wanted
    assert names == ["read", "read"]
    last = chunks[-1]
    assert isinstance(last, FinishChunk)
    assert last.finish == "tool_calls"


async def test_a_conversation_with_calls_and_results_arrives_as_providers_want_it(
    sources: Sources, endpoint: Endpoint
) -> None:
    messages = (
        Message("user", "read"),
        Message("assistant", "", (CallRequest("c-1", "read", '{"path": '),)),
        Message("tool", "not JSON", call="c-1"),
    )
    await answers(sources, request(endpoint, messages=messages))
    sent = endpoint.asked[0].body["messages"]
    [call] = sent[2]["tool_calls"]
    assert call["id"] == "c-1"
    assert msgspec.json.decode(call["function"]["arguments"]) == {"malformed": '{"path": '}
    assert sent[3] == {"role": "tool", "tool_call_id": "c-1", "content": "not JSON"}


async def test_the_first_bytes_are_the_same_for_every_request(
    sources: Sources, endpoint: Endpoint
) -> None:
    await answers(sources, request(endpoint))
    await answers(sources, request(endpoint, messages=(Message("user", "else"),)))
    first, second = endpoint.asked
    assert first.body["messages"][0] == second.body["messages"][0]
    assert msgspec.json.encode(first.body["tools"]) == msgspec.json.encode(second.body["tools"])


async def test_a_rate_limit_says_when_to_come_back_and_is_not_retried_by_litellm(
    sources: Sources, endpoint: Endpoint
) -> None:
    endpoint.tell(Reply(status=429, error="slow down", headers={"Retry-After": "7"}))
    found = await fault(sources, request(endpoint))
    assert (found.fault, found.retry_after_s) == ("rate_limit", 7.0)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("status", "expected", "says"),
    [
        (500, "server", "boom"),
        (503, "server", "boom"),
        (401, "auth", "OPENAI_API_KEY"),
        (404, "not_found", "--model"),
        (400, "refused", "boom"),
    ],
)
async def test_faults_are_told_apart_and_say_what_to_change(
    sources: Sources, endpoint: Endpoint, status: int, expected: str, says: str
) -> None:
    endpoint.tell(Reply(status=status, error="boom"))
    found = await fault(sources, request(endpoint))
    assert found.fault == expected
    assert says in str(found)
    assert SECRET not in str(found)
    assert len(endpoint.asked) == 1
    assert "\n" not in str(found)


@pytest.mark.parametrize("cut", ["reset", "end"])
async def test_a_stream_that_breaks_off_is_cut(
    sources: Sources, endpoint: Endpoint, cut: Any
) -> None:
    endpoint.tell(Reply(text=("one ", "two ", "three"), cut_after=3, cut=cut))
    asked = request(endpoint)
    chunks: list[Chunk] = []
    with pytest.raises(ModelFault) as caught:
        async for chunk in sources.get(asked.choice).stream(asked):
            chunks.append(chunk)
    assert caught.value.fault == "cut"
    assert text(chunks) == "one two "


async def test_a_stall_is_a_timeout(sources: Sources, endpoint: Endpoint) -> None:
    endpoint.tell(Reply(text=("one ", "two "), stall_after=2))
    found = await fault(sources, request(endpoint, stall_s=0.5))
    assert found.fault == "timeout"


async def test_nothing_listening_is_unreachable(sources: Sources, endpoint: Endpoint) -> None:
    choice = ModelChoice("fake-1", "http://127.0.0.1:9/v1")
    found = await fault(sources, request(endpoint, choice=choice))
    assert found.fault == "unreachable"
    assert "http://127.0.0.1:9/v1" in str(found)


async def test_a_missing_key_is_said_before_anything_is_sent(sources: Sources) -> None:
    asked = request(None, choice=ModelChoice("openai/gpt-5.5"), env={})
    found = await fault(sources, asked)
    assert found.fault == "auth"
    assert "OPENAI_API_KEY" in str(found)


async def test_a_name_without_a_provider_is_not_found(sources: Sources) -> None:
    found = await fault(sources, request(None, choice=ModelChoice("no-such-model-at-all")))
    assert found.fault == "not_found"
    assert "--model" in str(found)


async def test_an_own_endpoint_needs_no_key(sources: Sources, endpoint: Endpoint) -> None:
    assert await answers(sources, request(endpoint, env={}))


async def test_a_length_finish_is_passed_on(sources: Sources, endpoint: Endpoint) -> None:
    endpoint.tell(Reply(text=("half",), finish="length"))
    last = (await answers(sources, request(endpoint)))[-1]
    assert isinstance(last, FinishChunk)
    assert last.finish == "length"


async def test_going_away_ends_the_request_at_its_source(
    sources: Sources, endpoint: Endpoint
) -> None:
    endpoint.tell(Reply(text=("one ", "two "), stall_after=2))
    asked = request(endpoint)
    stream = sources.get(asked.choice).stream(asked)
    assert await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        await endpoint.hung_up.wait()


async def test_many_requests_run_at_once(sources: Sources, endpoint: Endpoint) -> None:
    endpoint.tell(Reply(text=("a", "b", "c")))
    found = await asyncio.gather(*(answers(sources, request(endpoint)) for _ in range(16)))
    assert [text(chunks) for chunks in found] == ["abc"] * 16


async def test_the_kits_fake_model_is_understood(sources: Sources) -> None:
    kit = Path(os.environ.get("MATO_KIT", Path(__file__).parents[4] / "shared/kit"))
    file = kit / "model/fake_model.py"
    if not file.exists():
        pytest.skip("the kit is not here")
    spec = importlib.util.spec_from_file_location("fake_model", file)
    assert spec is not None
    assert spec.loader is not None
    fake = importlib.util.module_from_spec(spec)
    sys.modules["fake_model"] = fake
    spec.loader.exec_module(fake)
    options = fake.Options(reasoning=True, fail_first=1, retry_after=3, tokens_per_second=0)
    with fake.FakeModel(options) as model:
        choice = ModelChoice("fake-1", f"{model.url}/v1")
        asked = request(None, choice=choice, messages=(Message("user", "[read] please"),))
        limited = await fault(sources, asked)
        assert (limited.fault, limited.retry_after_s) == ("rate_limit", 3.0)
        chunks = await answers(sources, asked)
        assert any(isinstance(chunk, ReasoningChunk) for chunk in chunks)
        assert any(isinstance(chunk, ArgumentsChunk) for chunk in chunks)


async def test_a_process_that_dies_is_a_fault_and_the_next_request_gets_a_fresh_one(
    sources: Sources, endpoint: Endpoint, children: Children
) -> None:
    endpoint.tell(Reply(text=("one ", "two "), stall_after=2), Reply(text=("fresh",)))
    [pid] = children.pids
    asked = request(endpoint)
    stream = sources.get(asked.choice).stream(asked)
    assert await anext(stream)
    os.kill(pid, 9)
    with pytest.raises(ModelFault) as caught:
        async for _ in stream:
            pass
    assert caught.value.fault == "process"
    assert text(await answers(sources, request(endpoint))) == "fresh"
    assert list(children.pids) != [pid]
