"""Group commit against one commit per event, with 1, 64 and 256 agents that write at once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks import journal
from benchmarks.report import Figure, Result, Yardstick

SECONDS = 1.5


def measure() -> Result:
    """See `benchmarks.journal`, which can also be run by itself."""
    with tempfile.TemporaryDirectory(prefix="mato-bench-") as folder:
        rows = asyncio.run(journal.measure(Path(folder), SECONDS))
    return Result(
        tuple(
            Figure(
                f"{row['producers']:.0f} at once",
                row["group_per_s"],
                "/s",
                Yardstick("one commit each", row["single_per_s"]),
            )
            for row in rows
        ),
        (f"events of {journal.BODY_BYTES} bytes on disk in a second, synchronous=FULL",),
    )
