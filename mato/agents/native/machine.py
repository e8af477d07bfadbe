"""The agent loop as a step machine without I/O: `step(state, fact) -> (state, commands)`.

A fact is a journaled event or an input of the runtime; commands are executed by the runtime, which
journals what `Record` holds and steps with each event in order. Nothing here reads a clock, rolls
dice or waits, so the same loop runs live, under a virtual clock, or elsewhere; taking a journal up
again is folding it (`fold`) and stepping with `Begin`.

Effects follow their start: `AskModel` comes only out of a journaled `model.asked`, `RunTool` only
out of a journaled `tool.started`.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from mato.agents.native import ending, recovery
from mato.agents.native.calls import advance, asked, propose
from mato.agents.native.requests import ask, ask_next, held_back
from mato.agents.native.state import Queued, State, fold
from mato.agents.native.stepping import Setup, Step
from mato.agents.native.steps import (
    AlarmRang,
    AskModel,
    Begin,
    CancelCame,
    CloseCame,
    Command,
    Ending,
    HaltCame,
    Input,
    LookCame,
    Looked,
    ModelBroke,
    ModelDone,
    ModelWaits,
    PersonAnswered,
    PromptCame,
    QuestionFailed,
    QuestionReady,
    Ready,
    ReconfigureCame,
    Refuse,
    ResumeCame,
    RetryDue,
    RunTool,
    SuspendCame,
    ToolDone,
    UndoneCame,
    Wake,
    WorkGone,
)
from mato.models import retry
from mato_sessions.events import (
    AgentReconfigured,
    AgentStateChanged,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    PermissionAnswered,
    ToolFailed,
    ToolFinished,
    ToolStarted,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnUndone,
    UsageReported,
)
from mato_sessions.events.agent import ANSWERS
from mato_sessions.events.permission import TIMED_OUT

QUEUE_LIMIT = 16
"""Prompts that may wait; one more is refused."""


def step(setup: Setup, state: State, fact: Event | Input) -> tuple[State, tuple[Command, ...]]:
    """The state after `fact`, and what the runtime has to do, in order."""
    if isinstance(fact, Event):
        now_us = fact.mono_us
        work = Step(setup, fold(state, fact), now_us)
        _react(work, fact)
    else:
        work = Step(setup, state, fact.now_us)
        _take(work, fact)
    work.account()
    return work.state, tuple(work.commands)


def _react(work: Step, event: Event) -> None:
    """What follows from a journaled event."""
    if isinstance(event.body, TurnEnded):
        ending.after_turn(work)
        return
    turn = work.state.turn
    if turn is None or turn.turn != event.turn:
        return
    if isinstance(event.body, TurnPrompted) and work.state.doomed is not None:
        doomed = work.state.doomed
        work.state = replace(work.state, doomed=None)
        ending.finish(work, doomed)
        return
    if turn.ending is not None or turn.ended:
        return
    if work.state.held and not (turn.outcome and isinstance(event.body, ModelAnswered)):
        return  # the end of a turn begins nothing, all else waits
    match event.body:
        case TurnPrompted():
            ask_next(work)
        case ModelAsked(request=request, attempt=attempt, messages=seqs):
            work.command(AskModel(request, attempt, turn.choice, seqs))
        case ModelFailed(request=request, attempt=attempt, retry_in_s=float() as after_s):
            work.command(Wake(request, attempt, after_s))
        case ModelFailed() | ModelAnswered() if turn.outcome is not None:
            ending.finish(work, turn.outcome)
        case ModelAnswered(calls=calls):
            propose(work, calls)
        case ToolStarted(call=call, attempt=attempt):
            found = turn.open(call)
            if found is not None and found.status == "running":
                work.command(RunTool(call, found.proposed.name, attempt, found.arguments))
        case ToolFinished() | ToolFailed():
            if turn.phase == "tools":
                advance(work)
        case _:
            pass


def _take(work: Step, fact: Input) -> None:
    """What follows from an input."""
    match fact:
        case Begin(take_up=take_up):
            recovery.begin(work, take_up)
        case ResumeCame():
            recovery.resume(work)
        case Ready():
            if work.state.shown == "starting":
                work.record(*work.showing("idle", "ready"))
        case PromptCame():
            _prompt(work, fact)
        case CancelCame(reason=reason, detail=detail):
            ending.give_back(work, detail or "the turn before it was stopped")
            ending.end(work, Ending(reason, detail))
        case HaltCame(why=why):
            work.state = replace(work.state, halted=why)
        case SuspendCame(drain=drain):
            ending.suspend(work, drain=drain)
        case CloseCame(reason=reason):
            ending.close(work, reason)
        case LookCame():
            if work.state.shown == "done" and not work.state.busy:
                work.record(*work.showing("idle", "looked at"))
        case UndoneCame(turn=undone, files=files):
            work.record(TurnUndone(files=files), turn=undone)
        case ReconfigureCame():
            _reconfigure(work, fact)
        case AlarmRang():
            _alarm(work)
        case WorkGone():
            turn = work.state.turn
            if turn is not None and turn.ending is not None:
                ending.finish(work, turn.ending)
            elif work.state.suspended:
                work.state = replace(work.state, quiet=True)
        case ModelDone():
            _model_done(work, fact)
        case ModelBroke():
            _model_broke(work, fact)
        case ModelWaits():
            _model_waits(work, fact)
        case RetryDue(request=request, attempt=attempt):
            turn = work.running("retrying", request, attempt)
            if turn is None or turn.ending is not None or work.state.held:
                return
            if not held_back(work):
                ask(work, request, attempt + 1)
        case ToolDone(body=body):
            turn = work.open_turn()
            found = turn.open(body.call) if turn else None
            if found is not None and found.status == "running":
                work.mark_call(body.call, "closing")
                work.record_in_turn(body)
        case QuestionReady() | QuestionFailed() | PersonAnswered():
            _question(work, fact)
        case Looked():
            recovery.looked(work, fact)
        case _:
            assert_never(fact)


def _prompt(work: Step, fact: PromptCame) -> None:
    # Who lets a prompt through has looked at the budgets.
    state = work.state = replace(work.state, halted=work.state.paused and work.state.halted)
    if state.paused:
        paused = f"the agent is paused: {state.paused}"
        work.command(Refuse(fact.turn, paused))
    elif state.suspended or state.closing is not None or state.exited:
        ended = "this agent has ended; `mato new` starts another one"
        later = "the daemon is stopping; send it again once it runs"
        work.command(Refuse(fact.turn, later if state.suspended else ended))
    elif not state.busy:
        ending.claim(work, Queued(fact.turn, fact.blocks))
    elif len(state.queue) >= QUEUE_LIMIT:
        message = f"{QUEUE_LIMIT} prompts are waiting already; stop the turn or wait for its end"
        work.command(Refuse(fact.turn, message))
    else:
        work.state = replace(state, queue=(*state.queue, Queued(fact.turn, fact.blocks)))
        work.record(TurnQueued(blocks=fact.blocks), turn=fact.turn)


def _reconfigure(work: Step, fact: ReconfigureCame) -> None:
    if work.state.exited or (fact.choice is None and fact.mode is None):
        return
    choice = fact.choice
    work.record(
        AgentReconfigured(
            model=choice.model if choice else None,
            base_url=choice.base_url if choice else None,
            model_source=choice.source if choice else None,
            mode=fact.mode,
        )
    )


def _alarm(work: Step) -> None:
    turn = work.state.turn
    wall_s = work.setup.limits.wall_s
    work.state = replace(work.state, alarm_us=None)
    if turn is None or wall_s is None or work.state.held:
        return
    if work.ran_us(turn) >= wall_s * 1_000_000:
        ending.end(work, Ending("time_limit", f"the turn took longer than {wall_s:g} s"))


def _model_done(work: Step, fact: ModelDone) -> None:
    turn = work.running("asked", fact.request, fact.attempt)
    if turn is None:
        return
    work.state = replace(work.state, turn=replace(turn, phase="answered"))
    usage = fact.usage
    work.record_in_turn(
        UsageReported(
            request=fact.request,
            attempt=fact.attempt,
            model=turn.choice.model,
            input=usage.input,
            output=usage.output,
            cached=usage.cached,
            reasoning=usage.reasoning,
            cost_usd=usage.cost_usd,
        ),
        ModelAnswered(
            request=fact.request,
            attempt=fact.attempt,
            text=fact.text,
            reasoning=fact.reasoning,
            calls=fact.calls,
            finish=fact.finish,
            first_us=fact.first_us,
            latency_us=fact.latency_us,
        ),
    )


def _model_broke(work: Step, fact: ModelBroke) -> None:
    turn = work.running("asked", fact.request, fact.attempt)
    if turn is None or turn.ending is not None:
        return
    work.state = replace(work.state, turn=replace(turn, phase="answered"))
    delay_s = retry.delay_s(fact.fault, fact.attempt, fact.retry_after_s, fact.request)
    work.record_in_turn(
        ModelFailed(
            request=fact.request,
            attempt=fact.attempt,
            fault=fact.fault,
            message=fact.message,
            retry_in_s=delay_s,
            retry_after_s=fact.retry_after_s,
        )
    )


def _model_waits(work: Step, fact: ModelWaits) -> None:
    turn = work.running("asked", fact.request, fact.attempt)
    if turn is not None and turn.ending is None and work.state.shown == "working":
        evidence = fact.text or ANSWERS
        work.record_in_turn(AgentStateChanged(state="working", evidence=evidence))


def _question(work: Step, fact: QuestionReady | QuestionFailed | PersonAnswered) -> None:
    turn = work.open_turn()
    if turn is None or turn.ending is not None or work.state.held:
        return
    found = turn.open(fact.call)
    if found is None:
        return
    if found.status == "deciding" and isinstance(fact, PersonAnswered):
        recovery.decided(work, found, fact)
        return
    if found.status != ("waiting" if isinstance(fact, PersonAnswered) else "asking"):
        return
    match fact:
        case QuestionReady(call=call, preview=preview):
            work.mark_call(call, "waiting")
            evidence = f"asks: {found.proposed.name}"
            work.record_in_turn(asked(found, preview), *work.showing("blocked", evidence))
        case QuestionFailed(call=call, message=message):
            work.mark_call(call, "closing")
            work.record_in_turn(ToolFailed(call=call, attempt=0, message=message))
        case PersonAnswered(call=call, allowed=True, rule=rule, granted=granted):
            work.mark_call(call, "starting")
            # Only the answer that counts gives it: one that came too late leaves no grant.
            given = () if granted is None else (granted,)
            grant = "" if granted is None else granted.grant
            answered = PermissionAnswered(
                call=call, allowed=True, by="person", rule=rule, grant=grant
            )
            started = ToolStarted(call=call, attempt=found.attempt + 1)
            work.record_in_turn(*given, answered, started, *work.unblocked("allowed"))
        case PersonAnswered(call=call, rule=rule):
            work.mark_call(call, "closing")
            late = rule == TIMED_OUT
            by = "timeout" if late else "person"
            answered = PermissionAnswered(call=call, allowed=False, by=by, rule=rule)
            message = ending.NOBODY if late else ending.DENIED
            failed = ToolFailed(call=call, attempt=0, message=message, cause="denied")
            work.record_in_turn(answered, failed, *work.unblocked("denied"))
        case _:
            assert_never(fact)
