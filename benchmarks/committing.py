"""The journal's speed with 1, 64 and 256 agents that write at once, against two plain ways."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks import journal
from benchmarks.journal import Row
from benchmarks.report import Figure, Result, Yardstick, median

ROUNDS = 3
SECONDS = 0.6


def measure() -> Result:
    """Medians of several rounds: a disk is restless. `benchmarks.journal` also runs by itself."""
    rounds: list[list[Row]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="mato-bench-") as folder:
            rounds.append(asyncio.run(journal.measure(Path(folder), SECONDS)))
    figures = [figure for rows in zip(*rounds, strict=True) for figure in _figures(rows)]
    notes = (
        f"events of {journal.BODY_BYTES} bytes on disk in a second, synchronous=FULL; medians of"
        f" {ROUNDS} rounds",
        "waiting: for each event; stretches: of"
        f" {', '.join(str(journal.stretch(count)) for count in journal.PRODUCERS)} events, two at a"
        " time; acknowledged: from the call to the answer, while waiting for each",
        "one commit each: through aiosqlite; executemany: 1,000 ready-made rows a commit",
    )
    return Result(tuple(figures), notes)


def _figures(rows: tuple[Row, ...]) -> list[Figure]:
    name = f"{rows[0].producers}"
    single = Yardstick("one commit each", median([row.one_commit_each.per_s for row in rows]))
    many = Yardstick("executemany", median([row.executemany.per_s for row in rows]))
    waiting = median([row.waiting.per_s for row in rows])
    stretches = median([row.stretches.per_s for row in rows])
    return [
        Figure(f"{name} waiting", waiting, "/s", single),
        Figure(f"{name} in stretches", stretches, "/s", single),
        Figure(f"{name} in stretches", stretches, "/s", many),
        Figure(f"{name} acknowledged p50", median([row.waiting.p50_ms for row in rows]), "ms"),
        Figure(f"{name} acknowledged p99", median([row.waiting.p99_ms for row in rows]), "ms"),
    ]
