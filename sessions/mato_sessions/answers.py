"""The answers in a transcript: their streams, live and journaled, and the whole at the end."""

from __future__ import annotations

from collections.abc import Container

from mato_sessions.calls import CUT, Calls
from mato_sessions.entries import CallEntry, ReasoningEntry, TextEntry
from mato_sessions.events import (
    ArgumentsStreamed,
    Event,
    ModelAnswered,
    ReasoningStreamed,
    TextStreamed,
)
from mato_sessions.pieces import Piece
from mato_sessions.shelf import Origin, Shelf, origin
from mato_sessions.streams import Stream

StreamedBody = ReasoningStreamed | TextStreamed | ArgumentsStreamed
_StreamEntry = ReasoningEntry | TextEntry | CallEntry


class Answers:
    """Reasoning, text and written arguments of one agent, in `shelf`."""

    def __init__(
        self, shelf: Shelf, calls: Calls, streams: dict[str, Stream], closed: list[str]
    ) -> None:
        self._shelf = shelf
        self._calls = calls
        self._streams = streams
        self._closed = closed
        # Answers (REQUEST/ATTEMPT) of the current turn that are over: late pieces are dropped.

    def delta(self, piece: Piece) -> None:
        """Show a live piece, unless it was shown already or its answer is over."""
        answer = _answer(piece.stream)
        key = f"call/{piece.call}" if piece.kind == "arguments" else f"stream/{piece.stream}"
        entry = self._shelf.get(key)
        written = isinstance(entry, CallEntry) and entry.status != "writing"
        if answer in self._closed or written:
            return
        stream = self._streams.get(piece.stream)
        stream = stream or Stream(key=key, answer=answer, attempt=piece.attempt)
        if not stream.show(piece.offset, piece.text):
            return
        self._streams[piece.stream] = stream
        if entry is None:
            entry = _blank(piece, key)
            self._shelf.place_early(entry)
        if isinstance(entry, ReasoningEntry | TextEntry | CallEntry):
            self._show(entry, stream)
            self._go_on(entry, stream, piece.mono_us)

    def streamed(self, event: Event, body: StreamedBody) -> None:
        """Take in a journaled stretch."""
        answer = _answer(body.stream)
        if answer in self._closed:
            return
        is_call = isinstance(body, ArgumentsStreamed)
        key = f"call/{body.call}" if is_call else f"stream/{body.stream}"
        entry = self._stream_entry(event, body, key)
        if isinstance(entry, CallEntry) and entry.status != "writing":
            return
        stream = self._streams.setdefault(
            body.stream, Stream(key=key, answer=answer, attempt=body.attempt)
        )
        news = stream.settle(body.offset, body.text)
        stream.ended_us = event.mono_us
        self._show(entry, stream)
        if news:
            self._go_on(entry, stream, event.mono_us)

    def _stream_entry(self, event: Event, body: StreamedBody, key: str) -> _StreamEntry:
        source = origin(event)
        started = event.mono_us
        match body:
            case ReasoningStreamed():
                return self._shelf.made(ReasoningEntry, key) or self._shelf.place(
                    ReasoningEntry(key=key, **source, text="", open=True, started_us=started)
                )
            case TextStreamed():
                return self._shelf.made(TextEntry, key) or self._shelf.place(
                    TextEntry(key=key, **source, text="", open=True)
                )
            case ArgumentsStreamed():
                return self._calls.entry(event, body.call, body.name, "writing")

    def _show(self, entry: _StreamEntry, stream: Stream) -> None:
        if isinstance(entry, CallEntry):
            entry.arguments_text = stream.text
        else:
            entry.text = stream.text
        self._shelf.touch(entry)

    def _go_on(self, entry: _StreamEntry, stream: Stream, mono_us: int) -> None:
        """Reasoning is open while it is what comes."""
        reasoning = self._shelf.get(f"stream/{stream.answer}/reasoning")
        if isinstance(reasoning, ReasoningEntry):
            if reasoning is entry:
                reasoning.open = True
                reasoning.ended_us = mono_us
            elif reasoning.open:
                reasoning.open = False
                self._shelf.touch(reasoning)

    def answered(self, event: Event, body: ModelAnswered) -> None:
        """Take in the whole answer; what was streamed of it is superseded."""
        answer = f"{body.request}/{body.attempt}"
        source = origin(event)
        told: set[str] = set()
        text_key = f"stream/{answer}/text"
        if body.reasoning:
            key = f"stream/{answer}/reasoning"
            told.add(key)
            reasoning = self._shelf.made(ReasoningEntry, key)
            if reasoning is None:
                # Not one stretch of it was journaled: its time is that of the whole answer.
                started = event.mono_us - body.latency_us + body.first_us
                reasoning = ReasoningEntry(
                    key=key, **source, text="", open=False, started_us=started
                )
                self._shelf.place(reasoning, before=text_key)
            stream = self._streams.get(f"{answer}/reasoning")
            reasoning.text = body.reasoning
            reasoning.open = False
            reasoning.ended_us = (stream.ended_us if stream else 0) or event.mono_us
            self._shelf.touch(reasoning)
        if body.text:
            told.add(text_key)
            text = self._shelf.made(TextEntry, text_key) or self._shelf.place(
                TextEntry(key=text_key, **source, text="", open=False)
            )
            text.text = body.text
            text.open = False
            self._shelf.touch(text)
        for call in body.calls:
            entry = self._calls.entry(event, call.call, call.name, "writing")
            told.add(entry.key)
            if entry.status == "writing":
                entry.status = "proposed"
                entry.arguments_text = call.arguments
        self.close(answer, told=told, cut=False)

    def close(self, answer: str, *, told: Container[str] = (), cut: bool) -> None:
        """No more comes of an answer (``REQUEST/ATTEMPT``).

        Streams whose entry was not `told` whole keep what was journaled; `cut`: it is partial.
        """
        if answer not in self._closed:
            self._closed.append(answer)
        for name, stream in list(self._streams.items()):
            if stream.answer == answer:
                del self._streams[name]
                if stream.key not in told:
                    self._settle(stream, cut)

    def close_all(self) -> None:
        """No more comes of any answer."""
        for stream in list(self._streams.values()):
            self.close(stream.answer, cut=True)

    def _settle(self, stream: Stream, cut: bool) -> None:
        entry = self._shelf.get(stream.key)
        if entry is None:
            return
        if not entry.seq:
            self._shelf.remove(entry.key)
            return
        match entry:
            case ReasoningEntry():
                entry.text = stream.settled
                entry.open = False
                entry.ended_us = stream.ended_us
            case TextEntry():
                entry.text = stream.settled
                entry.open = False
                entry.partial = cut
            case CallEntry(status="writing"):
                entry.arguments_text = stream.settled
                entry.status = "failed"
                entry.summary = CUT
            case _:
                return
        self._shelf.touch(entry)


def _answer(stream: str) -> str:
    """``REQUEST/ATTEMPT`` of a stream's id."""
    return stream.rpartition("/")[0]


def _blank(piece: Piece, key: str) -> _StreamEntry:
    """The entry of a stream of which no event has come."""
    source: Origin = {"seq": 0, "turn": piece.turn, "at_us": piece.at_us}
    match piece.kind:
        case "reasoning":
            return ReasoningEntry(key=key, **source, text="", open=True, started_us=piece.mono_us)
        case "text":
            return TextEntry(key=key, **source, text="", open=True)
        case _:
            return CallEntry(
                key=key, **source, call=piece.call, name=piece.name, title="", status="writing"
            )
