"""Where one agent's facts and live pieces go: the journal and the bus."""

from __future__ import annotations

from collections.abc import Callable

from mato.bus import Bus
from mato.processes import ChildRecords
from mato_sessions.events import BlobRef, Body, Draft, Event
from mato_sessions.journal import Journal
from mato_sessions.pieces import Piece


class AgentSink:
    """A `mato.agents.base.Sink`, bound to one session and agent."""

    def __init__(
        self, session: str, agent: str, journal: Journal, bus: Bus, records: ChildRecords
    ) -> None:
        self._session = session
        self._agent = agent
        self._journal = journal
        self._bus = bus
        self._records = records

    @property
    def session(self) -> str:
        return self._session

    @property
    def agent(self) -> str:
        return self._agent

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        """Journal the facts, all or nothing; returns once they are on disk."""
        return await self._journal.append(
            [
                Draft(session=self._session, body=body, agent=self._agent, turn=turn, cause=cause)
                for body in bodies
            ]
        )

    def piece(self, piece: Piece) -> None:
        """Show a streamed piece at once."""
        self._bus.piece(piece)

    async def blob(self, data: bytes) -> BlobRef:
        """Keep `data` beside the journal; returns when that is on disk."""
        return await self._journal.blob(data)

    async def read_blob(self, ref: BlobRef) -> bytes:
        """What `blob` kept."""
        return await self._journal.read_blob(ref)

    def child_started(self, pid: int | None, purpose: str, marker: str = "") -> Callable[[], None]:
        """Record a process group led by `pid`; call the result when it has ended."""
        return self._records.started(pid, purpose, marker)
