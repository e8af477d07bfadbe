"""How turns begin and end in the machine, and how the agent itself does."""

from __future__ import annotations

from msgspec.structs import replace

from mato.agents.native.state import OpenCall, Queued
from mato.agents.native.stepping import Step
from mato.agents.native.steps import AwaitWork, CancelWork, Ending
from mato_sessions.events import (
    AgentExited,
    Body,
    PermissionAnswered,
    ToolFailed,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
    TurnReturned,
)
from mato_sessions.events.agent import PAUSED, STOPS

INTERRUPTED = Ending("interrupted", "its agent failed in the middle of this turn")
NOT_RUN = "This call was not run: the turn was ended before it started."
DENIED = "The user did not allow this call. Do not try it again in another way."
NOBODY = "Nobody answered in time, so this call was not allowed. Do not try it in another way."
CUT_OFF = "This call was stopped while it ran. What it had done by then is done."
NOT_KNOWN = (
    "Mato ended while this call ran: whether it took effect is not known. Look before you go on."
)


def interrupt(work: Step) -> None:
    """End the turn that the history leaves open; nothing of it is run."""
    give_back(work, "its agent failed before its turn")
    turn = work.state.turn
    if turn is None:
        return
    bodies = [body for call in turn.calls for body in left(call)]
    end = TurnEnded(reason=INTERRUPTED.reason, detail=INTERRUPTED.detail)
    work.state = replace(work.state, turn=replace(turn, ended=True))
    work.record_in_turn(*bodies, end, *work.showing("done", "turn ended: interrupted"))


def left(call: OpenCall) -> list[Body]:
    """How a call ends that its daemon's end cut off and that nobody goes on with."""
    match call.status:
        case "running":
            return [ToolUnknown(call=call.call, attempt=call.attempt, message=NOT_KNOWN)]
        case "unknown" | "deciding" | "looking":
            return _undecided(call)
        case _:
            return _not_run(call)


def _not_run(call: OpenCall) -> list[Body]:
    failed = ToolFailed(call=call.call, attempt=0, message=NOT_RUN, cause="cancelled")
    return [*_unasked(call), failed] if call.status == "waiting" else [failed]


def _undecided(call: OpenCall) -> list[Body]:
    if call.status == "looking":
        return [ToolUnknown(call=call.call, attempt=call.attempt, message=NOT_KNOWN)]
    return _unasked(call) if call.status == "deciding" else []


def _unasked(call: OpenCall) -> list[Body]:
    rule = "the turn ended while it waited"
    return [PermissionAnswered(call=call.call, allowed=False, by="cancel", rule=rule)]


_OVER = ("held", "asking", "waiting", "looking", "unknown", "deciding")
"""Nothing of these runs, so they end as soon as their turn is to end."""


def claim(work: Step, queued: Queued) -> None:
    """Start the turn of a prompt."""
    work.state = replace(work.state, claimed=queued.turn)
    work.record(
        TurnPrompted(blocks=queued.blocks), *work.showing("working", "prompted"), turn=queued.turn
    )


def give_back(work: Step, reason: str) -> None:
    """Return the queued prompts: they will not start by themselves."""
    queue = work.state.queue
    work.state = replace(work.state, queue=())
    for queued in queue:
        work.record(TurnReturned(reason=reason), turn=queued.turn)


def end(work: Step, why: Ending) -> None:
    """End the turn: at once what has not started, and the rest when `WorkGone` says so."""
    if work.state.turn is None:
        if work.state.claimed:
            work.state = replace(work.state, doomed=work.state.doomed or why)
        elif work.state.paused:
            # Only queued prompts were left, and those have been given back.
            work.state = replace(work.state, paused="")
            work.record(*work.showing("idle", "stopped"))
        return
    turn = work.turn
    if turn.ending is not None or turn.ended:
        return
    work.state = replace(work.state, turn=replace(turn, ending=why))
    bodies: list[Body] = []
    # While paused nothing runs: what is marked as running was cut off by the daemon's end.
    over = _OVER if not work.state.paused else (*_OVER, "running")
    for call in turn.calls:
        if call.status in over:
            bodies += left(call)
            work.mark_call(call.call, "closing")
    if bodies:
        work.record_in_turn(*bodies)
    work.command(CancelWork())


def finish(work: Step, why: Ending) -> None:
    """Journal the end of the turn, of which nothing runs any more."""
    turn = work.turn
    if turn.ended:
        return
    bodies: list[Body] = [
        ToolFailed(call=call.call, attempt=call.attempt or 1, message=CUT_OFF, cause="cancelled")
        for call in turn.calls
        if call.status != "closing"
    ]
    work.state = replace(work.state, turn=replace(turn, ended=True))
    shown: tuple[Body, ...] = ()
    if work.state.closing is None and (not work.state.queue or work.state.suspended):
        state = "failed" if why.reason == "failed" else "done"
        shown = work.showing(state, f"turn ended: {why.reason}")
    work.record_in_turn(*bodies, TurnEnded(reason=why.reason, detail=why.detail), *shown)


def after_turn(work: Step) -> None:
    """After the journaled end of a turn: the agent's own end, or the next prompt."""
    # What was paused has ended with the turn.
    state = work.state = replace(work.state, paused="")
    if state.closing is not None:
        _exit(work, state.closing)
    elif state.suspended:
        work.state = replace(state, quiet=True)
    elif state.queue and state.live:
        work.state = replace(state, queue=state.queue[1:])
        claim(work, state.queue[0])


def suspend(work: Step, *, drain: bool) -> None:
    """Begin nothing new and stop, leaving turn and queue for the next daemon to go on with."""
    state = work.state = replace(work.state, suspended=True)
    turn = state.turn
    if turn is None:
        work.state = replace(state, quiet=True)
    elif turn.ending is None and not turn.ended:
        work.record(*work.showing("blocked", f"{PAUSED}{STOPS}"))
        work.command(AwaitWork() if drain else CancelWork())


def close(work: Step, reason: str) -> None:
    """End the turn, then the agent."""
    if work.state.exited or work.state.closing is not None:
        return
    work.state = replace(work.state, closing=reason)
    if work.state.turn is None and not work.state.claimed:
        _exit(work, reason)
        return
    give_back(work, "the agent was ended")
    end(work, Ending("cancelled", f"the agent was ended: {reason}"))


def _exit(work: Step, reason: str) -> None:
    if work.state.exiting:
        return
    work.state = replace(work.state, exiting=True)
    give_back(work, "the agent was ended")
    work.record(*work.showing("stopped", reason), AgentExited(reason=reason))
