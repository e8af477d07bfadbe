"""Tool calls in a transcript: what each event of a call changes in its entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, assert_never

from mato_sessions.entries import AnyEntry, CallEntry
from mato_sessions.events import (
    Event,
    OutputStreamed,
    PermissionAnswered,
    PermissionAsked,
    ToolDescribed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
)
from mato_sessions.pieces import Piece
from mato_sessions.shelf import Shelf, origin
from mato_sessions.streams import Stream

ToolBody = (
    ToolProposed
    | ToolDescribed
    | ToolStarted
    | OutputStreamed
    | ToolFinished
    | ToolFailed
    | ToolUnknown
)
OUTPUT_KEPT = 64 * 1024
"""Characters of a running tool's output that are kept, from its end."""

CUT = "the answer was cut off before it was complete"
_UNSETTLED = frozenset({"writing", "proposed", "waiting", "running"})
"""States of a call that has not ended."""
_CANCELLED = "cancelled"


class Calls:
    """The tool calls of one agent, in `shelf`."""

    def __init__(self, shelf: Shelf, outputs: dict[str, Stream]) -> None:
        self._shelf = shelf
        self._outputs = outputs
        # Of the calls that run, by call.

    def entry(
        self,
        event: Event,
        call: str,
        name: str = "",
        status: Literal["writing", "proposed"] = "proposed",
    ) -> CallEntry:
        """The call's entry, about to change."""
        key = f"call/{call}"
        entry = self._shelf.made(CallEntry, key)
        if entry is None:
            entry = CallEntry(
                key=key, **origin(event), call=call, name=name, title="", status=status
            )
            return self._shelf.place(entry)
        self._shelf.touch(entry)
        return entry

    def tool(self, event: Event, body: ToolBody) -> None:
        """Take in what happened to a call."""
        entry = self.entry(event, body.call)
        match body:
            case ToolProposed():
                _propose(entry, body)
            case ToolDescribed(title=title, arguments=arguments):
                entry.title = entry.title if title is None else title
                entry.arguments = entry.arguments if arguments is None else arguments
            case ToolStarted():
                stream = self._output(body.call, body.attempt, fresh=True)
                _start(entry, event.mono_us, stream)
            case OutputStreamed() if entry.status not in _UNSETTLED:
                pass  # Late: the end of the call has said what there is to see.
            case OutputStreamed():
                stream = self._output(body.call, body.attempt, fresh=False)
                stream.settle(body.offset, body.text)
                entry.output = stream.text
            case ToolFinished():
                self._outputs.pop(body.call, None)
                _finish(entry, body)
            case ToolFailed():
                _fail(entry, body, self._outputs.pop(body.call, None))
            case ToolUnknown():
                _lose(entry, body, self._outputs.pop(body.call, None))

    def _output(self, call: str, attempt: int, *, fresh: bool) -> Stream:
        """The stream of an attempt's output. `fresh`: nothing of it can have been journaled."""
        stream = self._outputs.get(call)
        if stream is None or stream.attempt != attempt or (fresh and stream.settled):
            stream = Stream(key=f"call/{call}", answer="", attempt=attempt, keep=OUTPUT_KEPT)
            self._outputs[call] = stream
        return stream

    def delta(self, piece: Piece) -> None:
        """Show a live piece of the output of the attempt that runs."""
        entry = self._shelf.get(f"call/{piece.call}")
        stream = self._outputs.get(piece.call)
        # Only the attempt that runs: a piece of another one is late, or its start is on the way.
        if not isinstance(entry, CallEntry) or stream is None or stream.attempt != piece.attempt:
            return
        if stream.show(piece.offset, piece.text):
            entry.output = stream.text
            self._shelf.touch(entry)

    def permission(self, event: Event, body: PermissionAsked | PermissionAnswered) -> None:
        """Take in that a person is asked, or what was decided."""
        entry = self.entry(event, body.call)
        if isinstance(body, PermissionAsked):
            _ask(entry, body)
        else:
            _decide(entry, body)

    def close_all(self, entries: Iterable[AnyEntry]) -> None:
        """No call goes on beyond the end of its turn."""
        for entry in entries:
            if isinstance(entry, CallEntry) and entry.status in _UNSETTLED:
                _cut_short(entry, self._outputs.pop(entry.call, None))
                self._shelf.touch(entry)


def _propose(entry: CallEntry, body: ToolProposed) -> None:
    entry.name = body.name
    entry.title = body.title
    entry.arguments = body.arguments
    if body.arguments:
        # Arguments that could not be parsed stay readable as they were written.
        entry.arguments_text = ""
    if entry.status == "writing":
        entry.status = "proposed"


def _ask(entry: CallEntry, body: PermissionAsked) -> None:
    entry.status = "waiting"
    entry.name = body.tool
    entry.resource = body.resource
    entry.preview = body.preview
    entry.question = body.question
    entry.decisions = body.decisions
    entry.why = body.why
    entry.private = body.private
    entry.untrusted = body.untrusted
    entry.lasting = body.lasting
    entry.arguments = entry.arguments or body.arguments


def _decide(entry: CallEntry, body: PermissionAnswered) -> None:
    entry.decided = body.rule
    if entry.status not in {"waiting", "proposed"}:
        return
    if entry.question == "recovery":
        entry.status = "proposed" if body.allowed else "unknown"
    elif body.allowed:
        entry.status = "proposed"
    elif body.by == "cancel":
        entry.status = "failed"
        entry.summary = _CANCELLED
    else:
        entry.status = "denied"


def _start(entry: CallEntry, mono_us: int, stream: Stream) -> None:
    entry.status = "running"
    entry.started_us = mono_us
    entry.summary = ""
    entry.output = stream.text


def _finish(entry: CallEntry, body: ToolFinished) -> None:
    entry.status = "finished"
    entry.output = body.content
    entry.summary = body.summary
    entry.diff = body.diff
    entry.whole = body.output
    entry.exit_code = body.exit_code
    entry.duration_us = body.duration_us


def _fail(entry: CallEntry, body: ToolFailed, stream: Stream | None) -> None:
    entry.status = "denied" if body.cause == "denied" else "failed"
    entry.summary = _in_words(body)
    entry.duration_us = body.duration_us
    entry.output = _with(entry, body.message, stream)


def _in_words(failed: ToolFailed) -> str:
    match failed.cause:
        case "error":
            return ""
        case "arguments":
            return "bad arguments"
        case "denied":
            return "denied"
        case "cancelled":
            return _CANCELLED
        case "timeout":
            return "timed out"
        case "limit":
            return "at its limit"
        case _:
            assert_never(failed.cause)


def _lose(entry: CallEntry, body: ToolUnknown, stream: Stream | None) -> None:
    entry.status = "unknown"
    entry.summary = ""
    entry.output = _with(entry, body.message, stream)


def _cut_short(entry: CallEntry, stream: Stream | None) -> None:
    """The turn has ended and nothing more was said about the call."""
    if stream is not None:
        entry.output = stream.settled
    if entry.status == "running":
        entry.status = "unknown"
        entry.summary = "the turn ended while it ran"
    else:
        entry.status = "failed"
        entry.summary = "the turn ended before it ran"


def _with(entry: CallEntry, message: str, stream: Stream | None) -> str:
    """What it had printed, then the message."""
    printed = entry.output if stream is None else stream.settled
    return f"{printed.rstrip()}\n{message}" if printed.strip() else message
