"""`kill -9` of the real daemon at any instant, with real tools: nothing is lost or done twice."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from mato.testing.daemon import running
from mato.testing.invariants import Evidence, check
from tests.faults.killing import Ordeal, living, script

pytestmark = pytest.mark.fault

SOAK = bool(os.environ.get("MATO_SOAK"))
ROUNDS = 6
"""Of one test; each kills at least once."""
BLOCKS = 130 if SOAK else 2

Suffer = Callable[[int, int], Awaitable[Evidence]]


@pytest.fixture
async def suffer(tmp_path: Path) -> AsyncIterator[Suffer]:
    """Lets a daemon be killed in some rounds chosen by a seed, and gives the evidence."""

    async def suffering(seed: int, rounds: int) -> Evidence:
        print(f"seed {seed}")
        chance = Random(seed)
        home, log = tmp_path / "home", tmp_path / "effects.log"
        # Known among all processes of this machine, whoever else runs this test.
        left = f"{31_000_000 + seed}.{os.getpid()}"
        (model := tmp_path / "model.json").write_text(script(chance, log, left))
        # Bare: the log of effects is outside of every workspace, where no sandbox lets it be.
        (home / "config").mkdir(parents=True)
        (home / "config/config.toml").write_text("[sandbox]\ntier = 'none'\nunconfined = true\n")
        async with running(home, {"MATO_MODEL": f"scripted:{model}"}) as daemon:
            ordeal = Ordeal(daemon, chance, tmp_path, log)
            for _ in range(rounds):
                await ordeal.round()
        assert not living(home, left)
        assert not ordeal.open_turns()
        assert ordeal.kills >= rounds
        return ordeal.evidence()

    yield suffering


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_a_kill_at_any_instant_loses_nothing_and_repeats_nothing(
    suffer: Suffer, block: int
) -> None:
    evidence = await suffer(block, ROUNDS)
    assert not check(evidence)
    assert evidence.effects


async def test_spoilt_evidence_is_noticed(suffer: Suffer) -> None:
    evidence = await suffer(1_000_000, 1)
    assert not check(evidence)
    seen = evidence.seen["second"]
    broken = {
        "an effect twice": {"effects": [*evidence.effects, evidence.effects[0]]},
        "a lost frame": {"seen": {"second": [*seen[:9], *seen[12:]]}},
        "a frame twice": {"seen": {"second": [*seen[:9], *seen[6:]]}},
        "an event that is gone": {"acked": [msgspec.structs.replace(seen[-1], seq=9999)]},
        "a listing of its own": {"resumed": {"listing": b""}},
    }
    for change in broken.values():
        assert check(msgspec.structs.replace(evidence, **change))
