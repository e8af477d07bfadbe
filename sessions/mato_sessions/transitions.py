"""Where a tool call stands, and what may follow: the rules that keep an effect from running twice.

The table `call` holds a row for each call, which the writer changes in the transaction of the event
that changes it. So what a reader finds there is what the events say, after any crash.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mato_sessions.errors import JournalError
from mato_sessions.events import (
    Event,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
)
from mato_sessions.events.tool import RecoveryPolicy

CallState = Literal["proposed", "started", "finished", "failed", "unknown"]
"""unknown: it was cut off, and a person decides whether it is done or runs again."""

Step = ToolProposed | ToolStarted | ToolFinished | ToolFailed | ToolUnknown
STEPS = frozenset({ToolProposed, ToolStarted, ToolFinished, ToolFailed, ToolUnknown})
ROWS = (
    "SELECT session, call, agent, turn, state, attempt, epoch, key, policy, seq FROM call"
    " WHERE session = ?"
)
"""Gives the fields of `CallRow`, for a session."""
IS_OPEN = " AND state IN ('proposed', 'started', 'unknown')"
_MOST_ATTEMPTS = 1_000_000


class CallRow(msgspec.Struct, frozen=True):
    """A call as the journal has it."""

    session: str
    call: str
    agent: str | None
    turn: str | None
    state: CallState
    attempt: int
    """The newest that was begun; 0 before."""
    epoch: int
    """Which start of the daemon brought it to its state."""
    key: str
    """Idempotency key, the same for every attempt."""
    policy: RecoveryPolicy
    seq: int
    """Of the event that brought it to its state."""


def follow(found: CallRow | None, event: Event, step: Step) -> CallRow:
    """The call after `event`, whose body is `step`; `found` is how it stood before.

    Raises:
        JournalError: this must not follow.
    """
    if isinstance(step, ToolProposed):
        if found is not None:
            raise JournalError(f"the call {step.call!r} is proposed already; give it another id")
        return CallRow(
            event.session,
            step.call,
            event.agent,
            event.turn,
            "proposed",
            0,
            event.epoch,
            step.key,
            step.policy,
            event.seq,
        )
    if found is None:
        raise JournalError(f"the call {step.call!r} was never proposed; journal that first")
    if (reason := _objection(found, step)) is not None:
        raise JournalError(f"{event.kind!r} of the call {step.call!r} is refused: {reason}")
    state: CallState
    match step:
        case ToolStarted():
            state = "started"
        case ToolFinished():
            state = "finished"
        case ToolFailed():
            state = "failed"
        case ToolUnknown():
            state = "unknown"
    attempt = max(found.attempt, step.attempt)
    return msgspec.structs.replace(
        found, state=state, attempt=attempt, epoch=event.epoch, seq=event.seq
    )


def _objection(
    found: CallRow, step: ToolStarted | ToolFinished | ToolFailed | ToolUnknown
) -> str | None:
    """Why `step` must not follow, or None."""
    if not 0 <= step.attempt <= _MOST_ATTEMPTS:
        return f"{step.attempt!r} is no number of an attempt"
    if found.state in ("finished", "failed"):
        return f"it has {found.state} already"
    if isinstance(step, ToolStarted) and step.attempt <= found.attempt:
        return f"attempt {found.attempt} has begun already"
    if isinstance(step, ToolFinished) and found.state == "proposed":
        return "it was never started"
    return None
