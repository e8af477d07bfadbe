"""Eight agents attached and nothing to do: what the client and the daemon cost then."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import minimal
from benchmarks.home import NAMES, SIZE_WIDE, mato, running
from benchmarks.processes import Meter, resident_mb
from benchmarks.report import Figure, Result, Yardstick
from benchmarks.terminal import Frames, Terminal

AGENTS = 8
SPAN_S = 15.0
QUIET_S = 3.0
"""After so long without output nothing is left of the start."""
SCRIPT = """
repeat = true
[[answer]]
text = "Nothing is left to do here."
"""


def measure() -> Result:
    """Mato and a minimal Textual app idle side by side, so that both see the same machine."""
    program = str(Path(minimal.__file__))
    with running() as home:
        session = home.session("idle", AGENTS, home.script("short", SCRIPT), "have a look")
        home.wait(session, "ended")
        with (
            Terminal(mato("attach", "idle"), home.env, SIZE_WIDE) as terminal,
            Terminal((sys.executable, program, "keys"), home.env, SIZE_WIDE) as bare,
        ):
            terminal.wait_for(NAMES[AGENTS - 1])
            bare.wait_for(minimal.TEXT)
            bare.wait_for_quiet(QUIET_S)
            terminal.wait_for_quiet(QUIET_S)
            terminal.frames = Frames()
            meters = [Meter(pid) for pid in (terminal.pid, home.pid, bare.pid)]
            terminal.listen(SPAN_S)
            client, daemon, least = [meter.read() for meter in meters]
            frames = terminal.frames
            memory = [resident_mb(pid) for pid in (terminal.pid, home.pid, bare.pid)]
    cpu = Yardstick("minimal Textual", least.cpu_percent)
    wakeups = Yardstick("minimal Textual", least.wakeups_per_s)
    resident = Yardstick("minimal Textual", memory[2])
    return Result(
        (
            Figure("client CPU", client.cpu_percent, "%", cpu),
            Figure("daemon CPU", daemon.cpu_percent, "%", cpu),
            Figure("client wake-ups", client.wakeups_per_s, "/s", wakeups),
            Figure("daemon wake-ups", daemon.wakeups_per_s, "/s", wakeups),
            Figure("frames", len(frames.at), ""),
            Figure("bytes to the terminal", frames.bytes, ""),
            Figure("client memory", memory[0], "MB", resident),
            Figure("daemon memory", memory[1], "MB", resident),
        ),
        (f"{AGENTS} agents attached, {SPAN_S:.0f} s; 100 % CPU is one processor",),
    )
