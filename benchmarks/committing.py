"""Group commit against one commit per event, with 1, 64 and 256 agents that write at once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks import journal
from benchmarks.report import Figure, Result, Yardstick, median

ROUNDS = 3
SECONDS = 0.7


def measure() -> Result:
    """Medians of several rounds: a disk is restless. `benchmarks.journal` also runs by itself."""
    rounds: list[list[dict[str, float]]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="mato-bench-") as folder:
            rounds.append(asyncio.run(journal.measure(Path(folder), SECONDS)))
    figures: list[Figure] = []
    for rows in zip(*rounds, strict=True):
        together = median([row["group_per_s"] for row in rows])
        single = Yardstick("one commit each", median([row["single_per_s"] for row in rows]))
        figures.append(Figure(f"{rows[0]['producers']:.0f} at once", together, "/s", single))
    notes = (
        f"events of {journal.BODY_BYTES} bytes on disk in a second, synchronous=FULL; medians of"
        f" {ROUNDS} rounds",
        "with 1 at once both do the same: how far that ratio is from 1 is the disk's noise",
    )
    return Result(tuple(figures), notes)
