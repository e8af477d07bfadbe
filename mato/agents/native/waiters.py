"""Who waits for something of a native agent: for a turn to start, for its end, for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from mato.agents.native.state import OpenCall
from mato_sessions.errors import DaemonError, MatoError, UsageError
from mato_sessions.events import AgentExited, Event, TurnEnded, TurnPrompted, TurnReturned
from mato_sessions.events.permission import Decision

ENDED = "the agent has ended; `mato new` starts another one"
_LATER = "the daemon is stopping; the next one goes on with the turn and what is queued"


class Waiters:
    """The futures of one agent. Told of every event, in order."""

    def __init__(self) -> None:
        self._starts: dict[str, asyncio.Future[None]] = {}
        self.ends: list[asyncio.Future[bool]] = []
        """Set to True when the running turn has ended."""
        self.over = asyncio.Event()
        """The agent has ended, or its daemon is about to."""

    @contextmanager
    def start(self, turn: str) -> Generator[asyncio.Future[None]]:
        """A future that is done once the turn's start is journaled, or failed when it never is."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starts[turn] = started
        try:
            yield started
        finally:
            self._starts.pop(turn, None)

    def tell(self, event: Event) -> None:
        """Wake whoever waits for this event."""
        match event.body:
            case TurnPrompted():
                started = self._starts.get(event.turn or "")
                if started is not None and not started.done():
                    started.set_result(None)
            case TurnReturned(reason=reason):
                self.refuse(event.turn or "", UsageError(f"the prompt was returned: {reason}"))
            case TurnEnded():
                for ended in self.ends:
                    if not ended.done():
                        ended.set_result(True)
                self.ends.clear()
            case AgentExited():
                self.over.set()
            case _:
                pass

    def refuse(self, turn: str, error: MatoError) -> None:
        """The turn does not start."""
        started = self._starts.get(turn)
        if started is not None and not started.done():
            started.set_exception(error)

    def end(self, others: Iterable[asyncio.Future[bool]], *, suspended: bool) -> None:
        """Nothing comes any more: tell everybody, and `others` who were not heard."""
        self.over.set()
        for future in (*self._starts.values(), *self.ends, *others):
            if not future.done():
                # Each gets an exception of its own: a shared one would collect their tracebacks.
                future.set_exception(DaemonError(_LATER) if suspended else UsageError(ENDED))


def check_answer(call: OpenCall, allowed: bool, decision: Decision | None) -> None:
    """Refuse an answer that is none to this call's question.

    Raises:
        UsageError: what can be answered instead.
    """
    if call.status == "waiting" and decision is not None:
        raise UsageError(
            f"call {call.call!r} waits for permission; `mato approve` or `mato deny` answers it"
        )
    if call.status == "deciding" and decision == "done" and not call.attempt:
        raise UsageError(f"call {call.call!r} had not started, so it is not done; give it up")
    again = decision == "again" or (decision is None and allowed)
    if call.status == "deciding" and again and call.proposed.redacted:
        raise UsageError(
            f"call {call.call!r} cannot run again: its arguments held a secret that is not in the "
            "record; give it up, or say that it is done if it had started"
        )
