"""The state of the step machine: frozen, made by folding events, with marks for what was commanded.

A mark says that a command has been given whose event has not come back yet. Marks keep the machine
from commanding twice; they are forgotten when a journal is taken up again (`Begin`).
"""

from __future__ import annotations

import json
from typing import Literal

import msgspec
from msgspec.structs import replace

from mato.agents.native import loops
from mato.agents.native.conversation import Thread
from mato.agents.native.steps import Ending
from mato.models.base import ModelChoice
from mato.permissions.policy import Decision
from mato.permissions.taint import Taint, seen_in, taint
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
from mato_sessions.events.model import Call
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block

CallStatus = Literal[
    "held",  # an earlier call has to end first
    "asking",  # what to show a person is being found out
    "waiting",  # a person has to decide
    "starting",  # its start is on the way to the journal
    "running",
    "looking",  # it was cut off, and what became of it is being found out
    "unknown",  # it was cut off, and what became of it is not known
    "deciding",  # a person has to decide what becomes of it
    "closing",  # its end is on the way to the journal
]
FOR_PEOPLE: frozenset[CallStatus] = frozenset({"waiting", "deciding"})
"""Only a person can bring these on."""


class OpenCall(msgspec.Struct, frozen=True):
    """A proposed call that has not ended."""

    proposed: ToolProposed
    action: Action
    resource: str
    status: CallStatus
    attempt: int = 0
    """Of its newest start; 0 before the first."""
    asks: Decision | None = None
    """Mark: why a person is to be asked."""

    @property
    def call(self) -> str:
        return self.proposed.call

    @property
    def arguments(self) -> str:
        """Its arguments as the journal has them."""
        return json.dumps(self.proposed.arguments, ensure_ascii=False)


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
    wrote: tuple[Call, ...] = ()
    """Calls of the newest answer that are not proposed yet."""
    outcome: Ending | None = None
    """How the turn ends by what the model said last; None: it goes on."""
    retry_s: float = 0.0
    """While retrying: how long after the failure the next attempt is made."""
    calls: tuple[OpenCall, ...] = ()
    failed: tuple[str, ...] = ()
    """Marks of the calls that failed, see `loops.failure`."""
    looping: str = ""
    """Why a person has to say whether it goes on; "" where it does not go in circles."""
    tokens: int = 0
    cost_usd: float = 0.0
    ran_us: int = 0
    """Time that counts, up to `since_us`."""
    since_us: int | None = None
    """Since when the time counts; None while only a person is waited for."""
    seen: tuple[int, int] = (0, 0)
    """Epoch and mono_us of the newest event, while history is folded."""
    ending: Ending | None = None
    """Mark: its work is being cancelled for this reason."""
    ended: bool = False
    """Mark: its `turn.ended` is on the way to the journal."""

    def open(self, call: str) -> OpenCall | None:
        """The open call of that id."""
        return next((each for each in self.calls if each.call == call), None)

    def marked(self, call: str, status: CallStatus, asks: Decision | None = None) -> Turn:
        """The turn with another status of that call."""
        calls = tuple(
            replace(each, status=status, asks=asks or each.asks) if each.call == call else each
            for each in self.calls
        )
        return replace(self, calls=calls)

    @property
    def waiting(self) -> bool:
        """Whether a person has to decide a call."""
        return any(each.status in FOR_PEOPLE for each in self.calls)

    @property
    def busy(self) -> bool:
        """Whether something else than a person is waited for."""
        return (
            self.phase != "tools"
            or not self.waiting
            or any(each.status not in FOR_PEOPLE | {"held"} for each in self.calls)
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
    taint: Taint = Taint()
    """What the started calls have marked the agent with."""
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
    halted: str = ""
    """Mark: why the model is not asked again before a person says so; "" where it may be."""
    paused: str = ""
    """Why nothing goes on before a person says so; "" where it does."""
    suspended: bool = False
    """The daemon ends: nothing new is begun, and the turn stays open."""
    quiet: bool = False
    """Mark: suspended, and nothing runs any more."""
    closing: str | None = None
    """Why the agent is to end for good."""
    exiting: bool = False
    """Mark: `agent.exited` is on the way to the journal, or in it."""
    exited: bool = False

    @property
    def busy(self) -> bool:
        """Whether a prompt that comes now has to queue."""
        return self.turn is not None or bool(self.claimed) or bool(self.queue)

    @property
    def held(self) -> bool:
        """Whether facts are taken in and nothing is begun."""
        return self.suspended or bool(self.paused)


def fold(state: State, event: Event) -> State:
    """The state after a journaled event. While live, marks are ahead of the queue's events."""
    state = replace(state, thread=state.thread.fold(event))
    match event.body:
        case AgentReconfigured() as body:
            return _reconfigured(state, body)
        case AgentStateChanged(state=shown, evidence=evidence):
            turn = state.turn
            if turn is not None and evidence == loops.LET_GO:
                turn = replace(turn, failed=(), looping="")
            return replace(state, recorded=shown, turn=turn)
        case AgentExited():
            return replace(state, exited=True)
        case TurnQueued(blocks=blocks) if not state.live:
            return replace(state, queue=(*state.queue, Queued(event.turn or "", blocks)))
        case TurnReturned() if not state.live:
            return replace(state, queue=_without(state.queue, event.turn))
        case TurnPrompted():
            turn = Turn(event.turn or "", event.seq, state.choice)
            if state.live:
                turn = replace(turn, since_us=event.mono_us)
            else:
                turn = replace(turn, seen=(event.epoch, event.mono_us))
            queue = _without(state.queue, event.turn)
            return replace(state, turn=turn, queue=queue, claimed="")
        case TurnEnded():
            return replace(state, turn=None)
        case _ if state.turn is not None and state.turn.turn == event.turn:
            turn = state.turn if state.live else _aged(state.turn, event)
            if isinstance(event.body, ToolFinished):
                told = Taint(event.body.private, event.body.untrusted)
                state = replace(state, taint=state.taint | seen_in(event.body.content) | told)
            if isinstance(event.body, ToolStarted) and (found := turn.open(event.body.call)):
                state = replace(
                    state,
                    taint=state.taint | taint(found.proposed.arguments, found.proposed.action),
                )
            return replace(state, turn=_fold_turn(turn, event.body))
        case _:
            return state


def _aged(turn: Turn, event: Event) -> Turn:
    """The turn with the time that passed up to `event` under one daemon."""
    epoch, since_us = turn.seen
    passed = event.mono_us - since_us if epoch == event.epoch and turn.busy else 0
    return replace(turn, ran_us=turn.ran_us + passed, seen=(event.epoch, event.mono_us))


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
        case ModelAnswered() as answer:
            outcome = _outcome(answer)
            return replace(turn, phase="tools", wrote=answer.calls, outcome=outcome, calls=())
        case ModelFailed(retry_in_s=float() as retry_s):
            return replace(turn, phase="retrying", retry_s=retry_s)
        case ModelFailed(message=message):
            return replace(turn, phase="retrying", outcome=Ending("failed", message))
        case ToolProposed() as proposed:
            # All calls of an answer are proposed together.
            return _proposed(replace(turn, wrote=()), proposed)
        case PermissionAsked(call=call, question="recovery"):
            return _moved(turn, call, ("unknown",), "deciding")
        case PermissionAsked(call=call):
            return _moved(turn, call, ("held",), "waiting")
        case ToolStarted(call=call, attempt=attempt):
            turn = _moved(turn, call, ("held", "waiting", "deciding", "starting"), "running")
            calls = tuple(
                replace(each, attempt=attempt) if each.call == call else each for each in turn.calls
            )
            return replace(turn, calls=calls)
        case ToolUnknown(call=call):
            return _moved(turn, call, ("held", "waiting", "running"), "unknown")
        case ToolFinished() | ToolFailed():
            return _call_ended(turn, body)
        case _:
            return turn


def _call_ended(turn: Turn, end: ToolFinished | ToolFailed) -> Turn:
    found = turn.open(end.call)
    mark = "" if found is None else loops.failure(found.proposed, end)
    turn = replace(turn, calls=tuple(each for each in turn.calls if each.call != end.call))
    if found is None or not mark:
        return turn
    turn = replace(turn, failed=(*turn.failed, mark))
    looping = turn.failed.count(mark) >= loops.MOST and not turn.looping
    return replace(turn, looping=loops.sentence(found.proposed)) if looping else turn


def _proposed(turn: Turn, proposed: ToolProposed) -> Turn:
    if turn.open(proposed.call) is not None:
        return turn  # live calls are marked before they are journaled
    # It comes from a journal; the most cautious action stands in for one not written down.
    action = proposed.action or "execute"
    return replace(turn, calls=(*turn.calls, OpenCall(proposed, action, "", "held")))


def _outcome(answer: ModelAnswered) -> Ending | None:
    """How an answer ends its turn; None where its calls come next."""
    match answer.finish:
        case "length":
            return Ending("max_tokens")
        case "refusal":
            return Ending("refusal")
        case _:
            return None if answer.calls else Ending("end_turn")
