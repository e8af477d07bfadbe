"""A journal in memory for one agent: a `Sink` that keeps what it is given, for tests and trials."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from mato_sessions.clock import Clock
from mato_sessions.errors import JournalError
from mato_sessions.events import BlobRef, Body, Event, ToolProposed
from mato_sessions.pieces import Piece
from mato_sessions.transitions import CallRow, Step, follow


class MemorySink:
    """See `mato.agents.base.Sink`. Waiters are woken by events, never by time.

    It refuses what a journal refuses: whatever would let a tool call run twice.
    """

    def __init__(
        self, clock: Clock, session: str = "s-test", agent: str = "a-test", start: int = 0
    ) -> None:
        self._clock = clock
        self._session = session
        self._agent = agent
        self._start = start
        """seq of the newest event that was there before."""
        self.events: list[Event] = []
        self.pieces: list[Piece] = []
        self.children: dict[int | str, str] = {}
        """Purposes of recorded process groups that have not ended, by pid; of those that are about
        to be started, by marker."""
        self.blobs: dict[str, bytes] = {}
        self._calls: dict[str, CallRow] = {}
        self.broken = False
        """Set it, and nothing can be journaled any more."""
        self._changed = asyncio.Event()

    @property
    def session(self) -> str:
        return self._session

    @property
    def agent(self) -> str:
        return self._agent

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        await asyncio.sleep(0)  # as with a disk, others get their turn meanwhile
        if self.broken:
            raise JournalError("the journal is full; free some space")
        made = [self._event(body, turn, cause, number) for number, body in enumerate(bodies, 1)]
        self._check(made)
        self.events.extend(made)
        self._wake()
        return made

    def _check(self, events: Sequence[Event]) -> None:
        calls = dict(self._calls)
        for event in events:
            if not isinstance(body := event.body, Step):
                continue
            # Of what was there before it knows no calls.
            if body.call in calls or isinstance(body, ToolProposed) or not self._start:
                calls[body.call] = follow(calls.get(body.call), event, body)
        self._calls = calls

    def _event(self, body: Body, turn: str | None, cause: int | None, number: int) -> Event:
        seq = self._start + len(self.events) + number
        return Event(
            position=seq,
            session=self._session,
            seq=seq,
            at_us=self._clock.wall_us(),
            mono_us=self._clock.mono_us(),
            boot=self._clock.boot(),
            epoch=1,
            agent=self._agent,
            turn=turn,
            cause=cause,
            kind=body.kind,
            version=body.version,
            body=body,
            hash=b"",
        )

    def piece(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self._wake()

    async def blob(self, data: bytes) -> BlobRef:
        name = hashlib.sha256(data).hexdigest()
        self.blobs[name] = data
        return BlobRef(name, len(data))

    async def read_blob(self, ref: BlobRef) -> bytes:
        return self.blobs[ref.sha256]

    def child_started(self, pid: int | None, purpose: str, marker: str = "") -> Callable[[], None]:
        key = marker if pid is None else pid
        self.children[key] = purpose

        def ended() -> None:
            del self.children[key]

        return ended

    def bodies(self, kind: str) -> list[Body]:
        """The bodies of that kind so far, oldest first."""
        return [event.body for event in self.events if event.kind == kind]

    def kinds(self) -> Sequence[str]:
        """The kinds of all events so far, oldest first."""
        return [event.kind for event in self.events]

    async def until(self, reached: Callable[[MemorySink], bool]) -> None:
        """Returns once `reached(sink)` holds; looked at after each event and piece."""
        while not reached(self):
            self._changed.clear()
            await self._changed.wait()

    async def wait_for(self, kind: str, count: int = 1) -> Event:
        """The `count`-th event of that kind, as soon as it is journaled."""
        await self.until(lambda sink: len(sink.bodies(kind)) >= count)
        return [event for event in self.events if event.kind == kind][count - 1]

    def _wake(self) -> None:
        self._changed.set()
