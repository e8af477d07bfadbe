"""One attempt to get an answer: chunks of the model become streams and, at the end, one input."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec

from mato.agents.native.silence import Silence
from mato.agents.native.steps import ModelBroke, ModelDone
from mato.agents.streams import Stream, Streams
from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    FinishChunk,
    ModelFault,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
    WaitChunk,
)
from mato.models.sources import Models
from mato_sessions.clock import Clock
from mato_sessions.errors import JournalError, MatoError
from mato_sessions.events.agent import Limits
from mato_sessions.events.model import Call
from mato_sessions.ids import Ids

_log = logging.getLogger(__name__)


class _Writing(msgspec.Struct):
    """A call that is being written."""

    call: str
    name: str
    stream: Stream
    raw: list[str]


class Answering:
    """Reads one stream of a model. `raw` has the calls' arguments as they came, by call id."""

    def __init__(
        self,
        streams: Streams,
        clock: Clock,
        ids: Ids,
        turn: str,
        request: str,
        attempt: int,
        waits: Callable[[str], Awaitable[None]],
        limits: Limits,
    ) -> None:
        self._streams = streams
        self._clock = clock
        self._ids = ids
        self._turn = turn
        self._request = request
        self._attempt = attempt
        self._waits = waits
        # Told what the answer waits for whenever that changes; "" once it begins.
        self._waited = ""
        self._silence = Silence(limits, self._wait)
        self._finish: FinishChunk | None = None
        self._text: Stream | None = None
        self._reasoning: Stream | None = None
        self._calls: dict[int, _Writing] = {}
        self._begun_us = clock.mono_us()
        self._first_us = 0
        self.raw: dict[str, str] = {}

    async def read(self, models: Models, request: ModelRequest) -> ModelDone | ModelBroke:
        """The outcome; every stretch before it is journaled. Cancelled, the streams are closed."""
        try:
            chunks = models.get(request.choice).stream(request)
            try:
                await self._silence.keep(self._listen(chunks))
            finally:
                self._close()
                if isinstance(chunks, AsyncGenerator):
                    await chunks.aclose()
        except ModelFault as fault:
            return await self._broken(fault)
        except JournalError:
            raise
        except MatoError as error:
            return await self._broken(ModelFault("refused", str(error)))
        except Exception as error:
            _log.exception("the model client failed")
            return await self._broken(ModelFault("refused", f"the model client failed: {error}"))
        if self._finish is None:
            return await self._broken(ModelFault("cut", "the answer was cut off"))
        await self._streams.drain()
        return self._done(self._finish)

    async def _listen(self, chunks: AsyncIterator[Chunk]) -> None:
        self._silence.listen()
        async for chunk in chunks:
            waits = chunk.text if isinstance(chunk, WaitChunk) else None
            self._silence.heard(waits)
            await self._wait(waits or "")
            if waits is None:
                if not self._first_us:
                    self._first_us = self._clock.mono_us() - self._begun_us
                if isinstance(chunk, FinishChunk):
                    self._finish = chunk
                    return
                self._take(chunk)
                await self._streams.room()
            self._silence.listen()

    async def _wait(self, text: str) -> None:
        if text != self._waited:
            self._waited = text
            await self._waits(text)

    def _take(self, chunk: Chunk) -> None:
        match chunk:
            case TextChunk(text=text):
                if self._text is None:
                    self._text = self._open("text")
                self._text.feed(text)
            case ReasoningChunk(text=text):
                if self._reasoning is None:
                    self._reasoning = self._open("reasoning")
                self._reasoning.feed(text)
            case ArgumentsChunk(index=index, name=name, text=text):
                writing = self._calls.get(index)
                if writing is None:
                    writing = self._calls[index] = self._new_call(name)
                writing.raw.append(text)
                writing.stream.feed(text)
            case FinishChunk() | WaitChunk():
                pass

    def _open(self, kind: str) -> Stream:
        name = f"{self._request}/{self._attempt}/{kind}"
        return self._streams.open(
            "text" if kind == "text" else "reasoning", name, self._turn, self._attempt
        )

    def _new_call(self, name: str) -> _Writing:
        call = self._ids.call()
        stream = self._streams.open(
            "arguments",
            f"{self._request}/{self._attempt}/{call}",
            self._turn,
            self._attempt,
            call,
            name,
        )
        return _Writing(call, name, stream, [])

    def _close(self) -> None:
        for stream in (self._reasoning, self._text):
            if stream is not None:
                stream.close()
        for writing in self._calls.values():
            writing.stream.close()

    async def _broken(self, fault: ModelFault) -> ModelBroke:
        await self._streams.drain()
        return ModelBroke(
            self._request,
            self._attempt,
            fault.fault,
            str(fault),
            fault.retry_after_s,
            self._clock.mono_us(),
        )

    def _done(self, finish: FinishChunk) -> ModelDone:
        calls: list[Call] = []
        for _, writing in sorted(self._calls.items()):
            raw = "".join(writing.raw)
            self.raw[writing.call] = raw
            text = writing.stream.text
            calls.append(Call(writing.call, writing.name, text, redacted=text != raw))
        now_us = self._clock.mono_us()
        return ModelDone(
            request=self._request,
            attempt=self._attempt,
            text=self._text.text if self._text else "",
            reasoning=self._reasoning.text if self._reasoning else "",
            calls=tuple(calls),
            finish=finish.finish,
            usage=finish.usage,
            first_us=self._first_us,
            latency_us=now_us - self._begun_us,
            now_us=now_us,
        )
