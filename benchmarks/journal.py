"""How many events the journal gets onto the disk in a second, beside two yardsticks in one run.

Agents wait for each of their events, or hand over stretches of them; either way every event counts
when it is on disk (300 bytes, synchronous=FULL). The yardsticks write ready-made rows of the same
size into the same tables: one commit each through aiosqlite, which is what a program without a
writer does, and `executemany` with 1,000 rows a commit, which is what SQLite itself can do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiosqlite
import msgspec

from benchmarks.report import percentile
from mato_sessions import chain, codec, database
from mato_sessions.clock import SystemClock
from mato_sessions.events import Draft, TextStreamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

PRODUCERS = (1, 64, 256)
BODY_BYTES = 300
UNDERWAY = 4096
"""Events that all producers together have on their way when they hand over stretches."""
_MANY = 1000
_ENVELOPE = "INSERT INTO envelope VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BODY = "INSERT INTO body VALUES (?, ?)"


def stretch(producers: int) -> int:
    """How many events each of so many producers hands over at a time."""
    return max(1, UNDERWAY // producers // 2)


class Speed(msgspec.Struct, frozen=True):
    """Of one way to journal events."""

    per_s: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    """From the call to the acknowledgement."""


class Row(msgspec.Struct, frozen=True):
    """All ways, with so many producers at once."""

    producers: int
    one_commit_each: Speed
    executemany: Speed
    waiting: Speed
    """Each producer waits for each of its events."""
    stretches: Speed
    """Each hands over stretches of events, two at a time; see `stretch`."""


def _body(producer: int, number: int) -> TextStreamed:
    stream = f"r-{producer}/1/text"
    text = "x" * (BODY_BYTES - 60 - len(stream))
    return TextStreamed(stream=stream, attempt=1, offset=number, text=text)


def _drafts(producer: int, number: int, count: int) -> list[Draft]:
    session, agent = f"s-{producer}", f"a-{producer}"
    return [
        Draft(session=session, agent=agent, turn="t-1", body=_body(producer, number + at))
        for at in range(count)
    ]


async def _journaled(path: Path, producers: int, count: int, seconds: float) -> Speed:
    """Producers that append `count` events at a time; two at a time where it is more than one."""
    async with Journal.open(path, clock=SystemClock(), redactor=Redactor(rules=True)) as journal:
        await journal.append(_drafts(0, 0, 1))
        waits: list[float] = []
        end = time.monotonic() + seconds

        async def produce(producer: int) -> None:
            number = 0
            while (began := time.monotonic()) < end:
                await journal.append(_drafts(producer, number, count))
                waits.append(time.monotonic() - began)
                number += count

        before, started = journal.position, time.monotonic()
        async with asyncio.TaskGroup() as group:
            for producer in range(producers):
                for _ in range(1 if count == 1 else 2):
                    group.create_task(produce(producer))
        rate = (journal.position - before) / (time.monotonic() - started)
        return Speed(rate, 1000 * percentile(waits, 50), 1000 * percentile(waits, 99))


def _rows(producers: int, first: int, count: int) -> tuple[list[tuple[object, ...]], list[object]]:
    """Ready-made rows for the two tables, as `producers` in turn would have written them."""
    _, data = codec.canonical(_body(0, 0))
    digest = chain.digest(data)
    numbers = range(first, first + count)
    envelopes: list[tuple[object, ...]] = [
        (f"s-{at % producers}", at // producers + 1, at + 1, at, at, "boot", 1, "a-1", "t-1", None,
         "text.streamed", 1, digest, digest)
        for at in numbers
    ]  # fmt: skip
    return envelopes, [(at + 1, data) for at in numbers]


async def _one_commit_each(path: Path, producers: int, seconds: float) -> Speed:
    """Producers that share an aiosqlite connection, and each of them commits its event."""
    waits: list[float] = []
    async with database.open_writer(path) as connection:
        await connection.execute_fetchall("PRAGMA wal_autocheckpoint = 1000")
        lock = asyncio.Lock()
        written = 0
        end = time.monotonic() + seconds

        async def produce() -> None:
            nonlocal written
            while (began := time.monotonic()) < end:
                async with lock:
                    envelopes, bodies = _rows(producers, written, 1)
                    written += 1
                    await _write_one(connection, envelopes, bodies)
                waits.append(time.monotonic() - began)

        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(producers):
                group.create_task(produce())
        rate = written / (time.monotonic() - started)
    return Speed(rate, 1000 * percentile(waits, 50), 1000 * percentile(waits, 99))


async def _write_one(
    connection: aiosqlite.Connection, envelopes: Sequence[object], bodies: Sequence[object]
) -> None:
    await connection.execute("BEGIN IMMEDIATE")
    await connection.execute(_ENVELOPE, envelopes[0])  # type: ignore[arg-type]
    await connection.execute(_BODY, bodies[0])  # type: ignore[arg-type]
    await connection.execute("COMMIT")


def _executemany(path: Path, producers: int, seconds: float) -> Speed:
    """`_MANY` rows a commit; making them is not counted."""
    spent, written = 0.0, 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        while spent < seconds:
            envelopes, bodies = _rows(producers, written, _MANY)
            started = time.monotonic()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_ENVELOPE, envelopes)
            connection.executemany(_BODY, bodies)  # type: ignore[arg-type]
            connection.execute("COMMIT")
            spent += time.monotonic() - started
            written += _MANY
    return Speed(written / spent)


async def _created(path: Path) -> Path:
    async with database.open_writer(path):
        return path


async def measure(folder: Path, seconds: float) -> list[Row]:
    """One row for each number of producers."""
    rows: list[Row] = []
    for producers in PRODUCERS:
        place = folder / f"{producers}"
        place.mkdir()
        single = await _one_commit_each(place / "single.db", producers, seconds)
        many = _executemany(await _created(place / "many.db"), producers, seconds)
        waiting = await _journaled(place / "waiting.db", producers, 1, seconds)
        stretches = await _journaled(place / "stretches.db", producers, stretch(producers), seconds)
        rows.append(Row(producers, single, many, waiting, stretches))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: temporary")
    parser.add_argument("--json", action="store_true", help="only the line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = asyncio.run(measure(Path(folder), options.seconds))
    if not options.json:
        print("events/s on disk (300 bytes, synchronous=FULL); p50 and p99 are of waiting\n")
        print("   producers  one each  executemany  waiting  stretches  /one  /many   p50   p99")
        for row in rows:
            each, many, best = row.one_commit_each, row.executemany, row.stretches
            print(
                f"{row.producers:>12} {each.per_s:>9,.0f} {many.per_s:>12,.0f}"
                f" {row.waiting.per_s:>8,.0f} {best.per_s:>10,.0f} {best.per_s / each.per_s:>5.0f}"
                f" {best.per_s / many.per_s:>6.2f} {row.waiting.p50_ms:>5.1f}"
                f" {row.waiting.p99_ms:>5.1f}"
            )
    print(json.dumps({"benchmark": "journal", "rows": msgspec.to_builtins(rows)}))


if __name__ == "__main__":
    main()
