"""Who waits for which state of which agents, decided event by event so that none is missed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from mato_sessions.events import (
    AgentExited,
    AgentSpawned,
    AgentStateChanged,
    Event,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
)

ENDED = frozenset({"idle", "done", "failed", "stopped"})
RETURNED = "returned"
"""In place of a stop reason: the turn was queued and will not start."""
_TURNS = 64
"""Turns of an agent that are remembered; older ones are read from the journal."""


@dataclass(slots=True)
class Progress:
    """How far one agent has come."""

    state: str = "starting"
    queued: set[str] = field(default_factory=lambda: set[str]())
    turns: OrderedDict[str, str] = field(default_factory=lambda: OrderedDict[str, str]())
    """Started (or returned) turn → its stop reason, "" while it runs; the newest last."""

    def apply(self, event: Event) -> None:
        """Take in an event of this agent."""
        turn = event.turn or ""
        match event.body:
            case AgentStateChanged(state=state):
                self.state = state
            case AgentExited():
                self.state = "stopped"
                self.queued.clear()
            case TurnQueued():
                self.queued.add(turn)
            case TurnPrompted():
                self._note(turn, "")
            case TurnReturned():
                self._note(turn, RETURNED)
            case TurnEnded(reason=reason):
                self._note(turn, reason)
            case _:
                pass

    def _note(self, turn: str, reason: str) -> None:
        self.queued.discard(turn)
        self.turns[turn] = reason
        self.turns.move_to_end(turn)
        if len(self.turns) > _TURNS:
            self.turns.popitem(last=False)

    def recall(self, turn: str, reason: str) -> None:
        """Remember an old turn again, as the oldest."""
        self.turns[turn] = reason
        self.turns.move_to_end(turn, last=False)

    def last_reason(self) -> str:
        """Stop reason of the last turn that ended; "" when there is none."""
        ended = (reason for reason in reversed(self.turns.values()) if reason not in ("", RETURNED))
        return next(ended, "")

    def is_at(self, until: str, turn: str) -> bool:
        """Whether the wait for `until` is over, counting from the start of `turn` if given."""
        if turn and turn not in self.turns:
            return False
        if until != "ended":
            return self.state == until
        if turn:
            return self.turns[turn] != ""
        return self.state in ENDED and not self.queued


class _Kept(msgspec.Struct):
    state: str
    queued: list[str]
    turns: list[tuple[str, str]]


class _Wait:
    def __init__(self, agents: Iterable[str], until: str, turn: str) -> None:
        self.agents = frozenset(agents)
        self.until = until
        self.turn = turn
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Waiting:
    """Knows the progress of every agent, and wakes who waits for it."""

    def __init__(self) -> None:
        self._progress: dict[str, Progress] = {}
        self._waits: set[_Wait] = set()

    def of(self, agent: str) -> Progress:
        """How far this agent has come."""
        return self._progress.setdefault(agent, Progress())

    def apply(self, event: Event) -> None:
        """Take in a committed event, position ascending."""
        if event.agent is None:
            return
        if isinstance(event.body, AgentSpawned):
            self._progress[event.agent] = Progress()
        else:
            self.of(event.agent).apply(event)
        for wait in tuple(self._waits):
            if event.agent in wait.agents and not wait.over.done() and self._is_over(wait):
                wait.over.set_result(None)

    def snapshot(self) -> bytes:
        """The progress of all agents; not who waits."""
        return msgspec.json.encode(
            {
                agent: _Kept(one.state, sorted(one.queued), list(one.turns.items()))
                for agent, one in self._progress.items()
            }
        )

    def restore(self, data: bytes) -> None:
        """Take up a state that `snapshot` gave, before anybody waits."""
        self._progress = {
            agent: Progress(kept.state, set(kept.queued), OrderedDict(kept.turns))
            for agent, kept in msgspec.json.decode(data, type=dict[str, _Kept]).items()
        }

    async def wait(self, agents: Sequence[str], until: str, turn: str = "") -> None:
        """Return once every one of `agents` is there at the same moment; cancel it to give up."""
        wait = _Wait(agents, until, turn)
        if self._is_over(wait):
            return
        self._waits.add(wait)
        try:
            await wait.over
        finally:
            self._waits.discard(wait)

    def _is_over(self, wait: _Wait) -> bool:
        return all(self.of(agent).is_at(wait.until, wait.turn) for agent in wait.agents)
