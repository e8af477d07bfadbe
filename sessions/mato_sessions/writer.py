"""The single writer: whatever waits is committed together, then acknowledged, then published.

An event is acknowledged only after its COMMIT, which is its fsync. There is no artificial delay: a
batch is what came while the one before it was written. After an I/O error nothing is tried again,
because what the kernel then still holds of the failed write cannot be known. A full disk is no such
error: what waits is held, unacknowledged and in its order, until there is room.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import aiosqlite

from mato_sessions import database, transaction
from mato_sessions.ballast import Ballast
from mato_sessions.batch import Blob, Tip, Wanted
from mato_sessions.clock import Clock
from mato_sessions.drafts import Ready
from mato_sessions.errors import JournalBroken, JournalError, JournalStopped
from mato_sessions.events import Event
from mato_sessions.line import Line, Request
from mato_sessions.transaction import Committed, DiskFull, LastStop

T = TypeVar("T")
BATCH_EVENTS = 1024
CHECKPOINT_PAGES = 1000
"""The WAL is checkpointed when it has grown by about so many pages."""
POLL_S = 0.5
"""How often a paused writer looks whether there is room again."""
_QUEUE_EVENTS = 4096
_QUEUE_BYTES = 8 << 20
_URGENT_EVENTS = 1024

FULL = "the disk is full and nothing can be recorded"


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
        self._loop = asyncio.get_running_loop()
        self._publish = publish
        self._tell = tell
        self._batch_events = batch_events
        self._waiting = Line()
        self._urgent = Line()
        self._writing: list[Request] = []
        self._arrived = asyncio.Event()
        self._stir = asyncio.Event()
        self._room = asyncio.Event()
        self._at_once = False
        self._closing = False
        self._fault: JournalError | sqlite3.Error | None = None
        self._tip = Tip(clock.boot(), 0, {}, 0, 0)
        self._pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self.position = 0
        """Of the newest committed event."""
        self.unclean = False
        """The writer before was not closed in good order."""
        self.paused: str | None = None
        """Why nothing can be written for now, for people."""
        self.error: JournalError | None = None
        """Why it stopped before it was closed."""
        self.stopped = asyncio.Event()

    @property
    def epoch(self) -> int:
        """Which start this is; committed."""
        return self._tip.epoch

    async def start(self) -> None:
        """Take over: read where everything ends, then commit the next epoch.

        Raises:
            DiskFull: there is no room for the epoch, or for what the WAL holds.
        """
        begin = partial(transaction.start, boot=self._tip.boot)
        self._tip, self.unclean = await database.on_thread(self._connection, begin)
        self.position = self._tip.position
        # The end of the WAL may be there to read and on no disk, if a sync of it failed before.
        # Nothing is acknowledged behind it until the database has it.
        self._pages = await database.on_thread(self._connection, transaction.checkpoint)
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
        size = sum(len(data) for _, _, data, _ in events) + sum(len(data) for _, data in blobs)
        wanted = Wanted(events, blobs, size, self._clock.wall_us(), self._clock.mono_us())
        request = Request(wanted, urgent)
        line.put(request)
        self._arrived.set()
        if urgent:
            self._stir.set()
        return await request.done

    async def run(self) -> None:
        """Write until closed or failed; the one task that touches the connection."""
        try:
            while batch := await self._take():
                work = partial(self._commit, batch=batch)
                batch, committed = await database.on_thread(self._connection, work)
                if committed is None:
                    self._pause(batch)
                else:
                    self._acknowledge(batch, committed)
                    await self._after(batch)
            self._raise_fault()
            await self._sign_off()
        except JournalError as error:
            self.error = error
        except sqlite3.IntegrityError as error:
            # Not the disk: what stands there cannot have been written by this program.
            self.error = JournalBroken(
                f"the journal contradicts itself ({error}); `mato verify` says where, and `mato"
                " restore` goes back to a backup"
            )
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

    async def tidy(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives, done in a transaction of its own between two batches.

        Raises:
            JournalError: the disk is full, or the writer has stopped; nothing was changed.
        """
        if not self._open():
            raise self._refusal()
        try:
            return await database.on_thread(self._connection, partial(self._chore, work=work))
        except DiskFull as error:
            raise JournalError("the disk is full; free some space, then try again") from error
        except (JournalError, sqlite3.Error):
            self.close()
            await self.stopped.wait()
        raise self._refusal()

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

    async def _take(self) -> list[Request]:
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

    def _line(self, urgent: bool) -> Line:
        return self._urgent if urgent else self._waiting

    def _commit(
        self, connection: sqlite3.Connection, batch: list[Request]
    ) -> tuple[list[Request], Committed | None]:
        """Write `batch`, and then what has come meanwhile without asking the loop, which is busy.

        Runs on the connection's thread. The last batch, and what has come of it; None: the disk is
        full and nothing of it was written.
        """
        while True:
            self._writing = batch
            self._raise_fault()
            wanted = [request.wanted for request in batch]
            try:
                committed = transaction.commit(connection, self._tip, wanted)
            except DiskFull:
                return batch, None
            self._pages += committed.batch.pages
            due = self._urgent or self._pages >= self._checkpoint_at
            if due or self._closing or self.paused is not None or not self._waiting:
                return batch, committed
            self._loop.call_soon_threadsafe(self._acknowledge, batch, committed)
            batch = self._waiting.take(self._batch_events)

    def _chore(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do what is no batch, on the connection's thread; after an error no batch follows."""
        try:
            return transaction.tidy(connection, self.epoch, work)
        except (JournalError, sqlite3.Error) as error:
            self._fault = error
            raise

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _acknowledge(self, batch: list[Request], committed: Committed) -> None:
        """Tell who waits, then everybody."""
        self.position = committed.batch.position
        self._line(batch[0].urgent).written(batch)
        self._room.set()
        for request, part in zip(batch, committed.parts, strict=True):
            request.finish(part)
        if committed.batch.events:
            self._publish(committed.batch.events)

    async def _after(self, batch: list[Request]) -> None:
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

    def _pause(self, batch: list[Request]) -> None:
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
