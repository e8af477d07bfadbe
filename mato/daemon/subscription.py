"""What one subscriber has seen, and the pump that sends it the rest: past, present, open tails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from mato.bus import Bus, Packed, Watcher
from mato.protocol.frames import EventFrame
from mato.protocol.methods import Subscribe
from mato_sessions import codec
from mato_sessions.journal import Journal
from mato_sessions.pieces import Piece

FRAME_S = 1 / 60
"""Shortest time between two frames: nobody can see more of them."""
FRAME_BYTES = 512 * 1024
"""Events of one frame, about; so that a slow client's last frame is not a long one."""
PAGE_EVENTS = 500
LAST = 2**63 - 1
"""No seq is larger."""

_ENCODER = msgspec.msgpack.Encoder()


class Subscription:
    """Pulls from the bus, or from the journal where the bus does not reach back.

    Nothing is queued for it: while `send` waits for a slow client, this holds two cursors and one
    frame, and the bus goes on without it.
    """

    def __init__(
        self,
        journal: Journal,
        bus: Bus,
        request: Subscribe,
        send: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._journal = journal
        self._bus = bus
        self._send = send
        self._facts = request.position is not None
        self._position = min(max(0, request.position or 0), bus.position)
        # Everything up to here has been sent; -1 until the past has been.
        self._sent = -1
        # A cursor is whatever integer a client sends; a journal's are 64 bits wide.
        seen = request.sessions.items()
        self._sessions = {session: min(max(0, seq), LAST) for session, seq in seen}
        self._shown: dict[str, dict[str, int]] = {session: {} for session in self._sessions}
        self._rung = asyncio.Event()
        # The first frame of the present is sent even when empty: it says that the past is over.
        self._first = True

    async def run(self) -> None:
        """Send what there is and then what comes, until cancelled or until `send` raises."""
        watcher = Watcher(self._rung.set, self._sessions, self._facts)
        self._bus.watch(watcher)
        try:
            self._rung.set()
            while True:
                await self._rung.wait()
                self._rung.clear()
                await self._catch_up()
                # The first event goes out at once; those that follow it closely go together.
                await asyncio.sleep(FRAME_S)
        finally:
            self._bus.unwatch(watcher)

    async def _catch_up(self) -> None:
        while True:
            if self._sent < 0 or not self._bus.covers(self._sent):
                await self._send_past()
                continue
            events, reached = self._bus.after(self._sent, self._wants, FRAME_BYTES)
            self._sent = reached
            if self._facts:
                self._position = reached
            for packed in events:
                if packed.session in self._sessions:
                    self._sessions[packed.session] = packed.seq
            whole = reached >= self._bus.position
            pieces = self._open_text() if whole else []
            if events or pieces or self._first:
                self._first = False
                await self._send_frame([packed.raw for packed in events], pieces)
            if whole:
                return

    def _wants(self, packed: Packed) -> bool:
        seen = self._sessions.get(packed.session)
        if seen is not None:
            return packed.seq > seen
        return self._facts and packed.is_fact and packed.position > self._position

    def _open_text(self) -> list[Piece]:
        pieces: list[Piece] = []
        for session, shown in self._shown.items():
            pieces += self._bus.open_text(session, shown)
        return pieces

    async def _send_past(self) -> None:
        """Send from the journal what was published up to now; what comes meanwhile follows."""
        head = self._bus.position
        for session in self._sessions:
            while True:
                page = await self._journal.packed(session, self._sessions[session], PAGE_EVENTS)
                fresh = [row for row in page if row.position <= head]
                if fresh:
                    self._sessions[session] = fresh[-1].seq
                    raws = [(row.position, row.raw) for row in fresh]
                    await self._send_events(raws, facts=False)
                if len(fresh) < PAGE_EVENTS:
                    break
        while self._facts and self._position < head:
            page = await self._journal.since(self._position, PAGE_EVENTS, facts_only=True)
            page = [event for event in page if event.position <= head]
            reached = page[-1].position if len(page) == PAGE_EVENTS else head
            # Those of followed sessions have been sent above, whole.
            others = [
                (event.position, codec.pack(event))
                for event in page
                if event.session not in self._sessions
            ]
            await self._send_events(others, facts=True)
            self._position = reached
        self._sent = head

    async def _send_events(self, events: Sequence[tuple[int, bytes]], *, facts: bool) -> None:
        """Send a page (position, packed), in frames.

        Each carries the position that is seen with it, no later one.
        """
        batch: list[bytes] = []
        size = 0
        for position, raw in events:
            if batch and size + len(raw) > FRAME_BYTES:
                await self._send_frame(batch, ())
                batch, size = [], 0
            batch.append(raw)
            size += len(raw)
            if facts:  # after the cut above: a frame says only what it holds
                self._position = position
        if batch:
            await self._send_frame(batch, ())

    async def _send_frame(self, events: Sequence[bytes], pieces: Sequence[Piece]) -> None:
        raws = tuple(msgspec.Raw(raw) for raw in events)
        frame = EventFrame(raws, tuple(pieces), self._position)
        await self._send(_ENCODER.encode(frame))
