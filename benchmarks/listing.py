"""`mato ls` against `python -c pass`: what a command costs that scripts and prompts call often."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from benchmarks.home import mato, running
from benchmarks.report import Figure, Result, Yardstick, median, spread

RUNS = 40
AGENTS = 8
SCRIPT = 'repeat = true\n[[answer]]\ntext = "Done."\n'


def measure() -> Result:
    """Both in turn, so that whatever else the machine does meets both alike."""
    nothing: list[float] = []
    listed: list[float] = []
    as_json: list[float] = []
    with running() as home:
        home.session("listed", AGENTS, home.script("short", SCRIPT))
        kinds = (
            ((sys.executable, "-c", "pass"), nothing),
            (mato("ls"), listed),
            (mato("ls", "--json"), as_json),
        )
        for command, _ in kinds:
            _run(command, home.env)  # the first run of each may compile and fill caches
        for _ in range(RUNS):
            for command, times in kinds:
                times.append(_run(command, home.env))
    base = Yardstick("python -c pass", median(nothing))
    return Result(
        (
            Figure("mato ls", median(listed), "ms", base),
            Figure("mato ls --json", median(as_json), "ms", base),
        ),
        (f"medians of {RUNS} in turn, ± {100 * spread(listed):.0f} %; {AGENTS} agents listed",),
    )


def _run(command: Sequence[str], env: Mapping[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    took = time.perf_counter() - started
    if command[-1] != "pass" and not done.stdout:
        raise RuntimeError(f"{' '.join(map(os.fspath, command))} said nothing")
    return took * 1000
