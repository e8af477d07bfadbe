"""How the machine goes on in the middle of a turn that a daemon's end cut.

What the journal has is never done again: an answer is not asked for twice, a call that ended does
not run again. Of a call that had started, its own recovery policy says what may be done; what
nobody can know, a person decides.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from mato.agents.base import TakeUp
from mato.agents.native import ending, loops
from mato.agents.native.calls import admit, propose
from mato.agents.native.requests import ask_next
from mato.agents.native.state import OpenCall, Turn
from mato.agents.native.stepping import Step
from mato.agents.native.steps import LookAtWorld, Looked, PersonAnswered, Wake
from mato_sessions.events import (
    AgentStateChanged,
    Body,
    ModelFailed,
    PermissionAnswered,
    PermissionAsked,
    ToolFailed,
    ToolFinished,
    ToolStarted,
    ToolUnknown,
)
from mato_sessions.events.agent import PAUSED
from mato_sessions.events.model import INTERRUPTED, Call
from mato_sessions.events.permission import Decision

CUT = "the daemon ended while this answer came"
GOES_ON = "goes on: the daemon had ended in the middle of this turn"
NOT_RECORDED = (
    "The daemon ended before this call was over, and its arguments held a secret that is not in the"
    " record, so it cannot be run again."
)
DONE = "Mato ended while this call ran. The user says that it took effect; its output is not known."
GIVEN_UP = (
    "Mato ended while this call ran. The user gave it up: whether it took effect is not known."
    " Do not run it again unasked."
)


def begin(work: Step, take_up: TakeUp) -> None:
    """Take up the folded history, and what it leaves open as `take_up` says."""
    state = work.state = replace(work.state, live=True, shown=work.state.recorded)
    if state.exited:
        return
    if state.recorded is None:
        work.record(*work.showing("starting", "spawned"))
        if not state.queue:
            return
        state = work.state  # an agent that another started begins with its task
    if state.turn is None and not state.queue:
        if state.recorded in ("starting", "working", "blocked"):
            work.record(*work.showing("idle", "taken up again"))
        return
    match take_up.how:
        case "go_on":
            _go_on(work)
        case "pause":
            work.state = replace(state, paused=take_up.why)
            # Said anew even when it was paused before: for another reason, perhaps.
            _say(work, AgentStateChanged(state="blocked", evidence=f"{PAUSED}{take_up.why}"))
        case "end":
            ending.interrupt(work)
        case _:
            assert_never(take_up.how)


def resume(work: Step) -> None:
    """Let a paused agent go on, and one that was about to be paused not be."""
    work.state = replace(work.state, halted="")
    if work.state.paused and not work.state.suspended:
        turn = work.state.turn
        evidence = GOES_ON
        if turn is not None and turn.looping:
            evidence, turn = loops.LET_GO, replace(turn, failed=(), looping="")
        work.state = replace(work.state, paused="", turn=turn)
        _go_on(work, evidence)


def _say(work: Step, body: AgentStateChanged) -> None:
    work.state = replace(work.state, shown=body.state)
    if work.state.turn is None:
        work.record(body)
    else:
        work.record_in_turn(body)


def _go_on(work: Step, evidence: str = GOES_ON) -> None:
    turn = work.state.turn
    if turn is None:
        queued, *rest = work.state.queue
        work.state = replace(work.state, queue=tuple(rest))
        ending.claim(work, queued)
        return
    if turn.ending is not None or turn.ended:
        return
    if turn.outcome is not None:
        ending.finish(work, turn.outcome)
        return
    _say(work, AgentStateChanged(state="working", evidence=evidence))
    match turn.phase:
        case "asked":
            # Nobody hears the rest of it. What had come is kept, and the request is made anew.
            work.record_in_turn(_cut(turn))
        case "retrying":
            work.command(Wake(turn.request, turn.attempt, turn.retry_s))
        case "tools":
            _take_up_calls(work)
        case "asking" | "answered":
            ask_next(work)
        case _:
            assert_never(turn.phase)


def _cut(turn: Turn) -> ModelFailed:
    return ModelFailed(
        request=turn.request,
        attempt=turn.attempt,
        fault=INTERRUPTED,
        message=CUT,
        retry_in_s=0.0,
    )


def _take_up_calls(work: Step) -> None:
    turn = work.turn
    if turn.wrote:
        redacted = {call.call for call in turn.wrote if call.redacted}
        propose(work, turn.wrote, withheld=redacted)
        bodies = [
            body
            for call in work.turn.calls
            if call.call in redacted
            for body in _lose(work, call, NOT_RECORDED)
        ]
    elif turn.calls:
        bodies = [body for call in turn.calls for body in _take_up(work, call)]
        bodies += admit(work)
    else:
        ask_next(work)
        return
    if work.turn.waiting:
        names = ", ".join(
            c.proposed.name for c in work.turn.calls if c.status in ("waiting", "deciding")
        )
        bodies += work.showing("blocked", f"asks: {names}")
    if bodies:
        work.record_in_turn(*bodies)


def _take_up(work: Step, call: OpenCall) -> list[Body]:
    """What is journaled of an open call, and what is done about it."""
    # The journal does not say what a call is; its name and arguments do.
    found = work.setup.inspect(Call(call.call, call.proposed.name, call.arguments))
    call = replace(call, action=found.action, resource=found.resource)
    calls = tuple(call if each.call == call.call else each for each in work.turn.calls)
    work.state = replace(work.state, turn=replace(work.turn, calls=calls))
    redacted = call.proposed.redacted
    match call.status:
        case "running":
            return _started(work, call)
        case "unknown":
            return [_ask(work, call)]
        case "waiting" if redacted:
            rule = "its arguments are not in the record"
            answered = PermissionAnswered(call=call.call, allowed=False, by="cancel", rule=rule)
            return [answered, *_lose(work, call, NOT_RECORDED)]
        case "held" if redacted:
            return _lose(work, call, NOT_RECORDED)
        case "held" if found.complaint:
            work.mark_call(call.call, "closing")
            return [
                ToolFailed(call=call.call, attempt=0, message=found.complaint, cause="arguments")
            ]
        case _:
            return []  # held ones are admitted next, the others wait for a person


def _started(work: Step, call: OpenCall) -> list[Body]:
    """A call that had started: by its policy."""
    if call.proposed.redacted:
        return _lose(work, call, NOT_RECORDED)
    match call.proposed.policy:
        case "idempotent":
            work.mark_call(call.call, "starting")
            return [ToolStarted(call=call.call, attempt=call.attempt + 1)]
        case "probe":
            work.mark_call(call.call, "looking")
            name, attempt = call.proposed.name, call.attempt
            work.command(LookAtWorld(call.call, name, attempt, call.arguments))
            return []
        case "ask":
            return _lose(work, call, ending.NOT_KNOWN)
        case _:
            assert_never(call.proposed.policy)


def _lose(work: Step, call: OpenCall, message: str) -> list[Body]:
    """It is not known what became of the call: a person decides."""
    lost = ToolUnknown(call=call.call, attempt=call.attempt, message=message)
    return [lost, _ask(work, call)]


def _ask(work: Step, call: OpenCall) -> PermissionAsked:
    work.mark_call(call.call, "deciding")
    # What never started took no effect, and what is not in the record cannot run.
    done: tuple[Decision, ...] = ("done",) if call.attempt else ()
    again: tuple[Decision, ...] = () if call.proposed.redacted else ("again",)
    return PermissionAsked(
        call=call.call,
        tool=call.proposed.name,
        action=call.action,
        resource=call.resource,
        arguments=call.proposed.arguments,
        question="recovery",
        decisions=(*done, *again, "give_up"),
    )


def looked(work: Step, fact: Looked) -> None:
    """Go on by what a look at the world has found."""
    turn = work.open_turn()
    call = turn.open(fact.call) if turn and turn.ending is None else None
    if call is None or call.status != "looking" or work.state.held:
        return
    match fact.found:
        case ToolFinished() as body:
            work.mark_call(call.call, "closing")
            work.record_in_turn(body)
        case "absent":
            work.mark_call(call.call, "starting")
            work.record_in_turn(ToolStarted(call=call.call, attempt=call.attempt + 1))
        case "unclear":
            bodies = _lose(work, call, ending.NOT_KNOWN)
            work.record_in_turn(*bodies, *work.showing("blocked", f"asks: {call.proposed.name}"))
        case _:
            assert_never(fact.found)


def decided(work: Step, call: OpenCall, fact: PersonAnswered) -> None:
    """Do what a person has decided about a call that was cut off."""
    decision: Decision = fact.decision or ("again" if fact.allowed else "give_up")
    again = decision == "again"
    answered = PermissionAnswered(
        call=call.call, allowed=again, by="person", rule=fact.rule, decision=decision
    )
    ended: Body
    match decision:
        case "again":
            work.mark_call(call.call, "starting")
            ended = ToolStarted(call=call.call, attempt=call.attempt + 1)
        case "done":
            work.mark_call(call.call, "closing")
            ended = ToolFinished(
                call=call.call, attempt=call.attempt, content=DONE, summary="done, says the user"
            )
        case "give_up":
            work.mark_call(call.call, "closing")
            message = GIVEN_UP if call.attempt else NOT_RECORDED
            ended = ToolFailed(
                call=call.call, attempt=call.attempt, message=message, cause="cancelled"
            )
        case _:
            assert_never(decision)
    work.record_in_turn(answered, ended, *work.unblocked(f"decided: {decision}"))
