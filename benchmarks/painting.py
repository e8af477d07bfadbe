"""First paint: from the start of `mato attach` to a useful picture, and until keys are live."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import keys, minimal
from benchmarks.home import NAMES, Home, mato, running
from benchmarks.report import Figure, Result, Yardstick, median, spread
from benchmarks.terminal import Terminal

RUNS = 7
AGENTS = 8
SIZE = (160, 48)
SENTENCE = "The folder holds a parser, its tests and a short note. "
ANSWER = """
[[answer]]
when = "as {name}"
text = "{text}Signed: {name}."
"""


def measure() -> Result:
    """The two programs in turn, each in a new terminal of the same size."""
    first: list[float] = []
    whole: list[float] = []
    live: list[float] = []
    bare: list[float] = []
    bare_live: list[float] = []
    with running() as home:
        answers = (ANSWER.format(name=name, text=8 * SENTENCE) for name in NAMES[:AGENTS])
        session = home.session("painted", AGENTS, home.script("read", "".join(answers)))
        for name in NAMES[:AGENTS]:
            home.request("agent.prompt", session=session, agent=name, text=f"look as {name}")
        home.wait(session, "ended")
        _attach(home)  # the first run of each may compile and fill caches
        _minimal(home)
        for _ in range(RUNS):
            started, painted, complete, typed = _attach(home)
            first.append(painted - started)
            whole.append(complete - started)
            live.append(typed - started)
            painted, typed = _minimal(home)
            bare.append(painted)
            bare_live.append(typed)
    text = Yardstick("minimal Textual", 1000 * median(bare))
    typing = Yardstick("minimal Textual", 1000 * median(bare_live))
    return Result(
        (
            Figure("first useful picture", 1000 * median(first), "ms", text),
            Figure("every agent's answer", 1000 * median(whole), "ms", text),
            Figure("keys live", 1000 * median(live), "ms", typing),
        ),
        (
            f"medians of {RUNS} in turn, ± {100 * spread(first):.0f} %; {AGENTS} agents,"
            f" {SIZE[0]}×{SIZE[1]}",
        ),
    )


def _attach(home: Home) -> tuple[float, float, float, float]:
    """Started, first agent shown, the ends of all answers shown, first key shown."""
    names = NAMES[:AGENTS]
    with Terminal(mato("attach", "painted"), home.env, SIZE) as terminal:
        seen, complete = terminal.moments([names[0]], [f"Signed: {name}." for name in names])
        typed = keys.first_echo(terminal)
        return terminal.started, seen, complete, typed


def _minimal(home: Home) -> tuple[float, float]:
    """Seconds until the text of the one app, and until the first key of the other."""
    program = str(Path(minimal.__file__))
    with Terminal((sys.executable, program), home.env, SIZE) as terminal:
        painted = terminal.wait_for(minimal.TEXT) - terminal.started
    with Terminal((sys.executable, program, "keys"), home.env, SIZE) as terminal:
        terminal.wait_for(minimal.TEXT)
        return painted, keys.first_echo(terminal) - terminal.started
