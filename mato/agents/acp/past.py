"""What the journal says of an ACP agent's life so far: the fold that a new daemon begins with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from mato_sessions.events import (
    AgentConnected,
    AgentReconfigured,
    AgentStateChanged,
    Body,
    Event,
    ModelAnswered,
    PermissionAnswered,
    PermissionAsked,
    TextStreamed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    UsageReported,
)
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block

_NOT_RUN = "Mato ended before this call was allowed; the agent did not run it."
_NOT_KNOWN = (
    "Mato ended while the agent ran this call: whether it took effect is not known. Look before "
    "you go on."
)
_EXCHANGES = 20


class Past(msgspec.Struct):
    """Fold events of the agent into it with `take`."""

    turn: str = ""
    """The turn that is open."""
    calls: dict[str, Literal["proposed", "started"]] = {}
    """Of it, those that have not ended."""
    waiting: set[str] = set()
    """Calls that wait for a person."""
    queue: dict[str, tuple[Block, ...]] = {}
    """Prompts that wait, by turn, oldest first."""
    foreign: str = ""
    """The program's own name of its newest session."""
    connected: bool = False
    mode: Mode | None = None
    model: str | None = None
    state: str = ""
    input: int = 0
    output: int = 0
    exchanges: list[tuple[str, str]] = []
    """The newest prompts with what was said to them, for a summary."""

    def take(self, events: Iterable[Event]) -> Past:
        """Take in events, seq ascending."""
        for event in events:
            self._one(event)
        return self

    def _one(self, event: Event) -> None:
        match event.body:
            case TurnQueued(blocks=blocks) if event.turn:
                self.queue[event.turn] = blocks
            case TurnReturned():
                self.queue.pop(event.turn or "", None)
            case TurnPrompted(blocks=blocks):
                self.queue.pop(event.turn or "", None)
                self.turn = event.turn or ""
                text = "\n".join(block.text for block in blocks)
                self.exchanges = [*self.exchanges[-_EXCHANGES + 1 :], (text, "")]
            case TurnEnded():
                self.turn = ""
                self.calls.clear()
                self.waiting.clear()
            case ToolProposed(call=call):
                self.calls[call] = "proposed"
            case ToolStarted(call=call):
                self.calls[call] = "started"
            case ToolFinished(call=call) | ToolFailed(call=call) | ToolUnknown(call=call):
                self.calls.pop(call, None)
            case PermissionAsked(call=call):
                self.waiting.add(call)
            case PermissionAnswered(call=call):
                self.waiting.discard(call)
            case AgentConnected(foreign=foreign):
                self.foreign, self.connected = foreign, True
            case AgentReconfigured(mode=mode, model=model):
                self.mode = mode or self.mode
                self.model = model or self.model
            case AgentStateChanged(state=state):
                self.state = state
            case ModelAnswered(text=text) if text and self.exchanges:
                prompt, said = self.exchanges[-1]
                self.exchanges[-1] = (prompt, f"{said}\n\n{text}".strip())
            case UsageReported(input=given, output=made):
                self.input += given
                self.output += made
            case TextStreamed():
                pass  # the answer as a whole says it again
            case _:
                pass

    def ends(self, detail: str) -> list[Body]:
        """How the turn that a daemon's end cut is closed: the program that had it is gone."""
        facts: list[Body] = []
        for call, state in self.calls.items():
            if call in self.waiting:
                rule = "the daemon ended while it waited"
                facts.append(PermissionAnswered(call=call, allowed=False, by="cancel", rule=rule))
            if state == "started":
                facts.append(ToolUnknown(call=call, attempt=1, message=_NOT_KNOWN))
            else:
                failed = ToolFailed(call=call, attempt=0, message=_NOT_RUN, cause="cancelled")
                facts.append(failed)
        return [*facts, TurnEnded(reason="interrupted", detail=detail)]

    def summary(self, most: int = 12_000) -> str:
        """What was said so far, for an agent that does not know it; "" where nothing was."""
        parts: list[str] = []
        left = most
        for prompt, answer in reversed(self.exchanges):
            part = f"I said: {prompt[:2000]}\n\nYou said: {answer[-2000:] or '(nothing)'}"
            if len(part) > left:
                break
            left -= len(part)
            parts.insert(0, part)
        if not parts:
            return ""
        head = "You lost your memory of this conversation. What was said, newest last:"
        return "\n\n".join([head, *parts, "Now go on with what I say next."])
