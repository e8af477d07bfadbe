"""Whether the events of tool calls stand in an order that was allowed, and what they add up to."""

from __future__ import annotations

from typing import get_args

from mato_sessions.errors import JournalError
from mato_sessions.events import (
    Event,
    OutputStreamed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
)
from mato_sessions.transitions import CallRow, Step, follow

KINDS = frozenset({"tool.output_streamed", *(step.kind for step in get_args(Step))})
"""The kinds of events that are looked at here."""


class Order:
    """Follows the calls of one session, seq ascending."""

    def __init__(self) -> None:
        self.calls: dict[str, CallRow] = {}
        """By call. Those that have ended stay: nothing may come after it."""

    def check(self, event: Event, *, gaps: bool) -> str | None:
        """Why the event may not stand here, or None.

        `gaps`: bodies before it were purged, so a call may have begun unseen.
        """
        match event.body:
            case OutputStreamed(call=call):
                found = self.calls.get(call)
                if found is None:
                    return None if gaps else f"output of the call {call!r}, which was not proposed"
                return None if found.state == "started" else f"output of a call that {found.state}"
            case (
                ToolProposed() | ToolStarted() | ToolFinished() | ToolFailed() | ToolUnknown()
            ) as step:
                found = self.calls.get(step.call)
                if found is None and gaps and event.kind != "tool.proposed":
                    return None
                try:
                    self.calls[step.call] = follow(found, event, step)
                except JournalError as error:
                    return str(error)
                return None
            case _:
                return None  # of a version that this Mato does not know
