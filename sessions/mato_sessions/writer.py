"""The single writer: whatever waits is committed together, then acknowledged, then published.

An event is acknowledged only after its COMMIT, which is its fsync. There is no artificial delay: a
batch is what came while the one before it was written. After an I/O error nothing is tried again,
because what the kernel then still holds of the failed write cannot be known.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import aiosqlite

from mato_sessions import chain
from mato_sessions.clock import Clock
from mato_sessions.codec import Envelope
from mato_sessions.errors import JournalError, JournalFenced, JournalStopped
from mato_sessions.events import Body, Draft, Event

INLINE_BYTES = 16 * 1024
"""Larger bodies live in the blob table."""
BATCH_EVENTS = 512
BATCH_BYTES = 1 << 20
_QUEUE_EVENTS = 4096
_QUEUE_BYTES = 8 << 20

_ENVELOPE = "INSERT INTO envelope VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BODY = "INSERT INTO body VALUES (?, ?)"
_BLOB = "INSERT INTO blob VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING"
_SESSION = (
    "INSERT INTO session (session, created_us, head_seq, head_hash) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (session) DO UPDATE SET head_seq = excluded.head_seq,"
    " head_hash = excluded.head_hash"
)


class Ready(NamedTuple):
    """A draft whose body is redacted and encoded."""

    draft: Draft
    body: Body
    data: bytes
    digest: bytes


class Head(NamedTuple):
    """Where a session ends."""

    seq: int
    hash: bytes


class _Request:
    """What one caller wants written, all or nothing."""

    def __init__(
        self, events: Sequence[Ready], blobs: Sequence[tuple[bytes, bytes]], clock: Clock
    ) -> None:
        self.events = events
        self.blobs = blobs
        self.size = sum(len(ready.data) for ready in events) + sum(len(data) for _, data in blobs)
        self.at_us = clock.wall_us()
        self.mono_us = clock.mono_us()
        self.done: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()


class Writer:
    """Owns the writing connection from the epoch on."""

    def __init__(
        self,
        connection: aiosqlite.Connection,
        clock: Clock,
        publish: Callable[[Sequence[Event]], None],
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._boot = clock.boot()
        self._publish = publish
        self._batch_events = batch_events
        self._waiting: deque[_Request] = deque()
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._writing: list[_Request] = []
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False
        self._heads: dict[str, Head] = {}
        self._mono_us = 0
        self.epoch = 0
        self.position = 0
        """Of the newest committed event."""
        self.error: JournalError | None = None
        """Why it stopped before it was closed."""
        self.stopped = asyncio.Event()

    async def start(self) -> None:
        """Take over: read where everything ends, then commit the next epoch."""
        fetch = self._connection.execute_fetchall
        await fetch("BEGIN IMMEDIATE")
        for session, seq, digest in await fetch("SELECT session, head_seq, head_hash FROM session"):
            self._heads[session] = Head(seq, digest)
        newest = "SELECT position, boot, mono_us FROM envelope ORDER BY position DESC LIMIT 1"
        for position, boot, mono_us in await fetch(newest):
            self.position = position
            self._mono_us = mono_us if boot == self._boot else 0
        self.epoch = await self._newest_epoch() + 1
        await fetch("UPDATE meta SET value = ? WHERE key = 'epoch'", (self.epoch,))
        await fetch("COMMIT")

    async def write(
        self, events: Sequence[Ready], blobs: Sequence[tuple[bytes, bytes]] = ()
    ) -> list[Event]:
        """The events as committed. Waits while too much is queued.

        Cancelled while it waits for room, nothing is written; later, all of it is.

        Raises:
            JournalStopped: the writer stopped; nothing says whether this was written.
            JournalFenced: a successor has taken over; this was not written.
        """
        while self._open() and (
            self._waiting_events >= _QUEUE_EVENTS or self._waiting_bytes >= _QUEUE_BYTES
        ):
            self._room.clear()
            await self._room.wait()
        if not self._open():
            raise self._refusal()
        request = _Request(events, blobs, self._clock)
        self._waiting.append(request)
        self._waiting_events += len(events)
        self._waiting_bytes += request.size
        self._arrived.set()
        return await request.done

    async def run(self) -> None:
        """Write until closed or failed; the one task that touches the connection."""
        try:
            while batch := await self._take():
                await self._commit(batch)
        except JournalFenced as error:
            self.error = error
        except (sqlite3.Error, OSError) as error:
            self.error = JournalStopped(
                f"the journal stopped after a write error ({error}); see to the disk, then restart"
                " the daemon"
            )
        finally:
            self._closing = True
            for request in [*self._writing, *self._waiting]:
                if not request.done.done():
                    request.done.set_exception(self._refusal())
            self._waiting.clear()
            self._room.set()
            self.stopped.set()

    def close(self) -> None:
        """Take nothing more; `run` ends when what waits is written."""
        self._closing = True
        self._arrived.set()
        self._room.set()

    def _open(self) -> bool:
        return not self._closing

    def _refusal(self) -> JournalError:
        # Each caller gets an exception of its own: a shared one would collect their tracebacks.
        if self.error is None:
            return JournalStopped("the journal is closed; nothing more is written to it")
        return type(self.error)(str(self.error))

    async def _take(self) -> list[_Request]:
        """What waits, up to a batch; at least one request. Empty: closed and all written."""
        while not self._waiting:
            if self._closing:
                return []
            self._arrived.clear()
            await self._arrived.wait()
        batch: list[_Request] = []
        count = size = 0
        while self._waiting:
            first = self._waiting[0]
            if batch and (
                count + len(first.events) > self._batch_events or size + first.size > BATCH_BYTES
            ):
                break
            batch.append(self._waiting.popleft())
            count += len(first.events)
            size += first.size
        self._waiting_events -= count
        self._waiting_bytes -= size
        self._room.set()
        return batch

    async def _commit(self, batch: list[_Request]) -> None:
        self._writing = batch
        numbered = _Numbered()
        parts = [self._number(request, numbered) for request in batch]
        ready = [item for request in batch for item in request.events]
        blobs = {digest: data for request in batch for digest, data in request.blobs}
        blobs |= {item.digest: item.data for item in ready if len(item.data) > INLINE_BYTES}
        rows = list(zip(numbered.events, ready, strict=True))

        fetch, many = self._connection.execute_fetchall, self._connection.executemany
        await fetch("BEGIN IMMEDIATE")
        if await self._newest_epoch() != self.epoch:
            await fetch("ROLLBACK")
            raise JournalFenced("another Mato has taken over this journal; this one stops writing")
        if blobs:
            await many(_BLOB, [(digest, len(data), data) for digest, data in blobs.items()])
        if rows:
            await many(_ENVELOPE, [_envelope_row(*row) for row in rows])
            await many(_BODY, [_body_row(*row) for row in rows])
            await many(_SESSION, numbered.session_rows())
        await fetch("COMMIT")

        self._heads |= numbered.heads
        self.position += len(rows)
        self._writing = []
        for request, part in zip(batch, parts, strict=True):
            if not request.done.done():
                request.done.set_result(part)
        if rows:
            self._publish(numbered.events)

    def _number(self, request: _Request, numbered: _Numbered) -> list[Event]:
        """The request's events; heads and position move on only when they are committed."""
        self._mono_us = max(self._mono_us, request.mono_us)
        first = len(numbered.events)
        for ready in request.events:
            draft = ready.draft
            head = numbered.heads.get(draft.session) or self._heads.get(draft.session)
            if head is None:
                numbered.created[draft.session] = request.at_us
                head = Head(0, chain.genesis(draft.session))
            envelope = Envelope(
                draft.session,
                head.seq + 1,
                request.at_us,
                self._mono_us,
                self._boot,
                self.epoch,
                draft.agent,
                draft.turn,
                draft.cause,
                ready.body.kind,
                ready.body.version,
            )
            digest = chain.link(head.hash, envelope.encode(), ready.digest)
            numbered.heads[draft.session] = Head(envelope.seq, digest)
            position = self.position + len(numbered.events) + 1
            numbered.events.append(envelope.event(position, ready.body, digest))
        return numbered.events[first:]

    async def _newest_epoch(self) -> int:
        rows = await self._connection.execute_fetchall("SELECT value FROM meta WHERE key = 'epoch'")
        return int(next(iter(rows))[0])


class _Numbered:
    """What a batch will have written."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.heads: dict[str, Head] = {}
        self.created: dict[str, int] = {}

    def session_rows(self) -> list[tuple[str, int, int, bytes]]:
        # The upsert leaves created_us of a session that is already there.
        return [
            (name, self.created.get(name, 0), head.seq, head.hash)
            for name, head in self.heads.items()
        ]


def _envelope_row(event: Event, ready: Ready) -> tuple[str | int | bytes | None, ...]:
    return (
        event.session,
        event.seq,
        event.position,
        event.at_us,
        event.mono_us,
        event.boot,
        event.epoch,
        event.agent,
        event.turn,
        event.cause,
        event.kind,
        event.version,
        ready.digest,
        event.hash,
    )


def _body_row(event: Event, ready: Ready) -> tuple[int, bytes | None]:
    return event.position, ready.data if len(ready.data) <= INLINE_BYTES else None
