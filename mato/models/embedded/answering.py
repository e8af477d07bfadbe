"""One request, from the conversation to the last chunk: fit, wait for a slot, warm up, generate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    Finish,
    FinishChunk,
    ModelFault,
    ModelRequest,
    TextChunk,
)
from mato.models.embedded.fitting import candidates
from mato.models.embedded.llama import SLOT_TOKENS, SLOTS, Engine
from mato.models.embedded.prompt import Prefix, Turn, conversation, may_call, prefix
from mato.models.embedded.reply import ArgumentsPiece, CallBegun, ReplyParser, TextPiece
from mato.models.embedded.schema import reply_schema
from mato.models.embedded.slots import Full, Slot, Slots

ANSWER_TOKENS = 400
"""Longest answer unless the request says otherwise; a small model that loops ends here."""
_NEWEST_LIMIT = 200_000
_PASSED_ON = ("temperature", "top_p", "seed", "stop", "frequency_penalty", "presence_penalty")

Emit = Callable[[Chunk], Awaitable[None]]
Tell = Callable[[str], None]


class Answering:
    """Answers requests on one engine; as many at once as it has slots."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._slots = Slots(SLOTS)
        self._warming: dict[str, asyncio.Lock] = {}

    async def answer(self, request: ModelRequest, emit: Emit, tell: Tell) -> None:
        """Emit the chunks of the answer, ending with a `FinishChunk`.

        `tell` gets a few words on what is waited for. Cancelling frees the slot at once.

        Raises:
            ModelFault: there will be no (further) answer.
        """
        before = prefix(request.tools)
        parameters = _parameters(request.parameters)
        turns = await self._fit(request, before, SLOT_TOKENS - parameters["max_tokens"] - 8, tell)
        known = tuple(turn.content for turn in turns)
        try:
            async with self._slots.take(known, lambda n: tell(f"queued behind {n}")) as slot:
                await self._warm(slot, before, tell)
                slot.conversation = known
                await self._generate(request, before, turns, parameters, slot, emit)
        except Full:
            raise ModelFault(
                "server", "too many requests wait for the embedded model; try again later"
            ) from None

    async def _fit(
        self, request: ModelRequest, before: Prefix, room: int, tell: Tell
    ) -> tuple[Turn, ...]:
        # Far more than could ever fit is not worth tokenising.
        if sum(len(one.text) for one in request.messages[-1:]) <= _NEWEST_LIMIT:
            for shorter in candidates(request.messages):
                turns = conversation(request.system, shorter, before)
                if await self._engine.tokens(turns) <= room:
                    if shorter.note:
                        tell(f"conversation shortened for a small context: {shorter.note}")
                    return turns
        raise ModelFault(
            "context",
            f"the newest message does not fit the embedded model's {SLOT_TOKENS} tokens; "
            "shorten it or choose another model",
        )

    async def _warm(self, slot: Slot, before: Prefix, tell: Tell) -> None:
        """Have the shared beginning of the prompt in the slot, read once and then copied."""
        if not before.turns:
            slot.prefix = ""
            return
        key = self._engine.key(before.turns)
        if slot.prefix == key:
            return
        slot.prefix, slot.conversation = "", ()
        # One reads it, the others wait and copy: slots do not share what they have read.
        reading = self._warming.setdefault(key, asyncio.Lock())
        if reading.locked():
            tell("its instructions are being read")
        async with reading:
            if not await self._engine.restore(key, slot.number):
                tell("reading its instructions, once for these tools")
                await self._engine.prefill(before.turns, key, slot.number)
        slot.prefix = key

    async def _generate(
        self,
        request: ModelRequest,
        before: Prefix,
        turns: tuple[Turn, ...],
        parameters: dict[str, Any],
        slot: Slot,
        emit: Emit,
    ) -> None:
        schema = None
        if request.tools:
            schema = reply_schema(request.tools, before.answer, call=may_call(request.messages))
        parser = ReplyParser(before.answer)
        stream = self._engine.generate(turns, schema, parameters, slot.number)
        async with aclosing(stream):
            async for piece in stream:
                if piece.finish:
                    await emit(FinishChunk(_finish(piece.finish, parser), piece.usage))
                elif schema is None:
                    await emit(TextChunk(piece.text))
                else:
                    for chunk in _chunks(parser, piece.text):
                        await emit(chunk)


def _chunks(parser: ReplyParser, text: str) -> list[Chunk]:
    chunks: list[Chunk] = []
    for part in parser.feed(text):
        match part:
            case CallBegun(name):
                chunks.append(ArgumentsChunk(0, name, ""))
            case ArgumentsPiece(piece):
                chunks.append(ArgumentsChunk(0, "", piece))
            case TextPiece(piece):
                chunks.append(TextChunk(piece))
    return chunks


def _finish(given: str, parser: ReplyParser) -> Finish:
    if given == "cut":
        raise ModelFault("cut", "the embedded model's answer broke off")
    if given == "length":
        return "length"
    return "tool_calls" if parser.called else "stop"


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    # As litellm names them; what llama.cpp has no word for is left out.
    asked = given.get("max_completion_tokens") or given.get("max_tokens")
    longest = asked if isinstance(asked, int) and asked > 0 else ANSWER_TOKENS
    return {
        "temperature": 0.0,
        **{name: given[name] for name in _PASSED_ON if given.get(name) is not None},
        "max_tokens": min(longest, SLOT_TOKENS // 2),
    }
