"""The single writer: whatever waits is committed together, then acknowledged, then published.

An event is acknowledged only after its COMMIT, which is its fsync. There is no artificial delay: a
batch is what came while the one before it was written. After an I/O error nothing is tried again,
because what the kernel then still holds of the failed write cannot be known. A full disk is no such
error: what waits is held, unacknowledged and in its order, until there is room.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import aiosqlite

from mato_sessions import database, transaction
from mato_sessions.ballast import Ballast
from mato_sessions.batch import Blob, Head, Origin, Ready, Wanted
from mato_sessions.clock import Clock
from mato_sessions.errors import JournalError, JournalStopped
from mato_sessions.events import Event
from mato_sessions.transaction import DiskFull, LastStop

BATCH_EVENTS = 1024
BATCH_BYTES = 1 << 20
CHECKPOINT_PAGES = 1000
"""The WAL is checkpointed when it has grown by about so many pages."""
POLL_S = 0.5
"""How often a paused writer looks whether there is room again."""
_QUEUE_EVENTS = 4096
_QUEUE_BYTES = 8 << 20
_URGENT_EVENTS = 1024

FULL = "the disk is full and nothing can be recorded"


class _Request:
    """What one caller waits for."""

    def __init__(self, wanted: Wanted, urgent: bool) -> None:
        self.wanted = wanted
        self.urgent = urgent
        self.done: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()

    def finish(self, outcome: list[Event] | JournalError) -> None:
        if self.done.done():
            return
        if isinstance(outcome, JournalError):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class _Line:
    """Requests in their order, and how much they are together until they are written."""

    def __init__(self) -> None:
        self._requests: deque[_Request] = deque()
        self.count = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._requests)

    def put(self, request: _Request) -> None:
        self._requests.append(request)
        self._weigh(request, 1)

    def take(self, most: int) -> list[_Request]:
        """The first, and those behind it up to `most` events and the bytes of a batch."""
        batch: list[_Request] = []
        count = size = 0
        while self._requests:
            wanted = self._requests[0].wanted
            count += len(wanted.events)
            size += wanted.size
            if batch and (count > most or size > BATCH_BYTES):
                break
            batch.append(self._requests.popleft())
        return batch

    def put_back(self, batch: Sequence[_Request]) -> None:
        """What was taken last, before all others again."""
        self._requests.extendleft(reversed(batch))

    def written(self, batch: Sequence[_Request]) -> None:
        """What was taken is on disk and weighs nothing any more."""
        for request in batch:
            self._weigh(request, -1)

    def empty(self) -> list[_Request]:
        """All of them."""
        every = list(self._requests)
        self._requests.clear()
        return every

    def _weigh(self, request: _Request, sign: int) -> None:
        self.count += sign * len(request.wanted.events)
        self.size += sign * request.wanted.size


class Writer:
    """Owns the writing connection from the epoch on.

    `tell` is called with the reason of each pause, for people, and with None at its end.
    """

    def __init__(
        self,
        connection: aiosqlite.Connection,
        ballast: Ballast,
        clock: Clock,
        publish: Callable[[Sequence[Event]], None],
        tell: Callable[[str | None], None],
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        self._connection = connection
        self._ballast = ballast
        self._clock = clock
        self._boot = clock.boot()
        self._publish = publish
        self._tell = tell
        self._batch_events = batch_events
        self._waiting = _Line()
        self._urgent = _Line()
        self._writing: list[_Request] = []
        self._arrived = asyncio.Event()
        self._stir = asyncio.Event()
        self._room = asyncio.Event()
        self._at_once = False
        self._closing = False
        self._heads: dict[str, Head] = {}
        self._mono_us = 0
        self._pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self.epoch = 0
        self.position = 0
        """Of the newest committed event."""
        self.unclean = False
        """The writer before was not closed in good order."""
        self.paused: str | None = None
        """Why nothing can be written for now, for people."""
        self.error: JournalError | None = None
        """Why it stopped before it was closed."""
        self.stopped = asyncio.Event()

    async def start(self) -> None:
        """Take over: read where everything ends, then commit the next epoch.

        Raises:
            DiskFull: there is no room for the epoch.
        """
        begin = partial(transaction.start, boot=self._boot)
        start = await database.on_thread(self._connection, begin)
        self._heads, self.position, self._mono_us, self.epoch, self.unclean = start
        await self._checkpoint()
        await asyncio.to_thread(self._ballast.make)

    async def write(
        self, events: Sequence[Ready], blobs: Sequence[Blob] = (), *, urgent: bool = False
    ) -> list[Event]:
        """The events as committed. Waits while too much is queued.

        `urgent` goes before all that waits, also while the disk is full. Cancelled while it waits
        for room, nothing is written; later, all of it is.

        Raises:
            JournalError: a tool call must not be changed so; nothing of this was written.
            JournalStopped: the writer stopped; nothing says whether this was written.
            JournalFenced: a successor has taken over; this was not written.
        """
        line = self._line(urgent)
        most = _URGENT_EVENTS if urgent else _QUEUE_EVENTS
        while self._open() and (line.count >= most or line.size >= _QUEUE_BYTES):
            self._room.clear()
            await self._room.wait()
        if not self._open():
            raise self._refusal()
        size = sum(len(ready.data) for ready in events) + sum(len(data) for _, data in blobs)
        wanted = Wanted(events, blobs, size, self._clock.wall_us(), self._clock.mono_us())
        request = _Request(wanted, urgent)
        line.put(request)
        self._arrived.set()
        if urgent:
            self._stir.set()
        return await request.done

    async def run(self) -> None:
        """Write until closed or failed; the one task that touches the connection."""
        try:
            while batch := await self._take():
                if await self._commit(batch):
                    await self._after(batch)
                else:
                    self._pause(batch)
            await self._sign_off()
        except JournalError as error:
            self.error = error
        except (sqlite3.Error, OSError) as error:
            self.error = JournalStopped(
                f"the journal stopped after a write error ({error}); see to the disk, then restart"
                " the daemon"
            )
        finally:
            self._closing = True
            for request in [*self._writing, *self._urgent.empty(), *self._waiting.empty()]:
                request.finish(self._refusal())
            self._room.set()
            self.stopped.set()

    def try_again(self) -> None:
        """Try to write what a full disk holds up, without looking for room first."""
        self._at_once = True
        self._stir.set()

    def close(self) -> None:
        """Take nothing more; `run` ends when what waits is written."""
        self._closing = True
        self._arrived.set()
        self._stir.set()
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
        while self.paused is not None:
            await self._stirred()
            if self._urgent:
                return self._urgent.take(self._batch_events)
            if self._at_once or self._closing or self._ballast.room_for(self._held_bytes()):
                self._at_once = False
                if self._waiting:
                    return self._waiting.take(self._batch_events)
                await self._resume()
        while not self._urgent and not self._waiting:
            if self._closing:
                return []
            self._arrived.clear()
            await self._arrived.wait()
        return (self._urgent or self._waiting).take(self._batch_events)

    def _line(self, urgent: bool) -> _Line:
        return self._urgent if urgent else self._waiting

    async def _commit(self, batch: list[_Request]) -> bool:
        """Write, acknowledge, publish. False: the disk is full and nothing was written."""
        self._writing = batch
        origin = Origin(self._heads, self.position, self._mono_us, self._boot, self.epoch)
        work = partial(transaction.commit, origin=origin, requests=[each.wanted for each in batch])
        try:
            parts, written = await database.on_thread(self._connection, work)
        except DiskFull:
            self._writing = []
            return False
        self._heads |= written.heads
        self.position = written.position
        self._mono_us = written.mono_us
        self._pages += written.pages
        self._writing = []
        self._line(batch[0].urgent).written(batch)
        self._room.set()
        for request, part in zip(batch, parts, strict=True):
            request.finish(part)
        if written.events:
            self._publish(written.events)
        return True

    async def _after(self, batch: list[_Request]) -> None:
        if self.paused is not None and not batch[0].urgent:
            await self._resume()
        if self._pages >= self._checkpoint_at:
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        # With a full disk the WAL keeps everything, and the next commit says so.
        with suppress(DiskFull):
            self._pages = await database.on_thread(self._connection, transaction.checkpoint)
        # What a reader holds back is not tried again at each commit.
        self._checkpoint_at = self._pages + CHECKPOINT_PAGES

    async def _sign_off(self) -> None:
        stop = LastStop(self.epoch, self._clock.wall_us())
        with suppress(DiskFull):  # then the next one takes it for a crash
            await database.on_thread(self._connection, partial(transaction.sign_off, stop=stop))

    # ---------------------------------------------------------------- while the disk is full

    def _pause(self, batch: list[_Request]) -> None:
        """Put what was not written back to its place, and say what is the matter."""
        self._line(batch[0].urgent).put_back(batch)
        if self.paused is None:
            self.paused = FULL
            self._stir.set()
            self._ballast.drop()
            self._tell(self.paused)
        elif self._closing:
            raise JournalStopped("the journal was closed while its disk was full; free some space")

    async def _resume(self) -> None:
        await asyncio.to_thread(self._ballast.make)
        self.paused = None
        self._tell(None)

    async def _stirred(self) -> None:
        """Wait for something urgent, for the word to try again, for the end, or for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._stir.wait()
        self._stir.clear()

    def _held_bytes(self) -> int:
        return self._waiting.size + 600 * self._waiting.count
