"""Requests on few slots: the line, cancelling, warming once, and faults, on a played engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest

from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    FinishChunk,
    Message,
    ModelChoice,
    ModelFault,
    ModelRequest,
    TextChunk,
    ToolSchema,
    Usage,
)
from mato.models.embedded.answering import Answering
from mato.models.embedded.llama import SLOT_TOKENS, SLOTS, Generated
from mato.models.embedded.prompt import Turn
from mato.models.embedded.slots import Full, Slot, Slots

READ = ToolSchema(
    "read",
    "Read a file.",
    {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)


class PlayedEngine:
    """Gives the same reply to all; says how it was used."""

    def __init__(self, reply: str, finish: str = "stop") -> None:
        self.reply = reply
        self.finish = finish
        self.go = asyncio.Event()
        self.go.set()
        self.began = asyncio.Semaphore(0)
        self.saved: set[str] = set()
        self.prefilled: list[int] = []
        self.restored: list[int] = []
        self.busy: set[int] = set()
        self.schemas: list[Mapping[str, Any] | None] = []
        self.lengths: list[int] = []

    async def tokens(self, turns: Sequence[Turn]) -> int:
        return sum(len(turn.content) for turn in turns) // 4

    def key(self, turns: Sequence[Turn]) -> str:
        return str(hash(tuple(turns)))

    async def restore(self, key: str, slot: int) -> bool:
        if key not in self.saved:
            return False
        self.restored.append(slot)
        return True

    async def prefill(self, turns: Sequence[Turn], key: str, slot: int) -> None:
        await asyncio.sleep(0)
        self.prefilled.append(slot)
        self.saved.add(key)

    async def generate(
        self,
        turns: Sequence[Turn],
        schema: Mapping[str, Any] | None,
        parameters: Mapping[str, Any],
        slot: int,
    ) -> AsyncGenerator[Generated]:
        assert slot not in self.busy
        self.busy.add(slot)
        self.schemas.append(schema)
        self.lengths.append(parameters["max_tokens"])
        self.began.release()
        try:
            await self.go.wait()
            for character in self.reply:
                yield Generated(character)
            yield Generated("", self.finish, Usage(input=5, output=7, cost_usd=0.0))
        finally:
            self.busy.remove(slot)


def request(text: str = "Read a.", *, tools: bool = True, **parameters: Any) -> ModelRequest:
    return ModelRequest(
        request=text,
        choice=ModelChoice("embedded"),
        system="",
        tools=(READ,) if tools else (),
        messages=(Message("user", text),),
        parameters=parameters,
    )


async def answer(
    answering: Answering, asked: ModelRequest, said: list[str] | None = None
) -> list[Chunk]:
    chunks: list[Chunk] = []

    async def emit(chunk: Chunk) -> None:
        chunks.append(chunk)

    await answering.answer(asked, emit, [].append if said is None else said.append)
    return chunks


async def test_a_call_streams_its_arguments_piece_by_piece() -> None:
    answering = Answering(PlayedEngine('{"tool":"read","args":{"path":"a"}}'))
    chunks = await answer(answering, request())
    calls = [chunk for chunk in chunks if isinstance(chunk, ArgumentsChunk)]
    assert calls[0].name == "read"
    assert len(calls) > 5
    assert "".join(call.text for call in calls) == '{"path":"a"}'
    assert chunks[-1] == FinishChunk("tool_calls", Usage(input=5, output=7, cost_usd=0.0))


async def test_an_answer_streams_as_text() -> None:
    answering = Answering(PlayedEngine('{"tool":"answer","args":{"text":"a \\"b\\""}}'))
    chunks = await answer(answering, request())
    assert "".join(one.text for one in chunks if isinstance(one, TextChunk)) == 'a "b"'
    assert isinstance(chunks[-1], FinishChunk)
    assert chunks[-1].finish == "stop"


async def test_without_tools_the_text_is_passed_on_as_it_is() -> None:
    engine = PlayedEngine('{"plain"}')
    chunks = await answer(Answering(engine), request(tools=False))
    assert "".join(one.text for one in chunks if isinstance(one, TextChunk)) == '{"plain"}'
    assert engine.schemas == [None]
    assert engine.prefilled == []


async def test_an_answer_at_its_limit_says_so() -> None:
    engine = PlayedEngine('{"tool":"answer","args":{"text":"and so', finish="length")
    chunks = await answer(Answering(engine), request(max_tokens=10_000))
    assert isinstance(chunks[-1], FinishChunk)
    assert chunks[-1].finish == "length"
    assert engine.lengths == [SLOT_TOKENS // 2]


async def test_a_stream_that_breaks_off_is_a_fault() -> None:
    with pytest.raises(ModelFault) as caught:
        await answer(Answering(PlayedEngine("{", finish="cut")), request())
    assert caught.value.fault == "cut"


async def test_a_message_that_can_never_fit_is_refused_with_a_sentence() -> None:
    engine = PlayedEngine("")
    for text in ("word " * 10_000, "word " * 100_000):
        with pytest.raises(ModelFault, match="shorten it or choose another model") as caught:
            await answer(Answering(engine), request(text))
        assert caught.value.fault == "context"
    assert engine.schemas == []


async def test_a_long_conversation_is_shortened_and_says_so() -> None:
    said: list[str] = []
    old = [Message("user", "word " * 300), Message("assistant", "ok")]
    asked = ModelRequest(
        "r", ModelChoice("embedded"), "", (READ,), (*(old * 60), Message("user", "Now?"))
    )
    chunks = await answer(
        Answering(PlayedEngine('{"tool":"answer","args":{"text":"x"}}')), asked, said
    )
    assert isinstance(chunks[-1], FinishChunk)
    assert any("60 messages left out, 30 texts shortened" in text for text in said)


async def test_the_prefix_is_read_once_and_copied_into_every_slot() -> None:
    engine = PlayedEngine('{"tool":"answer","args":{"text":"x"}}')
    engine.go.clear()
    answering = Answering(engine)
    async with asyncio.TaskGroup() as group:
        for number in range(SLOTS):
            group.create_task(answer(answering, request(f"q{number}")))
        for _ in range(SLOTS):
            await engine.began.acquire()
        engine.go.set()
    assert len(engine.prefilled) == 1
    assert sorted(engine.prefilled + engine.restored) == list(range(SLOTS))
    await answer(answering, request("again"))
    assert len(engine.restored) == SLOTS - 1


async def test_a_slot_used_without_tools_gets_its_prefix_again() -> None:
    engine = PlayedEngine('{"tool":"answer","args":{"text":"x"}}')
    answering = Answering(engine)
    await answer(answering, request("first"))
    engine.go.clear()
    async with asyncio.TaskGroup() as group:
        for number in range(SLOTS):
            group.create_task(answer(answering, request(f"plain {number}", tools=False)))
        await engine.began.acquire()  # that of the first
        for _ in range(SLOTS):
            await engine.began.acquire()
        engine.go.set()
    assert engine.restored == []
    await answer(answering, request("first"))
    assert len(engine.restored) == 1


async def test_more_requests_than_slots_wait_in_line_and_hear_their_place() -> None:
    engine = PlayedEngine('{"tool":"answer","args":{"text":"x"}}')
    engine.go.clear()
    answering = Answering(engine)
    said: dict[int, list[str]] = {number: [] for number in range(SLOTS + 2)}
    async with asyncio.TaskGroup() as group:
        for number in range(SLOTS + 2):
            group.create_task(answer(answering, request(f"q{number}"), said[number]))
        for _ in range(SLOTS):
            await engine.began.acquire()
        assert len(engine.busy) == SLOTS
        engine.go.set()
    heard = [texts for texts in said.values() if any("queued" in text for text in texts)]
    assert sorted(texts[0] for texts in heard) == ["queued behind 1", "queued behind 2"]
    assert ["queued behind 2", "queued behind 1"] in heard


async def test_cancelling_frees_the_slot_for_the_next_in_line() -> None:
    engine = PlayedEngine('{"tool":"answer","args":{"text":"x"}}')
    engine.go.clear()
    answering = Answering(engine)
    running = [asyncio.ensure_future(answer(answering, request(f"q{n}"))) for n in range(SLOTS)]
    for _ in range(SLOTS):
        await engine.began.acquire()
    waiting = asyncio.ensure_future(answer(answering, request("next")))
    running[0].cancel()
    await engine.began.acquire()  # the waiting one has begun
    assert len(engine.busy) == SLOTS
    engine.go.set()
    assert isinstance((await waiting)[-1], FinishChunk)
    await asyncio.gather(*running[1:])
    assert engine.busy == set()


async def test_one_that_leaves_the_line_lets_the_others_move_up() -> None:
    slots = Slots(1)
    places: asyncio.Queue[int] = asyncio.Queue()

    async def use(moved: Any) -> Slot:
        async with slots.take((), moved) as slot:
            return slot

    async with slots.take((), print):
        first = asyncio.ensure_future(use(lambda place: None))
        second = asyncio.ensure_future(use(places.put_nowait))
        assert await places.get() == 2
        first.cancel()
        assert await places.get() == 1
    assert (await second).number == 0
    assert first.cancelled()


async def test_a_slot_handed_to_one_that_is_being_cancelled_is_not_lost() -> None:
    slots = Slots(1)
    told = asyncio.Event()

    async def use() -> None:
        async with slots.take((), lambda place: told.set()):
            pass

    async with slots.take((), print):
        waiting = asyncio.ensure_future(use())
        await told.wait()
    # The slot is its now, but its task has not run yet.
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5), slots.take((), print) as slot:
        assert slot.number == 0


async def test_the_line_has_an_end() -> None:
    slots = Slots(0)
    tasks = [asyncio.ensure_future(_enter(slots)) for _ in range(64)]
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await _enter(slots)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_of_the_free_slots_the_one_that_knows_the_conversation_is_given() -> None:
    slots = Slots(3)
    async with slots.take(("a",), print) as slot:
        slot.conversation = ("a", "b")
        number = slot.number
    async with slots.take(("a", "b", "c"), print) as slot:
        assert slot.number == number


async def _enter(slots: Slots) -> None:
    async with slots.take((), lambda place: None):
        pass
