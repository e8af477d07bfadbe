"""Ids sort by time; clocks go on."""

from __future__ import annotations

import re

import pytest

from mato_sessions.clock import ManualClock, SystemClock
from mato_sessions.ids import Ids


def test_ids_are_told_apart_by_kind_and_sort_by_time() -> None:
    clock = ManualClock()
    ids = Ids(clock.wall_us)
    kinds = [ids.session, ids.agent, ids.turn, ids.call, ids.request, ids.pane, ids.window]
    assert [make()[0] for make in kinds] == list("satcrpw")
    earlier = ids.turn()
    clock.advance(1000)
    assert earlier < ids.turn()
    assert re.fullmatch(r"t-[0-9a-hjkmnp-tv-z]{10}-[0-9a-hjkmnp-tv-z]{8}", earlier)


def test_ids_depend_on_nothing_but_time_and_chance() -> None:
    ids = Ids(lambda: 1_700_000_000_000_000, lambda size: b"\xff" * size)
    assert ids.session() == "s-01hf7yat00-zzzzzzzz"


def test_the_machines_clocks_go_on() -> None:
    clock = SystemClock()
    before = clock.mono_us()
    assert clock.mono_us() >= before
    assert clock.wall_us() > 1_700_000_000_000_000
    assert re.fullmatch(r"[0-9a-f]{8}", clock.boot())


def test_a_manual_clock_moves_when_told() -> None:
    clock = ManualClock(wall_us=10, mono_us=5)
    clock.advance(3)
    clock.jump(-8)
    assert (clock.wall_us(), clock.mono_us(), clock.boot()) == (5, 8, "testboot")
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)
