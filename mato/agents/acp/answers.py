"""The text of an ACP agent: pieces are shown at once, journaled in stretches, and kept whole."""

from __future__ import annotations

from mato.agents.streams import Stream, Streams
from mato_sessions.clock import Clock
from mato_sessions.events import ModelAnswered
from mato_sessions.ids import Ids


class Answers:
    """Cuts what an agent says into answers: reasoning first, then text, up to a call or the end."""

    def __init__(self, streams: Streams, clock: Clock, ids: Ids) -> None:
        self._streams = streams
        self._clock = clock
        self._ids = ids
        self._request = ""
        self._text: Stream | None = None
        self._reasoning: Stream | None = None
        self._since_us = 0
        self._first_us = 0
        self._outputs: dict[str, Stream] = {}

    def begin(self) -> None:
        """A turn begins: from now on an answer is waited for."""
        self._since_us = self._clock.mono_us()

    @property
    def after_text(self) -> bool:
        """Whether reasoning that comes now belongs to another answer."""
        return self._text is not None

    async def say(self, kind: str, text: str, turn: str) -> None:
        """Show the next piece; waits while too much is on its way to the journal."""
        if not self._request:
            self._request = self._ids.request()
            self._first_us = self._clock.mono_us()
        if kind == "text":
            self._text = self._text or self._open("text", turn)
            self._text.feed(text)
        else:
            self._reasoning = self._reasoning or self._open("reasoning", turn)
            self._reasoning.feed(text)
        await self._streams.room()

    async def output(self, call: str, text: str, turn: str) -> None:
        """Show what a call prints."""
        stream = self._outputs.get(call)
        if stream is None:
            stream = self._streams.open("output", f"{call}/1/output", turn, 1, call)
            self._outputs[call] = stream
        stream.feed(text)
        await self._streams.room()

    async def close_output(self, call: str) -> None:
        """The call has ended: all that it printed stands before its end."""
        if (stream := self._outputs.pop(call, None)) is not None:
            stream.close()
            await self._streams.drain()

    async def close(self) -> ModelAnswered | None:
        """The answer as a whole, once its pieces are journaled; None where there is none."""
        if not self._request:
            return None
        for stream in (self._reasoning, self._text):
            if stream is not None:
                stream.close()
        await self._streams.drain()
        now_us = self._clock.mono_us()
        answered = ModelAnswered(
            request=self._request,
            attempt=1,
            text=self._text.text if self._text else "",
            reasoning=self._reasoning.text if self._reasoning else "",
            finish="stop",
            first_us=max(0, self._first_us - self._since_us),
            latency_us=max(0, now_us - self._since_us),
        )
        self._request, self._text, self._reasoning = "", None, None
        self._since_us = now_us
        return answered

    def _open(self, kind: str, turn: str) -> Stream:
        name = f"{self._request}/1/{kind}"
        return self._streams.open("text" if kind == "text" else "reasoning", name, turn, 1)
