"""`python -m benchmarks [NAME…] [--json FILE]`: run all or some of them, then print a table."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import msgspec

from benchmarks import (
    committing,
    confining,
    idling,
    listing,
    million,
    painting,
    redacting,
    streaming,
)
from benchmarks.report import Outcome, Result, table, to_json


class Benchmark(msgspec.Struct, frozen=True):
    """One that can be run by its name."""

    name: str
    title: str
    measure: Callable[[], Result]
    by_name: bool = False
    """It takes long: it is run only where its name is given."""


BENCHMARKS = (
    Benchmark("ls", "mato ls against python -c pass", listing.measure),
    Benchmark("paint", "First paint of mato attach", painting.measure),
    Benchmark("commit", "The journal against plain SQLite", committing.measure),
    Benchmark("stream", "Sixteen panes streaming", streaming.measure),
    Benchmark("sandbox", "A sandboxed command against a bare one", confining.measure),
    Benchmark("secrets", "Texts that are searched for secrets", redacting.measure),
    Benchmark("idle", "Eight agents attached and idle", idling.measure),
    Benchmark("million", "A million events after kill -9", million.measure, by_name=True),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 when a benchmark could not be run."""
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in names]:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(names)}")
    names = options.names or [each.name for each in BENCHMARKS if not each.by_name]
    chosen = [each for each in BENCHMARKS if each.name in names]
    # So that a run that is ended from outside ends its programs too.
    signal.signal(signal.SIGTERM, _interrupted)
    outcomes = [_run(benchmark) for benchmark in chosen]
    machine = _machine()
    print(f"\nMato on {machine['processors']} processors, Python {machine['python']};"
          " ratios within this run\n")  # fmt: skip
    print(table(outcomes))
    if options.json:
        options.json.write_bytes(to_json(outcomes, machine))
    return int(any(outcome.error for outcome in outcomes))


def _run(benchmark: Benchmark) -> Outcome:
    print(f"{benchmark.name}: {benchmark.title} …", file=sys.stderr, end=" ", flush=True)
    started = time.perf_counter()
    try:
        result = benchmark.measure()
    except Exception as error:
        # One that cannot be run must not take the others with it.
        seconds = time.perf_counter() - started
        print("failed", file=sys.stderr)
        why = f"{type(error).__name__}: {error}"
        return Outcome(benchmark.name, benchmark.title, seconds, error=why)
    seconds = time.perf_counter() - started
    print(f"{seconds:.0f} s", file=sys.stderr)
    return Outcome(benchmark.name, benchmark.title, seconds, result.figures, result.notes)


def _machine() -> dict[str, str | float]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 2),
    }


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
