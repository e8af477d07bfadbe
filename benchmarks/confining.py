"""A command in each tier of the sandbox against the same command bare."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure, Result, Yardstick, median, spread
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Tier

RUNS = 30
COMMAND = ("/bin/sh", "-c", "exit 0")


def measure() -> Result:
    """All in turn, so that whatever else the machine does meets all alike."""
    times: dict[Tier, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        sandbox = Sandbox((), folder / "aside")
        works = sandbox.offer().works
        for number in range(RUNS + 1):
            for tier in works:
                taken_ms = _run(sandbox, tier, folder)
                if number:  # the first run of each fills caches
                    times.setdefault(tier, []).append(taken_ms)
    bare = Yardstick("bare", median(times["none"]))
    figures = [
        Figure(f"command, tier {tier}", median(taken), "ms", bare)
        for tier, taken in times.items()
        if tier != "none"
    ]
    return Result(
        tuple(figures),
        (
            f"medians of {RUNS} in turn, ± {100 * spread(times['none']):.0f} % bare;"
            " protection before and after the command included",
        ),
    )


def _run(sandbox: Sandbox, tier: Tier, folder: Path) -> float:
    begun = time.perf_counter()
    confinement = sandbox.confine(tier)
    try:
        start = confinement.begin(folder, dict(os.environ), COMMAND)
        if start is None:
            raise RuntimeError("the command was not started")
        subprocess.run(
            start.command,
            env=start.env,
            pass_fds=start.handles,
            cwd=folder,
            check=True,
            start_new_session=True,
        )
    finally:
        confinement.end()
    return 1000 * (time.perf_counter() - begun)
