"""The chain finds each change of the record."""

from __future__ import annotations

import msgspec
import pytest

from mato_sessions import chain
from mato_sessions.events import Event, SessionRenamed
from tests.sessions.happenings import chained


def _events() -> list[Event]:
    return chained([(None, None, SessionRenamed(name=name)) for name in "abcd"])


def test_an_untouched_session_verifies_as_a_whole_and_in_parts() -> None:
    events = _events()
    assert chain.verify(events) is None
    assert chain.verify([]) is None
    assert chain.verify(events[2:], seq=2, head=events[1].hash) is None


@pytest.mark.parametrize(
    "change",
    [
        {"at_us": 5},
        {"mono_us": 5},
        {"boot": "other"},
        {"epoch": 9},
        {"agent": "a-9"},
        {"turn": "t-9"},
        {"cause": 1},
        {"kind": "session.opened"},
        {"version": 2},
        {"body": SessionRenamed(name="z")},
        {"hash": bytes(32)},
        {"seq": 4},
        {"session": "s-9"},
    ],
)
def test_every_field_but_the_position_is_covered(change: dict[str, object]) -> None:
    events = _events()
    events[2] = msgspec.structs.replace(events[2], **change)
    found = chain.verify(events)
    assert found is not None
    assert found.seq == 3


def test_the_position_is_not_covered_so_that_an_import_keeps_the_hashes() -> None:
    moved = [msgspec.structs.replace(event, position=event.position + 9) for event in _events()]
    assert chain.verify(moved) is None


@pytest.mark.parametrize("order", [[0, 2, 3], [1, 2], [0, 2, 1], [0, 0]])
def test_gaps_and_wrong_orders_are_found(order: list[int]) -> None:
    events = _events()
    assert chain.verify([events[at] for at in order]) is not None


def test_sessions_start_from_different_hashes() -> None:
    assert chain.genesis("s-1") != chain.genesis("s-2")
