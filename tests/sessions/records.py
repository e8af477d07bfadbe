"""Journals on disk for tests that look at them from outside, and ways to damage them by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from mato_sessions import chain, codec
from mato_sessions.anchors import Anchor
from mato_sessions.clock import ManualClock
from mato_sessions.codec import Envelope
from mato_sessions.events import (
    Body,
    Draft,
    Event,
    ModelAsked,
    SessionOpened,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    Unknown,
)
from mato_sessions.journal import Journal
from mato_sessions.pieces import Piece
from mato_sessions.redact import Redactor

LARGE = "large " * 5000
"""Text of a body that becomes a blob."""


def opening(path: Path, clock: ManualClock | None = None):
    """`Journal.open` with the fakes that all tests here share."""
    return Journal.open(path, clock=clock or ManualClock(), redactor=Redactor())


async def write(path: Path, told: dict[str, Sequence[Event | Piece]]) -> None:
    """Journal stories, each under its session, with a blob for each that they name."""
    async with opening(path) as journal:
        system = await journal.blob(b"be brief")
        tools = await journal.blob(b"[]")
        for session, story in told.items():
            drafts: list[Draft] = []
            for event in story:
                if isinstance(event, Piece) or isinstance(event.body, Unknown):
                    continue
                body = event.body
                if isinstance(body, ModelAsked):
                    body = msgspec.structs.replace(body, system=system, tools=tools)
                drafts.append(Draft(session=session, agent=event.agent, turn=event.turn, body=body))
            await journal.append(drafts)


def proposed(call: str, **arguments: str) -> ToolProposed:
    """A call that a model wants."""
    return ToolProposed(
        call=call, name="read", arguments=arguments, key=call, policy="idempotent", title="read"
    )


async def small(path: Path, sessions: Iterable[str] = ("s-1", "s-2")) -> None:
    """Sessions of eight events: 3 and 4 name blobs, 5 to 7 are a call, 8 has a large body."""
    async with opening(path) as journal:
        for session in sessions:
            ref = await journal.blob(f"prompt of {session}".encode())
            tools = await journal.blob(b"the tools of all")
            opened = SessionOpened(name=session, cwd="/w", mode="ask", trusted=False, mato="1")
            asked = ModelAsked(
                request="r", attempt=1, model="m", system=ref, tools=tools, messages=()
            )
            started = ToolStarted(call="c-1", attempt=1)
            finished = ToolFinished(call="c-1", attempt=1, content="ok")
            calls = [proposed("c-1"), started, finished, proposed("c-2", text=LARGE)]
            bodies = [opened, proposed("c-0"), asked, asked, *calls]
            await journal.append([Draft(session=session, agent="a-1", body=b) for b in bodies])


def events(path: Path, session: str) -> list[Event]:
    """A session's events, read with SQLite alone."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT e.position, e.session, e.seq, e.at_us, e.mono_us, e.boot, e.epoch, e.agent,"
            " e.turn, e.cause, e.kind, e.version, e.hash,"
            " coalesce(b.data, (SELECT data FROM blob WHERE hash = e.body_hash)) FROM envelope e"
            " JOIN body b ON b.position = e.position WHERE session = ? ORDER BY seq",
            (session,),
        ).fetchall()
    return [
        Envelope(*row[1:12]).event(row[0], codec.decode(row[10], row[11], row[13]), row[12])
        for row in rows
    ]


def anchor(event: Event) -> Anchor:
    """What would have been noted of an event."""
    return Anchor(event.session, event.seq, event.hash.hex(), event.at_us)


@contextmanager
def by_hand(path: Path) -> Generator[sqlite3.Connection]:
    """A connection that may do what the journal's own never would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for trigger in ("updated", "deleted"):
            connection.execute(f"DROP TRIGGER IF EXISTS envelope_is_never_{trigger}")
        yield connection


def rewrite(path: Path, session: str, seq: int, body: Body) -> None:
    """Put another body into an event, with hashes that fit from there to the head."""
    old = events(path, session)
    with by_hand(path) as connection:
        head = old[seq - 2].hash if seq > 1 else chain.genesis(session)
        for event in old[seq - 1 :]:
            if event.seq == seq:
                event = msgspec.structs.replace(event, kind=body.kind, body=body)
            data = codec.encode(event.body)
            digest = chain.digest(data)
            head = chain.link(head, Envelope.of(event).encode(), digest)
            connection.execute(
                "UPDATE envelope SET kind = ?, body_hash = ?, hash = ? WHERE position = ?",
                (event.kind, digest, head, event.position),
            )
            connection.execute(
                "UPDATE body SET data = ? WHERE position = ?", (data, event.position)
            )
        connection.execute("UPDATE session SET head_hash = ? WHERE session = ?", (head, session))
