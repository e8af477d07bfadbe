"""What an agent is to the daemon: five requests in, facts and live pieces out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from mato.models.base import ModelChoice
from mato.permissions.desk import Policy
from mato.tools.base import Registry
from mato.tools.workspace import Workspace
from mato_sessions.clock import Clock
from mato_sessions.events import BlobRef, Body, Event, PermissionGranted
from mato_sessions.events.permission import Decision
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block, StopReason
from mato_sessions.ids import Ids, TurnId
from mato_sessions.pieces import Piece
from mato_sessions.redact import Redactor


class TakeUp(msgspec.Struct, frozen=True):
    """What becomes of a turn that an agent's history leaves open."""

    how: Literal["go_on", "pause", "end"] = "go_on"
    """pause: until `Agent.resume`. end: it is ended as interrupted, nothing of it is run."""
    why: str = ""
    """Of a pause, for people: what it waits for and how it goes on."""


GO_ON = TakeUp()


class Sink(Protocol):
    """Where an agent's facts go. Given by the daemon, bound to one session and agent."""

    @property
    def session(self) -> str: ...

    @property
    def agent(self) -> str: ...

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        """Journal the facts, all or nothing; returns once they are on disk.

        Raises:
            JournalError: nothing was written; the agent ends.
        """
        ...

    def piece(self, piece: Piece) -> None:
        """Show a streamed piece at once; the agent journals it by `record` within 250 ms."""
        ...

    async def blob(self, data: bytes) -> BlobRef: ...

    async def read_blob(self, ref: BlobRef) -> bytes: ...

    def child_started(self, pid: int | None, purpose: str, marker: str = "") -> Callable[[], None]:
        """Record a process group led by `pid`; call the result when it has ended.

        `marker` is the MATO_CALL that its processes carry. `pid` None: the child is about to be
        started, and until its own record stands only the marker tells who it is.
        """
        ...


class Agent(Protocol):
    """A living agent. Made by `mato.agents.factory`; `run` is one branch of a TaskGroup."""

    async def run(self) -> None:
        """Live until `close`. An exception here ends this agent alone."""
        ...

    async def prompt(self, blocks: Sequence[Block]) -> TurnId:
        """Start a turn, or queue one while another runs (bounded; `UsageError` when full).

        Returns once `turn.prompted` is journaled, so possibly much later.

        Raises:
            UsageError: the queue is full, or the prompt was returned before it started.
        """
        ...

    async def cancel(self, reason: StopReason = "cancelled", detail: str = "") -> bool:
        """End the current turn and return queued prompts; False when there was none.

        `reason` and `detail` are those of its end.

        Returns once `turn.ended` is journaled: partial text kept, tools gone (≤ 2 s).
        """
        ...

    async def answer(
        self,
        call: str,
        allowed: bool,
        rule: str,
        decision: Decision | None = None,
        granted: PermissionGranted | None = None,
    ) -> None:
        """Decide a waiting call; `decision` where it was cut off and nobody knows how far it came.

        `granted` is journaled with the answer, if that is the one that counts.

        Raises:
            UnknownName: it does not wait (any more).
            UsageError: that is no answer to its question, or the agent is paused.
        """
        ...

    async def resume(self) -> bool:
        """Let it go on where it is paused; False where it was not."""
        ...

    async def halt(self, reason: StopReason, why: str) -> None:
        """Pause it before it asks its model again; what runs comes to its end first.

        A program that cannot be held there has its turn ended, for `reason`.
        """
        ...

    async def reconfigure(self, choice: ModelChoice | None, mode: Mode | None) -> None:
        """Another model from the next turn on, another mode from the next call on."""
        ...

    async def looked(self) -> None:
        """A person has seen the end of the last turn: done becomes idle."""
        ...

    async def undone(self, turn: str, files: Sequence[str]) -> None:
        """Journal that these files are again as before `turn`; the model is told with the next
        prompt.
        """
        ...

    async def close(self, reason: str) -> None:
        """End turn and agent; returns once `agent.exited` is journaled. Idempotent."""
        ...

    async def suspend(self, *, drain: bool = False) -> None:
        """The daemon ends in good order: begin nothing new and leave the turn open for the next.

        `drain`: what runs may come to its end first. Asked again without it, that is cut short.
        """
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What an agent of any kind is made from, besides its launch spec."""

    sink: Sink
    workspace: Workspace
    """Stays the giver's to close."""
    registry: Registry
    policy: Policy
    clock: Clock
    ids: Ids
    redactor: Redactor
    env: Callable[[], Mapping[str, str]]
    """The agent's current environment; asked for anew for each request, tool and start."""
    history: Sequence[Event] = ()
    """The agent's events so far, with its `agent.spawned`."""
    take_up: TakeUp = GO_ON
    """What becomes of what `history` leaves open."""
