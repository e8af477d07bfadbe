"""Events become the messages that a model is sent, always in an order that providers accept.

`Thread` folds the journal into the seqs that matter; `messages` turns exactly those events into
messages. So `model.asked` lists seqs, and whoever has the journal can make the same request again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mato.models.base import CallRequest, Message
from mato_sessions.events import (
    Event,
    ModelAnswered,
    TextStreamed,
    ToolFailed,
    ToolFinished,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
    TurnUndone,
)
from mato_sessions.events.turn import Block

INTERRUPTED = "This call was interrupted before it gave a result."
"""Answers a call that has no result of its own; providers refuse an open call."""
NO_OUTPUT = "(no output)"
EMPTY = "(empty message)"
UNDONE = "(The user undid your changes to these files; they are as they were before: {})"


class _Partial(msgspec.Struct, frozen=True):
    """Text of an answer that has not come to its end."""

    stream: str
    seqs: tuple[int, ...]


class Thread(msgspec.Struct, frozen=True):
    """The events of an agent from which its next request is made."""

    seqs: tuple[int, ...] = ()
    """Ascending."""
    partial: _Partial | None = None
    """Of the running request; kept for good where its turn ends without an answer."""

    @property
    def needed(self) -> tuple[int, ...]:
        """All events that a later request may be made from."""
        return self.seqs if self.partial is None else (*self.seqs, *self.partial.seqs)

    def fold(self, event: Event) -> Thread:
        """The thread after `event`; events that do not matter leave it as it is."""
        match event.body:
            case TurnPrompted() | TurnUndone() | ToolFinished() | ToolFailed() | ToolUnknown():
                return msgspec.structs.replace(self, seqs=(*self.seqs, event.seq))
            case TextStreamed(stream=stream):
                # A new attempt writes the answer anew; what the cut one said is superseded.
                same = self.partial is not None and self.partial.stream == stream
                before = self.partial.seqs if same and self.partial else ()
                partial = _Partial(stream, (*before, event.seq))
                return msgspec.structs.replace(self, partial=partial)
            case ModelAnswered():
                return Thread((*self.seqs, event.seq))
            case TurnEnded() if self.partial is not None:
                return Thread((*self.seqs, *self.partial.seqs))
            case _:
                return self


def matters(event: Event) -> bool:
    """Whether messages are made from such an event."""
    return isinstance(
        event.body,
        TurnPrompted
        | TurnUndone
        | TextStreamed
        | ModelAnswered
        | ToolFinished
        | ToolFailed
        | ToolUnknown,
    )


def text_of(blocks: Iterable[Block]) -> str:
    """The text of a prompt's blocks."""
    return "\n\n".join(block.text for block in blocks)


def messages(events: Iterable[Event]) -> tuple[Message, ...]:
    """The conversation that these events (in the order of `Thread.seqs`) make.

    It alternates as providers want it: a user message first, every call answered right after the
    message that made it and in its order, no empty message, no two of a user or of an assistant
    in a row.
    """
    build = _Build()
    for event in events:
        match event.body:
            case TurnPrompted(blocks=blocks):
                build.prompt(text_of(blocks).strip() or EMPTY)
            case TurnUndone(files=files):
                build.note(UNDONE.format(", ".join(files)))
            case TextStreamed(text=text, stream=stream):
                build.partial(text, stream)
            case ModelAnswered() as answer:
                calls = tuple(CallRequest(c.call, c.name, c.arguments) for c in answer.calls)
                build.add(Message("assistant", answer.text, calls))
            case ToolFinished(call=call, content=content):
                build.result(call, content)
            case ToolFailed(call=call, message=message) | ToolUnknown(call=call, message=message):
                build.result(call, message)
            case _:
                pass
    return build.done()


class _Build:
    """The messages so far, with the results of the newest calls held until they are complete."""

    def __init__(self) -> None:
        self._done: list[Message] = []
        self._results: dict[str, str] = {}
        self._stream = ""
        self._notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep what the next prompt begins with; on its own it is no message."""
        self._notes.append(text)

    def prompt(self, text: str) -> None:
        """Append a prompt."""
        self.add(Message("user", "\n\n".join((*self._notes, text))))
        self._notes = []

    def add(self, message: Message) -> None:
        """Append a message, merged with the one before where the role is the same."""
        last = self._close_calls()
        self._stream = ""
        if message.role == "assistant" and not message.calls and not message.text.strip():
            return
        if last is not None and last.role == message.role and not last.calls:
            text = f"{last.text}\n\n{message.text}".strip()
            self._done[-1] = Message(message.role, text, message.calls)
        else:
            self._done.append(message)

    def partial(self, text: str, stream: str) -> None:
        """Append a stretch of a text that was cut off."""
        if stream == self._stream:
            last = self._done[-1]
            self._done[-1] = Message("assistant", last.text + text)
            return
        self.add(Message("assistant", text))
        # Blank beginnings are dropped like all empty messages, the rest of the stream is not.
        self._stream = stream if text.strip() else ""

    def result(self, call: str, content: str) -> None:
        """Keep what a call gave; the newest result of a call counts."""
        self._results[call] = content

    def _close_calls(self) -> Message | None:
        last = self._done[-1] if self._done else None
        if last is None or not last.calls:
            return last
        for request in last.calls:
            content = self._results.get(request.call, INTERRUPTED)
            text = content if content.strip() else NO_OUTPUT
            self._done.append(Message("tool", text, call=request.call))
        self._results = {}
        return self._done[-1]

    def done(self) -> tuple[Message, ...]:
        self._close_calls()
        return tuple(self._done)
