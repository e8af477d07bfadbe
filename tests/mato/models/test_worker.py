"""The parent's side of a model process, against small children that behave in all ways."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mato.models import litellm_process
from mato.models.base import (
    Chunk,
    FinishChunk,
    Message,
    ModelChoice,
    ModelFault,
    ModelRequest,
    TextChunk,
    WaitChunk,
)
from mato.models.embedded import server
from mato.models.wire import FromChild, Ping, Pong, ToChild
from mato.models.worker import LIFE_S, QUIET_S, WorkerModel

CHILD = """
import os, signal, sys
import msgspec
from mato.models.base import FinishChunk, TextChunk, Usage, WaitChunk
from mato.models.wire import Ask, Cancel, Failed, Piece, Ping, Pong, Ready, ToChild
from mato.rpc.framing import pack

def say(frame):
    sys.stdout.buffer.write(pack(msgspec.msgpack.encode(frame)))
    sys.stdout.buffer.flush()

def log(text):
    print(text, file=sys.stderr, flush=True)

def hear():
    length = int.from_bytes(sys.stdin.buffer.read(4), "big")
    if not length:
        raise EOFError
    return msgspec.msgpack.decode(sys.stdin.buffer.read(length), type=ToChild)

{body}
"""

ECHO = """
say(Ready("child"))
log("x" * 200_000)
log("not a long line")
while True:
    try:
        frame = hear()
    except EOFError:
        break
    if isinstance(frame, Cancel):
        say(Piece("cancelled", TextChunk(frame.request)))
        continue
    name, said = frame.request.request, frame.request.messages[-1].text
    if said == "wait":
        say(Piece(name, WaitChunk("queued behind 1")))
    if said == "fail":
        say(Failed(name, "rate_limit", "later", 3.5))
    elif said == "hang":
        say(Piece(name, TextChunk("begun")))
    elif said == "garbage":
        sys.stdout.buffer.write(b"HTTP/1.1 400 Bad Request")
        sys.stdout.buffer.flush()
    elif said == "env":
        say(Piece(name, TextChunk(repr(sorted(os.environ)))))
        say(Piece(name, FinishChunk("stop", Usage())))
    else:
        say(Piece(name, TextChunk(said)))
        say(Piece(name, FinishChunk("stop", Usage())))
"""


class Watch:
    """Counts children, and wakes when one has ended."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    def __call__(self, pid: int, purpose: str) -> Callable[[], None]:
        assert purpose == "model child"
        self.started.append(pid)
        self.begun.set()
        self.ended.clear()
        return self.ended.set


@asynccontextmanager
async def child(
    body: str, watch: Watch, idle_s: float = 60.0, quiet_s: float = QUIET_S, life_s: float = LIFE_S
) -> AsyncIterator[WorkerModel]:
    command = (sys.executable, "-c", CHILD.replace("{body}", body))
    env = {**os.environ, "OPENAI_API_KEY": "never-in-the-child"}
    async with asyncio.TaskGroup() as group:
        model = WorkerModel("child", command, group, watch, idle_s, env, quiet_s, life_s)
        try:
            yield model
        finally:
            await model.close()


_names = iter(range(1000))


def asking(text: str) -> ModelRequest:
    name = f"r-{next(_names)}"
    return ModelRequest(name, ModelChoice("x"), "", (), (Message("user", text),))


async def answer(model: WorkerModel, text: str) -> list[Chunk]:
    chunks = [chunk async for chunk in model.stream(asking(text))]
    return [chunk for chunk in chunks if not isinstance(chunk, WaitChunk)]


async def test_requests_share_one_child_and_keep_their_answers_apart() -> None:
    watch = Watch()
    async with child(ECHO, watch) as model:
        answers = await asyncio.gather(*(answer(model, f"say {n}") for n in range(20)))
        assert [chunks[0].text for chunks in answers] == [f"say {n}" for n in range(20)]  # type: ignore[union-attr]
        assert all(isinstance(chunks[-1], FinishChunk) for chunks in answers)
        assert len(watch.started) == 1
    assert watch.ended.is_set()


async def test_what_a_request_waits_for_is_told_before_its_answer() -> None:
    async with child(ECHO, Watch()) as model:
        chunks = [chunk async for chunk in model.stream(asking("wait"))]
        waits = [chunk.text for chunk in chunks if isinstance(chunk, WaitChunk)]
        assert waits == ["the child process is starting", "the model is asked", "queued behind 1"]
        assert not isinstance(chunks[3], WaitChunk)


async def test_keys_of_the_daemon_are_not_in_the_child() -> None:
    async with child(ECHO, Watch()) as model:
        [chunk, _] = await answer(model, "env")
        assert "OPENAI_API_KEY" not in chunk.text  # type: ignore[union-attr]


async def test_a_fault_of_one_request_is_its_own() -> None:
    async with child(ECHO, Watch()) as model:
        with pytest.raises(ModelFault) as caught:
            await answer(model, "fail")
        assert (caught.value.fault, caught.value.retry_after_s) == ("rate_limit", 3.5)
        assert await answer(model, "hello")


async def test_a_child_that_nobody_uses_is_ended_and_started_again() -> None:
    watch = Watch()
    async with child(ECHO, watch, idle_s=0.05) as model:
        await answer(model, "hello")
        await watch.ended.wait()
        await answer(model, "again")
        assert len(watch.started) == 2


async def test_a_child_that_breaks_the_protocol_is_replaced() -> None:
    watch = Watch()
    async with child(ECHO, watch) as model:
        with pytest.raises(ModelFault) as caught:
            await answer(model, "garbage")
        assert caught.value.fault == "process"
        assert await answer(model, "hello")
        assert len(watch.started) == 2


async def test_a_child_that_does_not_start_says_why() -> None:
    async with child('log("no weights here")\nsys.exit(3)', Watch()) as model:
        with pytest.raises(ModelFault, match=r"code 3.*no weights here") as caught:
            await answer(model, "hello")
        assert caught.value.fault == "process"


async def test_a_command_that_is_not_there_is_a_fault() -> None:
    async with asyncio.TaskGroup() as group:
        model = WorkerModel("child", ("/no/such/program",), group, Watch(), 1.0)
        with pytest.raises(ModelFault, match="could not be started"):
            await answer(model, "hello")


async def test_closing_ends_what_streams_and_takes_nothing_more() -> None:
    async with child(ECHO, Watch()) as model:
        stream = model.stream(asking("hang"))
        while isinstance(chunk := await anext(stream), WaitChunk):
            pass
        assert isinstance(chunk, TextChunk)
        await model.close()
        with pytest.raises(ModelFault):
            await anext(stream)
        with pytest.raises(ModelFault, match="stopping"):
            await answer(model, "hello")
        await model.close()


async def test_closing_ends_a_child_whose_only_request_was_cancelled_while_it_started() -> None:
    watch = Watch()
    async with child("hear()", watch) as model:  # it is never ready
        asking_it = asyncio.create_task(answer(model, "hello"))
        await watch.begun.wait()
        asking_it.cancel()
        await asyncio.wait([asking_it])
        async with asyncio.timeout(3):
            await model.close()
        assert watch.ended.is_set()


async def test_a_cancelled_start_serves_the_next_request() -> None:
    watch = Watch()
    async with child(ECHO, watch) as model:
        first = asyncio.create_task(answer(model, "hello"))
        await watch.begun.wait()
        second = asyncio.create_task(answer(model, "hello"))
        first.cancel()
        assert await second
        assert len(watch.started) == 1


async def test_a_child_whose_only_request_went_away_while_it_started_is_ended_too() -> None:
    watch = Watch()
    async with child(ECHO, watch, idle_s=0.05) as model:
        asking_it = asyncio.create_task(answer(model, "hello"))
        await watch.begun.wait()
        asking_it.cancel()
        await watch.ended.wait()


HANGS = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say(Ready("child"))
pings = 0
while True:
    try:
        frame = hear()
    except EOFError:
        break
    if isinstance(frame, Ping):
        pings += 1
        say(Pong())
        if pings == 3:
            say(Piece(slow, TextChunk("at last")))
            say(Piece(slow, FinishChunk("stop", Usage())))
    elif isinstance(frame, Ask):
        name, said = frame.request.request, frame.request.messages[-1].text
        if said == "slow":
            slow = name
        elif said == "hang":
            say(Piece(name, TextChunk("begun")))
            while True:
                signal.pause()
        elif said == "stop":
            say(Piece(name, TextChunk("begun")))
            os.kill(os.getpid(), signal.SIGSTOP)
        elif said == "much":
            for number in range(6000):
                say(Piece(name, TextChunk(str(number))))
            say(Piece(name, FinishChunk("stop", Usage())))
        else:
            say(Piece(name, TextChunk(said)))
            say(Piece(name, FinishChunk("stop", Usage())))
"""


@pytest.mark.parametrize("how", ["hang", "stop"])
async def test_a_child_that_hangs_is_ended_with_all_its_requests_and_started_anew(how: str) -> None:
    watch = Watch()
    async with child(HANGS, watch, quiet_s=0.2, life_s=1.0) as model:
        patient = asyncio.create_task(answer(model, "other"))
        assert await patient
        hung, beside = (asyncio.create_task(answer(model, text)) for text in (how, "late"))
        for waiting in (hung, beside):
            with pytest.raises(ModelFault, match="did not answer any more") as caught:
                await waiting
            assert caught.value.fault == "process"
        assert await answer(model, "late")
        assert len(watch.started) == 2


async def test_a_child_that_lives_may_be_silent_for_long() -> None:
    watch = Watch()
    async with child(HANGS, watch, quiet_s=0.05, life_s=30.0) as model:
        chunks = await answer(model, "slow")
        assert isinstance(chunks[0], TextChunk)
        assert chunks[0].text == "at last"
        assert len(watch.started) == 1


async def test_a_child_that_waits_for_a_slow_reader_is_not_taken_for_a_hung_one() -> None:
    watch = Watch()
    async with child(HANGS, watch, quiet_s=0.1, life_s=1.0) as model:
        await answer(model, "begin")
        slowly = model.stream(asking("much"))
        read = [await anext(slowly)]
        beside = asyncio.create_task(answer(model, "beside"))
        done, _ = await asyncio.wait({beside}, timeout=1.5)
        assert not done, "the child waits for room, and so does everybody else"
        read += [chunk async for chunk in slowly]
        assert len(read) == 6001
        assert await beside
        assert len(watch.started) == 1


class HeardAndSaid:
    """A wire whose frames come from a list; keeps what is posted."""

    def __init__(self, *frames: ToChild) -> None:
        self._frames = list(frames)
        self.posted: list[FromChild] = []

    async def read(self) -> ToChild | None:
        return self._frames.pop(0) if self._frames else None

    def post(self, frame: FromChild) -> None:
        self.posted.append(frame)


@pytest.mark.parametrize("desk", [litellm_process.Desk, server.Desk])
async def test_both_model_processes_say_that_they_live(desk: Any) -> None:
    wire = HeardAndSaid(Ping())
    await desk(wire, None).serve()
    assert wire.posted == [Pong()]
