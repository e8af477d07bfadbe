"""The machine's tool calls: proposed, held back, decided, started, and what follows their end."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Sequence
from typing import assert_never

from msgspec.structs import replace

from mato.agents.native.requests import ask_next
from mato.agents.native.state import CallStatus, OpenCall
from mato.agents.native.stepping import Step
from mato.agents.native.steps import AskPerson
from mato.permissions.policy import Decision
from mato.permissions.taint import taint
from mato_sessions.events import (
    Body,
    PermissionAnswered,
    PermissionAsked,
    ToolFailed,
    ToolStarted,
)
from mato_sessions.events.model import Call


def propose(work: Step, calls: Sequence[Call], withheld: Container[str] = ()) -> None:
    """Journal the calls of an answer, with what is decided about each of them at once.

    Nothing is decided about `withheld` ones yet.
    """
    turn = work.turn
    bodies: list[Body] = []
    opened: list[OpenCall] = []
    failed: list[Body] = []
    for call in calls:
        found = work.setup.inspect(call)
        proposed = replace(found.proposed, redacted=call.redacted)
        bodies.append(proposed)
        status: CallStatus = "held"
        if found.complaint:
            status = "closing"
            failed.append(
                ToolFailed(call=call.call, attempt=0, message=found.complaint, cause="arguments")
            )
        elif call.call in withheld:
            status = "unknown"
        opened.append(OpenCall(proposed, found.action, found.resource, status))
    work.state = replace(work.state, turn=replace(turn, calls=tuple(opened), wrote=()))
    work.record_in_turn(*bodies, *failed, *admit(work))


def advance(work: Step) -> None:
    """After the end of a call: let go of calls that it held back, or ask the model again."""
    if not work.turn.calls:
        ask_next(work)
        return
    bodies = admit(work)
    if bodies:
        work.record_in_turn(*bodies)


def admit(work: Step) -> list[Body]:
    """Decide every held call that no earlier open call stands in the way of."""
    bodies: list[Body] = []
    for position, call in enumerate(work.turn.calls):
        earlier = work.turn.calls[:position]
        if call.status == "held" and not any(_conflict(call, other) for other in earlier):
            bodies += _decide(work, call)
    return bodies


def _conflict(one: OpenCall, other: OpenCall) -> bool:
    """Whether two calls of an answer must not run at once: one writes what the other uses."""
    if "write" not in (one.action, other.action) or not one.resource or not other.resource:
        return False
    return posixpath.normpath(one.resource) == posixpath.normpath(other.resource)


def _decide(work: Step, call: OpenCall) -> list[Body]:
    # Calls of one answer start together: what any of them may see marks the others.
    marks = work.state.taint
    for each in work.turn.calls:
        marks |= taint(each.proposed.arguments, each.proposed.action)
    decision = work.setup.decide(work.state.mode, call.action, call.resource, marks)
    if decision.effect == "ask":
        work.mark_call(call.call, "asking", decision)
        work.command(AskPerson(call.call, call.proposed.name, call.arguments))
        return []
    answered = _answered(call.call, decision)
    if answered.allowed:
        work.mark_call(call.call, "starting")
        return [answered, ToolStarted(call=call.call, attempt=1)]
    work.mark_call(call.call, "closing")
    message = f"Not allowed ({decision.rule}). Go on without it, or say what you need and why."
    failed = ToolFailed(call=call.call, attempt=0, message=message, cause="denied")
    return [answered, failed]


def _answered(call: str, decision: Decision) -> PermissionAnswered:
    """The fact that nobody had to be asked."""
    match decision.by:
        case "rule" | "grant" | "killed":
            by = decision.by
        case "mode" | "taint" | "bare" | "guard":
            by = "mode"
        case _:
            assert_never(decision.by)
    return PermissionAnswered(
        call=call,
        allowed=decision.effect == "allow",
        by=by,
        rule=decision.rule,
        private=decision.marks.private,
        untrusted=decision.marks.untrusted,
        grant=decision.grant,
    )


def asked(call: OpenCall, preview: str) -> PermissionAsked:
    """The fact that a person has to decide, with what they are to know."""
    decision = call.asks
    found = PermissionAsked(
        call=call.call,
        tool=call.proposed.name,
        action=call.action,
        resource=call.resource,
        arguments=call.proposed.arguments,
        preview=preview,
    )
    if decision is None:
        return found
    return replace(
        found,
        why=decision.rule,
        private=decision.marks.private,
        untrusted=decision.marks.untrusted,
        patterns=decision.patterns,
        lasting=decision.lasting,
    )
