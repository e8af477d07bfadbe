"""Properties that every fold has, over generated histories."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mato_sessions.catalog import Catalog
from mato_sessions.entries import CallEntry, ReasoningEntry, TextEntry
from mato_sessions.events import Event
from mato_sessions.ledger import Ledger
from mato_sessions.pieces import Piece
from mato_sessions.projection import Projection, fold
from mato_sessions.transcript import Transcript
from tests.sessions.happenings import AGENT, deliveries, stories


def _transcript() -> Transcript:
    return Transcript(AGENT)


FOLDS = [_transcript, Ledger, Catalog]


@pytest.mark.parametrize("make", FOLDS)
@settings(max_examples=60, deadline=None)
@given(story=stories(), data=st.data())
def test_a_fold_taken_up_from_a_snapshot_ends_like_one_over_everything(
    make: Any, story: list[Event | Piece], data: st.DataObject
) -> None:
    events = [step for step in story if isinstance(step, Event)]
    whole: Projection = fold(make(), events)
    at = data.draw(st.integers(0, len(events)))
    prefix: Projection = fold(make(), events[:at])
    resumed: Projection = make()
    resumed.restore(prefix.snapshot())
    assert resumed.snapshot() == prefix.snapshot()
    assert fold(resumed, events[at:]).snapshot() == whole.snapshot()


def _seen(transcript: Transcript) -> list[Any]:
    entries = msgspec.to_builtins(transcript.entries)
    for entry in entries:
        del entry["revision"]
    return entries


@settings(max_examples=250, deadline=None)
@given(delivery=deliveries())
def test_live_pieces_change_nothing_in_the_end(
    delivery: tuple[list[Event], list[Event | Piece]],
) -> None:
    events, delivered = delivery
    alone = fold(_transcript(), events)
    live = _transcript()
    for step in delivered:
        if isinstance(step, Piece):
            live.delta(step)
        else:
            live.apply(step)
    assert _seen(live) == _seen(alone)
    for entry in live.entries:
        if isinstance(entry, ReasoningEntry | TextEntry):
            assert not entry.open
        if isinstance(entry, CallEntry):
            assert entry.status not in {"writing", "proposed", "waiting", "running"}


@settings(max_examples=100, deadline=None)
@given(delivery=deliveries())
def test_a_view_that_draws_what_changed_shows_all_entries(
    delivery: tuple[list[Event], list[Event | Piece]],
) -> None:
    transcript = _transcript()
    drawn: list[Any] = []
    for step in delivery[1]:
        if isinstance(step, Piece):
            transcript.delta(step)
        else:
            transcript.apply(step)
        entries = transcript.entries
        del drawn[len(entries) :]
        drawn += [None] * (len(entries) - len(drawn))
        for at in transcript.changed():
            drawn[at] = msgspec.to_builtins(entries[at])
        assert drawn == [msgspec.to_builtins(entry) for entry in entries]
        keys = [entry.key for entry in entries]
        assert len(set(keys)) == len(keys)
        # What only live pieces have made stands at the end.
        made = [entry.seq > 0 for entry in entries]
        assert made == sorted(made, reverse=True)
