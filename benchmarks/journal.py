"""Group commit against one commit per event, in one run; prints a table and a line of JSON.

Every producer appends one 300-byte event and waits until it is on disk, as agents do. Both columns
run the same code; only the most that is committed together differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mato_sessions.clock import SystemClock
from mato_sessions.events import Draft, TextStreamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from mato_sessions.writer import BATCH_EVENTS

PRODUCERS = (1, 64, 256)
BODY_BYTES = 300


def _draft(producer: int, number: int) -> Draft:
    stream = f"r-{producer}/1/text"
    text = "x" * (BODY_BYTES - 60 - len(stream))
    body = TextStreamed(stream=stream, attempt=1, offset=number, text=text)
    return Draft(session=f"s-{producer}", agent=f"a-{producer}", turn="t-1", body=body)


async def _events_per_second(
    folder: Path, producers: int, batch_events: int, seconds: float
) -> float:
    """How many events are acknowledged in a second."""
    path = folder / f"{producers}-{batch_events}.db"
    clock = SystemClock()
    async with Journal.open(
        path, clock=clock, redactor=Redactor(), batch_events=batch_events
    ) as journal:
        await journal.append([_draft(0, 0)])
        end = time.monotonic() + seconds

        async def produce(producer: int) -> None:
            number = 0
            while time.monotonic() < end:
                await journal.append([_draft(producer, number)])
                number += 1

        before, started = journal.position, time.monotonic()
        async with asyncio.TaskGroup() as group:
            for producer in range(producers):
                group.create_task(produce(producer))
        return (journal.position - before) / (time.monotonic() - started)


async def measure(folder: Path, seconds: float) -> list[dict[str, float]]:
    """One row for each number of producers."""
    rows: list[dict[str, float]] = []
    for producers in PRODUCERS:
        single = await _events_per_second(folder, producers, 1, seconds)
        group = await _events_per_second(folder, producers, BATCH_EVENTS, seconds)
        rows.append(
            {
                "producers": producers,
                "single_per_s": round(single),
                "group_per_s": round(group),
                "ratio": round(group / single, 1),
            }
        )
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
        print("events/s, each on disk when it counts (300 bytes, synchronous=FULL)")
        print(f"{'producers':>9} {'one each':>10} {'grouped':>10} {'ratio':>6}")
        for row in rows:
            print(
                f"{row['producers']:>9} {row['single_per_s']:>10} {row['group_per_s']:>10}"
                f" {row['ratio']:>6}"
            )
    print(json.dumps({"benchmark": "journal", "rows": rows}))


if __name__ == "__main__":
    main()
