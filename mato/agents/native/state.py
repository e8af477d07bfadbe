"""The state of the step machine: frozen, made by folding events, with marks for what was commanded.

A mark says that a command has been given whose event has not come back yet. Marks keep the machine
from commanding twice; they are forgotten when a journal is taken up again (`Begin`).
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from mato.agents.native.conversation import Thread
from mato.agents.native.steps import Ending
from mato.models.base import ModelChoice
from mato_sessions.events import (
    AgentExited,
    AgentReconfigured,
    AgentStateChanged,
    Body,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    PermissionAsked,
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
from mato_sessions.events.agent import AgentState
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block

CallStatus = Literal[
    "held",  # an earlier call has to end first
    "asking",  # what to show a person is being found out
    "waiting",  # a person has to decide
    "starting",  # its start is on the way to the journal
    "running",
    "closing",  # its end is on the way to the journal
]


class OpenCall(msgspec.Struct, frozen=True):
    """A proposed call that has not ended."""

    proposed: ToolProposed
    action: Action
    resource: str
    status: CallStatus

    @property
    def call(self) -> str:
        return self.proposed.call


class Turn(msgspec.Struct, frozen=True):
    """The turn that runs."""

    turn: str
    seq: int
    """Of its `turn.prompted`."""
    choice: ModelChoice
    phase: Literal["asking", "asked", "answered", "retrying", "tools"] = "asking"
    """asking: `model.asked` is on the way to the journal. answered: what came of it is."""
    request: str = ""
    attempt: int = 0
    requests: int = 0
    calls: tuple[OpenCall, ...] = ()
    redacted: frozenset[str] = frozenset()
    tokens: int = 0
    cost_usd: float = 0.0
    ran_us: int = 0
    """Time that counts, up to `since_us`."""
    since_us: int | None = None
    """Since when the time counts; None while only a person is waited for."""
    ending: Ending | None = None
    """Mark: its work is being cancelled for this reason."""
    ended: bool = False
    """Mark: its `turn.ended` is on the way to the journal."""

    def open(self, call: str) -> OpenCall | None:
        """The open call of that id."""
        return next((each for each in self.calls if each.call == call), None)

    def marked(self, call: str, status: CallStatus) -> Turn:
        """The turn with another status of that call."""
        calls = tuple(
            replace(each, status=status) if each.call == call else each for each in self.calls
        )
        return replace(self, calls=calls)

    @property
    def waiting(self) -> bool:
        """Whether a person has to decide a call."""
        return any(each.status == "waiting" for each in self.calls)

    @property
    def busy(self) -> bool:
        """Whether something else than a person is waited for."""
        return (
            self.phase != "tools"
            or not self.waiting
            or any(each.status not in ("waiting", "held") for each in self.calls)
        )


class Queued(msgspec.Struct, frozen=True):
    """A prompt whose turn has not started."""

    turn: str
    blocks: tuple[Block, ...]


class State(msgspec.Struct, frozen=True):
    """Everything that the machine knows."""

    choice: ModelChoice
    """For the next turn."""
    mode: Mode
    """For the next call."""
    thread: Thread = Thread()
    turn: Turn | None = None
    queue: tuple[Queued, ...] = ()
    claimed: str = ""
    """Mark: the turn whose `turn.prompted` is on the way to the journal."""
    doomed: Ending | None = None
    """Mark: the claimed turn is to end as soon as it has started."""
    recorded: AgentState | None = None
    """The newest state in the journal."""
    shown: AgentState | None = None
    """Mark: the newest state on its way there, or `recorded`."""
    live: bool = False
    """Commands are executed. Before, events are only folded, and there are no marks."""
    alarm_us: int | None = None
    """Mark: the alarm that was last set."""
    suspended: bool = False
    closing: str | None = None
    """Why the agent is to end for good."""
    exiting: bool = False
    """Mark: `agent.exited` is on the way to the journal, or in it."""
    exited: bool = False

    @property
    def busy(self) -> bool:
        """Whether a prompt that comes now has to queue."""
        return self.turn is not None or bool(self.claimed) or bool(self.queue)


def fold(state: State, event: Event) -> State:
    """The state after a journaled event. While live, marks are ahead of the queue's events."""
    state = replace(state, thread=state.thread.fold(event))
    match event.body:
        case AgentReconfigured() as body:
            return _reconfigured(state, body)
        case AgentStateChanged(state=shown):
            return replace(state, recorded=shown)
        case AgentExited():
            return replace(state, exited=True)
        case TurnQueued(blocks=blocks) if not state.live:
            return replace(state, queue=(*state.queue, Queued(event.turn or "", blocks)))
        case TurnReturned() if not state.live:
            return replace(state, queue=_without(state.queue, event.turn))
        case TurnPrompted():
            turn = Turn(event.turn or "", event.seq, state.choice, since_us=event.mono_us)
            queue = _without(state.queue, event.turn)
            return replace(state, turn=turn, queue=queue, claimed="")
        case TurnEnded():
            return replace(state, turn=None)
        case _ if state.turn is not None and state.turn.turn == event.turn:
            return replace(state, turn=_fold_turn(state.turn, event.body))
        case _:
            return state


def _without(queue: tuple[Queued, ...], turn: str | None) -> tuple[Queued, ...]:
    return tuple(each for each in queue if each.turn != turn)


def _reconfigured(state: State, body: AgentReconfigured) -> State:
    choice = state.choice
    if body.model is not None:
        choice = ModelChoice(body.model, body.base_url or "", body.model_source or "")
    return replace(state, choice=choice, mode=body.mode or state.mode)


def _moved(turn: Turn, call: str, before: tuple[CallStatus, ...], after: CallStatus) -> Turn:
    found = turn.open(call)
    if found is None or found.status not in before:
        return turn  # a mark is ahead of this event
    return turn.marked(call, after)


def _fold_turn(turn: Turn, body: Body) -> Turn:
    match body:
        case ModelAsked(request=request, attempt=attempt):
            requests = turn.requests + (attempt == 1)
            return replace(turn, phase="asked", request=request, attempt=attempt, requests=requests)
        case UsageReported() as usage:
            return replace(
                turn,
                tokens=turn.tokens + usage.input + usage.output,
                cost_usd=turn.cost_usd + (usage.cost_usd or 0.0),
            )
        case ModelAnswered():
            return replace(turn, phase="tools")
        case ModelFailed():
            return replace(turn, phase="retrying")
        case ToolProposed() as proposed if turn.open(proposed.call) is None:
            # Live calls are marked before they are journaled; this one comes from a journal,
            # and the most cautious action stands in for the one that was not written down.
            call = OpenCall(proposed, "execute", "", "held")
            return replace(turn, calls=(*turn.calls, call))
        case PermissionAsked(call=call):
            return _moved(turn, call, ("held",), "waiting")
        case ToolStarted(call=call):
            return _moved(turn, call, ("held", "waiting", "starting"), "running")
        case ToolFinished(call=call) | ToolFailed(call=call) | ToolUnknown(call=call):
            return replace(turn, calls=tuple(each for each in turn.calls if each.call != call))
        case _:
            return turn
