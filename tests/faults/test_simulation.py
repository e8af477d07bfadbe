"""Thousands of small histories with crashes at any moment; every one is a seed and can be replayed.

`MATO_SEED=17 pytest tests/faults/test_simulation.py -k seed` plays one of them alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from mato.agents.base import Sink
from mato.testing.invariants import Effect
from mato_sessions.events import Body, Event, ToolFinished, ToolProposed, ToolStarted
from tests.faults.machine import Variant
from tests.faults.simulation import Simulation, simulate
from tests.faults.world import World

pytestmark = pytest.mark.fault

SOAK = bool(os.environ.get("MATO_SOAK"))
BLOCK = 50
"""Seeds of one test."""
BLOCKS = 400 if SOAK else 2
CONTROL_SEEDS = 100
"""Within so many seeds each broken variant has to be caught."""

Play = Callable[..., Simulation]

REACHED = {
    "agent.reconfigured", "agent.state_changed", "file.checkpointed", "model.answered",
    "model.asked", "model.failed", "permission.answered", "permission.asked", "plan.updated",
    "text.streamed", "tool.failed", "tool.finished", "tool.output_streamed", "tool.proposed",
    "tool.started", "tool.unknown", "turn.ended", "turn.prompted", "turn.queued", "turn.returned",
}  # fmt: skip
"""Kinds that a block of seeds has to come to; a simulation that avoids them proves nothing."""


@pytest.fixture
def play() -> Iterator[Play]:
    """Plays a seed in a folder that is gone afterwards; on memory where there is such a disk."""
    memory = "/dev/shm"
    logging.disable(logging.CRITICAL)  # of machines that have gone
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:

        def playing(seed: int, variant: Variant | None = None, again: str = "") -> Simulation:
            place = Path(folder) / f"{seed}{again}"
            place.mkdir()
            return simulate(seed, place, variant)

        yield playing
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_whatever_crashes_when_nothing_is_lost_or_done_twice(play: Play, block: int) -> None:
    kinds: Counter[str] = Counter()
    crashes = effects = 0
    alone = os.environ.get("MATO_SEED")
    seeds = [int(alone)] if alone else range(block * BLOCK, (block + 1) * BLOCK)
    for seed in seeds:
        simulation = play(seed)
        wrong = simulation.judge()
        assert not wrong, f"seed {seed}: {wrong}"
        kinds.update(event.kind for event in simulation.events())
        crashes += simulation.crashes
        effects += len(simulation.world.effects)
    if not alone:
        assert kinds.keys() >= REACHED
        assert crashes > BLOCK
        assert effects > 2 * BLOCK


def rows(simulation: Simulation) -> list[str]:
    """The whole journal as text."""
    with closing(sqlite3.connect(simulation.journal)) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("seed", [1, 12, 17])
def test_the_same_seed_gives_the_same_journal_to_the_byte(play: Play, seed: int) -> None:
    assert rows(play(seed)) == rows(play(seed, again=" again"))


def test_a_seed_says_the_same_in_another_process(play: Play) -> None:
    program = (
        "import sys, pathlib; from tests.faults.simulation import simulate;"
        "print(simulate(12, pathlib.Path(sys.argv[1])).events()[-1].hash.hex())"
    )
    folder = play(12).journal.parent
    (other := folder / "other").mkdir()
    said = subprocess.run(
        [sys.executable, "-c", program, str(other)],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        [(head,)] = connection.execute("SELECT head_hash FROM session")
    assert said.stdout.strip() == head.hex()


# ------------------------------------------------------------------- negative controls


class EarlyWorld(World):
    """Where effects begin when their start is given to the journal (see `Hasty`)."""

    def begin(self, call: str) -> None:
        if self.gone():
            super().begin(call)


class HastySink:
    """Starts what a fact allows before the fact is on disk."""

    def __init__(self, sink: Sink, world: World) -> None:
        self._sink = sink
        self._world = world

    def __getattr__(self, name: str) -> object:
        return getattr(self._sink, name)

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        for body in bodies:
            if isinstance(body, ToolStarted) and not self._world.gone():
                self._world.effects.append(Effect(body.call, body.call, body.attempt))
        return await self._sink.record(*bodies, turn=turn, cause=cause)


class Hasty(Variant):
    """A runtime that starts an effect before its start is committed."""

    world = EarlyWorld

    def sink(self, sink: Sink, world: World) -> Sink:
        return HastySink(sink, world)


class DeafSink(HastySink):
    """Never says that a result is on disk."""

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        if any(isinstance(body, ToolFinished) for body in bodies):
            await asyncio.Event().wait()
        return await self._sink.record(*bodies, turn=turn, cause=cause)


class Deaf(Variant):
    """A runtime that waits for ever."""

    def sink(self, sink: Sink, world: World) -> Sink:
        return DeafSink(sink, world)


class Forgetful(Variant):
    """A fold that loses a call."""

    def history(self, events: Sequence[Event]) -> list[Event]:
        return [
            event
            for event in events
            if not (isinstance(event.body, ToolProposed) and event.body.name == "change")
        ]


class Reckless(Variant):
    """A machine that runs a cut call again by itself, whatever its tool says of that."""

    def history(self, events: Sequence[Event]) -> list[Event]:
        return [
            msgspec.structs.replace(
                event, body=msgspec.structs.replace(event.body, policy="idempotent")
            )
            if isinstance(event.body, ToolProposed)
            else event
            for event in events
        ]


@pytest.mark.parametrize(
    ("variant", "sentence"),
    [
        (Hasty(), "took effect"),
        (Reckless(), "policy ask"),
        (Forgetful(), "ended and its call"),
        (Deaf(), "not over after"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Variant) else "",
)
def test_a_broken_variant_is_caught(play: Play, variant: Variant, sentence: str) -> None:
    for seed in range(CONTROL_SEEDS):
        wrong = play(seed, variant).judge()
        if any(sentence in each for each in wrong):
            return
    pytest.fail(f"{type(variant).__name__} was not caught within {CONTROL_SEEDS} seeds")
