"""The journal: what happened is appended here, and read back by session or by position."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import msgspec

from mato_sessions import chain, database, transitions
from mato_sessions.ballast import Ballast
from mato_sessions.clock import Clock
from mato_sessions.drafts import prepared
from mato_sessions.errors import JournalBroken, JournalError, JournalStopped
from mato_sessions.events import BlobRef, Draft, Event
from mato_sessions.redact import Redactor
from mato_sessions.rows import COLUMNS, FACTS, PackedRow, as_event, as_packed
from mato_sessions.transitions import CallRow
from mato_sessions.writer import BATCH_EVENTS, Writer

T = TypeVar("T")
Listener = Callable[[Sequence[Event]], None]
PauseListener = Callable[[str | None], None]
_GIVEN = 65_536
"""Blobs that are remembered as given."""


class SessionRow(msgspec.Struct, frozen=True):
    """A session as the journal knows it, without looking into its events."""

    session: str
    parent: str | None
    fork_seq: int | None
    created_us: int
    head_seq: int
    head_hash: bytes


class Journal:
    """An open journal. Made by `Journal.open`; one at a time for a file.

    Not for several event loops. Reads see what is committed when they start.
    """

    def __init__(
        self,
        connection: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        ballast: Ballast,
        clock: Clock,
        redactor: Redactor,
        batch_events: int,
    ) -> None:
        self._reader = reader
        self._redactor = redactor
        self._writer = Writer(
            connection, ballast, clock, self._publish, self._tell_pause, batch_events
        )
        self._given: dict[bytes, None] = {}
        self._listeners: list[Listener] = []
        self._pause_listeners: list[PauseListener] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        redactor: Redactor,
        batch_events: int = BATCH_EVENTS,
        make: database.MakeConnection = aiosqlite.Connection,
    ) -> AsyncGenerator[Journal]:
        """The journal at `path`, created when there is none. Leaving writes what still waits.

        `batch_events` is the most that is committed together; `make` makes the connections.

        Raises:
            JournalLocked: it is open already, here or elsewhere.
            JournalNewer: a newer Mato wrote it.
            JournalError: it cannot be opened, or is no journal.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(database.locked(path))
            connection = await stack.enter_async_context(database.open_writer(path, make=make))
            reader = await stack.enter_async_context(database.open_reader(path, make))
            journal = cls(connection, reader, Ballast(path), clock, redactor, batch_events)
            with database.told(path):
                await journal._writer.start()
            failure: BaseException | None = None
            async with asyncio.TaskGroup() as group:
                group.create_task(journal._writer.run(), name="journal writer")
                try:
                    yield journal
                except BaseException as error:
                    # Raised again below: from inside, the group would wrap it.
                    failure = error
                journal._writer.close()
                await journal._writer.stopped.wait()
            if journal.error is None:
                # Only tidying: what stays in the WAL is found at the next opening.
                with suppress(sqlite3.Error):
                    await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                # The last connection that is closed checkpoints; the reader cannot, so nothing is
                # tried again on a disk that has failed.
                await connection.close()
            if failure is not None:
                raise failure

    @property
    def epoch(self) -> int:
        """One more than at the opening before; committed."""
        return self._writer.epoch

    @property
    def position(self) -> int:
        """Of the newest committed event; 0 when there is none."""
        return self._writer.position

    @property
    def unclean(self) -> bool:
        """Whether the daemon before was not closed in good order. False for a new journal."""
        return self._writer.unclean

    @property
    def paused(self) -> str | None:
        """Why nothing is written for now, for people; what is appended waits. None: it is."""
        return self._writer.paused

    def try_again(self) -> None:
        """Try at once to write what a full disk holds up; without it, room is waited for."""
        self._writer.try_again()

    @property
    def error(self) -> JournalError | None:
        """Why the writer stopped by itself, or None."""
        return self._writer.error

    async def failed(self) -> JournalError:
        """Wait until the writer has stopped, and give the reason; nothing is written any more."""
        await self._writer.stopped.wait()
        return self._writer.error or JournalStopped("the journal is closed")

    async def append(self, drafts: Sequence[Draft], *, urgent: bool = False) -> list[Event]:
        """The drafts as committed events, in order; on disk when it returns, all or none.

        While the disk is full it waits. `urgent` goes before all that waits, and is written even
        then, as far as the ballast reaches. Cancelled after it was queued, it is written all the
        same.

        Raises:
            JournalError: a draft cannot be encoded, or changes a tool call as it must not be;
                nothing of this call is written.
            JournalStopped: the writer has stopped; see `failed`.
            JournalFenced: a successor has taken over.
        """
        ready = [prepared(draft, self._redactor) for draft in drafts]
        return await self._writer.write(ready, urgent=urgent) if ready else []

    async def blob(self, data: bytes) -> BlobRef:
        """Where `data`, without the values that Mato holds, stands from now on; on disk.

        The same bytes are kept once.
        """
        data = self._redactor.data(data)
        digest = chain.digest(data)
        self._given[digest] = None
        if len(self._given) > _GIVEN:
            del self._given[next(iter(self._given))]
        await self._writer.write((), [(digest, data)])
        return BlobRef(digest.hex(), len(data))

    def was_given(self, digest: bytes) -> bool:
        """Whether `blob` has lately named this one to somebody whose event may be on its way."""
        return digest in self._given

    async def tidy(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives; it changes what is no event, in a transaction between two batches.

        Raises:
            JournalError: the disk is full, or the writer has stopped; nothing was changed.
        """
        return await self._writer.tidy(work)

    async def read_blob(self, ref: BlobRef) -> bytes:
        """The content that `ref` names.

        Raises:
            JournalBroken: it is not there, or not what its hash says.
        """
        digest = bytes.fromhex(ref.sha256)
        rows = await self._rows("SELECT data FROM blob WHERE hash = ?", (digest,))
        if not rows:
            raise JournalBroken(f"the blob {ref.sha256} is not in the journal")
        data: bytes = rows[0][0]
        if chain.digest(data) != digest:
            raise JournalBroken(f"the blob {ref.sha256} is not what its hash says")
        return data

    async def events(
        self, session: str, after: int = 0, upto: int | None = None, limit: int = 1000
    ) -> list[Event]:
        """A session's events with `after` < seq ≤ `upto`, seq ascending, at most `limit`."""
        last = (1 << 63) - 1 if upto is None else upto
        return await self._events(
            " WHERE e.session = ? AND e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?",
            (session, after, last, limit),
        )

    async def packed(self, session: str, after: int = 0, limit: int = 1000) -> list[PackedRow]:
        """A session's events with seq > `after` as they travel, seq ascending, at most `limit`."""
        rows = await self._rows(
            f"{COLUMNS} WHERE e.session = ? AND e.seq > ? ORDER BY e.seq LIMIT ?",
            (session, after, limit),
        )
        return [as_packed(row) for row in rows]

    async def tail(self, session: str, count: int) -> list[Event]:
        """The last `count` events of a session, seq ascending."""
        events = await self._events(
            " WHERE e.session = ? ORDER BY e.seq DESC LIMIT ?", (session, count)
        )
        events.reverse()
        return events

    async def since(
        self,
        position: int,
        limit: int = 1000,
        *,
        session: str | None = None,
        facts_only: bool = False,
    ) -> list[Event]:
        """Events after `position`, position ascending, at most `limit`.

        `facts_only`: the kinds that listings and the inbox are made of (session, agent, turn,
        permission, usage, tool.proposed).
        """
        facts = FACTS if facts_only else ""
        if session is None:
            return await self._events(
                f" WHERE e.position > ?{facts} ORDER BY e.position LIMIT ?", (position, limit)
            )
        # Within a session seq and position ascend together; by seq it is read in one run.
        return await self._events(
            f" WHERE e.session = ? AND e.position > ?{facts} ORDER BY e.seq LIMIT ?",
            (session, position, limit),
        )

    async def sessions(self) -> list[SessionRow]:
        """All sessions, by id, which is by age."""
        rows = await self._rows(
            "SELECT session, parent, fork_seq, created_us, head_seq, head_hash FROM session"
            " ORDER BY session",
            (),
        )
        return [SessionRow(*row) for row in rows]

    async def calls(self, session: str, *, open_only: bool = False) -> list[CallRow]:
        """Where the tool calls of a session stand, by the event that brought them there.

        `open_only`: those that have neither finished nor failed.
        """
        condition = (transitions.IS_OPEN if open_only else "") + " ORDER BY seq"
        rows = await self._rows(transitions.ROWS + condition, (session,))
        return [CallRow(*row) for row in rows]

    async def calls_like(self, beginning: str) -> list[tuple[str, str, str]]:
        """Session, call and agent of the calls whose id begins so, at most six."""
        return await self._rows(
            "SELECT session, call, coalesce(agent, '') FROM call"
            " WHERE substr(call, 1, length(?1)) = ?1 ORDER BY call LIMIT 6",
            (beginning,),
        )

    async def verify(self, session: str) -> chain.Break | None:
        """The first event of a session that is not what its hash says, or None."""
        verifier = chain.Verifier(session)
        while events := await self.events(session, after=verifier.seq):
            for event in events:
                if (bad := verifier.check(event)) is not None:
                    return bad
        return None

    def listen(self, callback: Listener) -> Callable[[], None]:
        """Call `callback` on the loop with what is committed from now on, position ascending.

        It comes after the appender's own answer. The result ends it.
        """
        return _join(self._listeners, callback)

    def on_pause(self, callback: PauseListener) -> Callable[[], None]:
        """Call `callback` on the loop with `paused`, each time that it changes.

        The result ends it.
        """
        return _join(self._pause_listeners, callback)

    def _tell_pause(self, paused: str | None) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._pause_listeners:
            loop.call_soon(listener, paused)

    def _publish(self, events: Sequence[Event]) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            # Behind the wake-up of the appenders, and a failing listener harms no other.
            loop.call_soon(listener, events)

    async def _events(self, condition: str, parameters: tuple[Any, ...]) -> list[Event]:
        return [as_event(row) for row in await self._rows(COLUMNS + condition, parameters)]

    async def _rows(self, sql: str, parameters: tuple[Any, ...]) -> list[Any]:
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except sqlite3.DatabaseError as error:
            raise JournalBroken(f"cannot read the journal: {error}") from error


def _join(listeners: list[T], callback: T) -> Callable[[], None]:
    listeners.append(callback)

    def leave() -> None:
        if callback in listeners:
            listeners.remove(callback)

    return leave
