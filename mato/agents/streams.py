"""Streams on their way to people and into the journal: shown at once, journaled in stretches.

Every stream passes a redactor first, so what is shown, journaled and sent to a model is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Literal

from mato.agents.base import Sink
from mato_sessions.clock import Clock
from mato_sessions.events import (
    ArgumentsStreamed,
    Body,
    Event,
    OutputStreamed,
    ReasoningStreamed,
    TextStreamed,
)
from mato_sessions.pieces import Piece
from mato_sessions.redact import Redactor

FLUSH_S = 0.2
"""Longest wait of a piece; with the commit itself it stays below the promised 250 ms."""
STRETCH = 4096
"""Characters after which a stretch is journaled at once."""
ROOM = 64 * 1024
"""Characters on their way to the journal at which whoever streams has to wait."""

Kind = Literal["reasoning", "text", "arguments", "output"]


class Stream:
    """One stream; opened by `Streams.open`, closed by its writer."""

    def __init__(
        self,
        streams: Streams,
        *,
        kind: Kind,
        name: str,
        turn: str,
        attempt: int,
        call: str = "",
        tool: str = "",
    ) -> None:
        self._streams = streams
        self._redactor = streams.redactor.stream()
        self.kind: Kind = kind
        self.name = name
        self.turn = turn
        self._attempt = attempt
        self._call = call
        self._tool = tool
        self._offset = 0
        self._parts: list[str] = []
        self._last_us = 0
        self._pending: list[str] = []
        self._pace: list[tuple[int, int]] = []

    @property
    def text(self) -> str:
        """All that has come out so far, redacted."""
        return "".join(self._parts)

    def feed(self, text: str) -> None:
        """Show and keep the next piece."""
        self._pass(self._redactor.feed(text))

    def close(self) -> None:
        """Let out what was held back: no more comes."""
        self._pass(self._redactor.flush())

    def _pass(self, text: str) -> None:
        if not text:
            return
        now_us = self._streams.clock.mono_us()
        self._streams.sink.piece(
            Piece(
                kind=self.kind,
                session=self._streams.sink.session,
                agent=self._streams.sink.agent,
                turn=self.turn,
                stream=self.name,
                attempt=self._attempt,
                offset=self._offset,
                text=text,
                call=self._call,
                name=self._tool,
                mono_us=now_us,
                at_us=self._streams.clock.wall_us(),
            )
        )
        self._offset += len(text)
        self._pace.append((now_us - self._last_us if self._last_us else 0, len(text)))
        self._last_us = now_us
        self._pending.append(text)
        if self.kind != "output":  # nobody asks for the text of an output, which may be long
            self._parts.append(text)
        self._streams.grown(self, len(text))

    def take(self) -> Body:
        """What has come since the last time, as the fact to journal."""
        text, pieces = "".join(self._pending), tuple(self._pace)
        offset = self._offset - len(text)
        self._pending, self._pace = [], []
        if self.kind == "output":
            return OutputStreamed(
                call=self._call, attempt=self._attempt, offset=offset, text=text, pieces=pieces
            )
        if self.kind == "arguments":
            return ArgumentsStreamed(
                stream=self.name,
                attempt=self._attempt,
                offset=offset,
                text=text,
                pieces=pieces,
                call=self._call,
                name=self._tool,
            )
        made = ReasoningStreamed if self.kind == "reasoning" else TextStreamed
        return made(
            stream=self.name, attempt=self._attempt, offset=offset, text=text, pieces=pieces
        )


class Streams:
    """All streams of an agent, with one journaling branch for them together.

    `journaled` is given the events of each commit, in order.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Clock,
        redactor: Redactor,
        journaled: Callable[[Sequence[Event]], Awaitable[None]],
    ) -> None:
        self.sink = sink
        self.clock = clock
        self.redactor = redactor
        self._journaled = journaled
        self._dirty: dict[Stream, None] = {}
        self._fed = 0
        self._taken = 0
        self._written = 0
        # Characters of all streams: fed, taken into a commit, committed.
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def open(
        self, kind: Kind, name: str, turn: str, attempt: int, call: str = "", tool: str = ""
    ) -> Stream:
        """A new stream."""
        return Stream(self, kind=kind, name=name, turn=turn, attempt=attempt, call=call, tool=tool)

    def grown(self, stream: Stream, count: int) -> None:
        """Called by streams: `count` characters wait to be journaled."""
        self._dirty[stream] = None
        self._fed += count
        self._some.set()
        if self._fed - self._taken >= STRETCH:
            self._full.set()

    async def room(self) -> None:
        """Wait while too much is on its way to the journal."""
        if self._fed - self._written >= ROOM:
            await self.drain()

    async def drain(self) -> None:
        """Returns once everything that was fed before is journaled, whatever comes meanwhile."""
        if self._written < self._fed:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._fed, done))
            self._full.set()
            await done

    async def run(self) -> None:
        """Journal what comes, until cancelled."""
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._full.wait()
            self._some.clear()
            self._full.clear()
            await self._flush()
            for fed, done in self._waiting:
                if fed <= self._written and not done.done():
                    done.set_result(None)
            self._waiting = [each for each in self._waiting if not each[1].done()]
            if self._waiting:
                self._full.set()

    async def _flush(self) -> None:
        streams = list(self._dirty)
        self._dirty.clear()
        taken = self._taken = self._fed
        for turn, group in groupby(streams, key=lambda stream: stream.turn):
            events = await self.sink.record(*[stream.take() for stream in group], turn=turn)
            await self._journaled(events)
        self._written = taken
