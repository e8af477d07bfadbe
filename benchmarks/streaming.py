"""Sixteen panes of streaming text in one window: processor time, frames, and keys under that load.

A scripted model in the daemon says 50 tokens a second for each agent, so what is measured is all of
Mato and nothing of a model: journal, socket, folds and drawing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import keys, minimal
from benchmarks.home import NAMES, SIZE_WIDE, Home, mato, running
from benchmarks.processes import Cost, Meter, resident_mb
from benchmarks.report import Figure, Result, Unit, Yardstick, percentile
from benchmarks.terminal import Frames, Terminal

PANES = 16
TOKENS_PER_S = 50
WARM_S = 3.0
WATCH_S = 8.0
"""Nobody types then: what frames and processor time are of the stream alone."""
TYPE_S = 12.0
YARDSTICK_S = 8.0
EMPTY = f"essage {NAMES[0]}"
"""In the composer of the focused pane, behind the cursor, while nothing is typed."""
SCRIPT = f"""
repeat = true
[[answer]]
tokens_per_second = {TOKENS_PER_S}
for_s = {WARM_S + WATCH_S + TYPE_S + 1.5}
text = '''
the parser reads one line at a time and keeps a short list of what it has seen so far. where a
bracket is open it goes on to the next line; **else it stops there** and hands over what it holds.

- the first part is the name, and `may be quoted`
- the second is the value: a number, a text or a list

```python
def parse(line, seen):
    name, _, value = line.partition("=")
    return name.strip(), value.strip() or seen.get(name)
```

after that comes the check of the names, which must be known, and of the values, which must fit.

'''
"""


class Load(msgspec.Struct, frozen=True):
    """What streaming into so many panes took."""

    client: Cost
    daemon: Cost
    frames: Frames
    keys_ms: list[float]
    tokens_per_s: float
    """That each agent really said."""
    client_mb: float

    @property
    def frames_per_s(self) -> float:
        return len(self.frames.at) / self.client.seconds

    @property
    def frame_cpu_ms(self) -> float:
        """Processor time of the client for one frame."""
        return 1000 * self.client.cpu_s / max(1, len(self.frames.at))


def measure() -> Result:
    """The whole load, then the same with one pane, then keys in an idle minimal app."""
    with running() as home:
        model = home.script("stream", SCRIPT)
        many = load(home, PANES, model)
        one = load(home, 1, model)
        bare = _minimal_keys(home)
    figures: list[Figure] = []

    def add(name: str, value: float, unit: Unit, base: float | None = None) -> None:
        against = None if base is None else Yardstick("1 pane", base)
        figures.append(Figure(name, value, unit, against))

    add("client CPU", many.client.cpu_percent, "%", one.client.cpu_percent)
    add("daemon CPU", many.daemon.cpu_percent, "%", one.daemon.cpu_percent)
    add("frames", many.frames_per_s, "/s", one.frames_per_s)
    many_ms, one_ms = many.frames.intervals_ms(), one.frames.intervals_ms()
    add("frame interval p50", percentile(many_ms, 50), "ms", percentile(one_ms, 50))
    add("frame interval p99", percentile(many_ms, 99), "ms", percentile(one_ms, 99))
    add("client CPU a frame", many.frame_cpu_ms, "ms", one.frame_cpu_ms)
    add("to the terminal", _kb_per_s(many), "kB/s", _kb_per_s(one))
    add("client memory", many.client_mb, "MB", one.client_mb)
    add("tokens/s a pane", many.tokens_per_s, "/s", one.tokens_per_s)
    for name, found in ((f"{PANES} panes", many.keys_ms), ("1 pane", one.keys_ms)):
        for percent in (50, 99):
            yardstick = Yardstick("minimal, idle", percentile(bare, percent))
            took = percentile(found, percent)
            figures.append(Figure(f"key → echo p{percent}, {name}", took, "ms", yardstick))
    typed = [many.keys_ms, one.keys_ms, bare]
    counts = ", ".join(str(len(found)) for found in typed)
    worst = ", ".join(f"{max(found):.0f}" for found in typed)
    columns, rows = SIZE_WIDE
    notes = (
        f"{TOKENS_PER_S} tokens/s a pane, {columns}×{rows}; watched for {WATCH_S:.0f} s,"
        f" then typed for {TYPE_S:.0f} s",
        f"keys: {counts} ({PANES} panes, 1 pane, minimal); worst {worst} ms",
    )
    return Result(tuple(figures), notes)


def load(home: Home, panes: int, model: str) -> Load:
    """Stream into so many panes of one window, type meanwhile, and measure."""
    name = f"stream-{panes}"
    session = home.session(name, panes, model)
    with Terminal(mato("attach", name), home.env, SIZE_WIDE) as terminal:
        terminal.wait_for(NAMES[panes - 1])
        keys.first_echo(terminal)
        keys.clear(terminal, EMPTY)
        begun_us = time.time() * 1e6
        for agent in NAMES[:panes]:
            home.request("agent.prompt", session=session, agent=agent, text="tell of the parser")
        terminal.listen(WARM_S)
        terminal.frames = Frames()
        client, daemon = Meter(terminal.pid), Meter(home.pid)
        terminal.listen(WATCH_S)
        costs = client.read(), daemon.read()
        frames, memory = terminal.frames, resident_mb(terminal.pid)
        terminal.frames = Frames()
        found = keys.latencies_ms(terminal, TYPE_S, EMPTY)
        _read_until_ended(home, session, terminal)
    rates = [_tokens_per_s(agent, begun_us) for agent in _agents(home, session)]
    return Load(*costs, frames, found, sum(rates) / panes, memory)


def _read_until_ended(home: Home, session: str, terminal: Terminal) -> None:
    # Somebody must go on reading: a client whose terminal is full stands still.
    deadline = time.perf_counter() + 60
    while time.perf_counter() < deadline:
        terminal.listen(0.5)
        if all(agent["state"] in ("idle", "done", "failed") for agent in _agents(home, session)):
            return
    raise TimeoutError("the agents did not come to an end")


def _agents(home: Home, session: str) -> list[dict[str, Any]]:
    listed = home.request("session.list")["sessions"]
    return next(each["agents"] for each in listed if each["id"] == session)


def _tokens_per_s(agent: dict[str, Any], begun_us: float) -> float:
    """Of a turn that has ended: `since_us` is its end."""
    return 1e6 * agent["output"] / (agent["since_us"] - begun_us)


def _kb_per_s(found: Load) -> float:
    return found.frames.bytes / 1000 / found.client.seconds


def _minimal_keys(home: Home) -> list[float]:
    program = str(Path(minimal.__file__))
    with Terminal((sys.executable, program, "keys"), home.env, SIZE_WIDE) as terminal:
        terminal.wait_for(minimal.TEXT)
        keys.first_echo(terminal)
        keys.clear(terminal, minimal.EMPTY[1:])
        return keys.latencies_ms(terminal, YARDSTICK_S, minimal.EMPTY[1:])
