"""No key decides what has only just come, or has moved under the finger."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mato_panes.guarding import GUARD_S, Guard


def test_a_question_can_be_decided_once_it_has_been_in_sight() -> None:
    guard = Guard()
    guard.drawn({"q": 3}, 10.0)
    assert not guard.lets("q", 10.0)
    assert not guard.lets("q", 10.299)
    assert guard.lets("q", 10.0 + GUARD_S + 0.001)
    assert not guard.lets("other", 99.0)


def test_a_key_counts_by_when_it_was_pressed() -> None:
    guard = Guard()
    guard.drawn({"q": 3}, 10.0)
    assert not guard.lets("q", 9.9), "it was meant for something else, however late it is handled"


def test_what_moves_by_itself_has_appeared_anew_and_what_a_hand_moves_has_not() -> None:
    guard = Guard()
    guard.drawn({"q": 3}, 10.0)
    guard.drawn({"q": 5}, 20.0, by_hand=True)
    assert guard.lets("q", 20.0)
    guard.drawn({"q": 4}, 30.0)
    assert not guard.lets("q", 30.2)
    assert guard.lets("q", 30.4)


def test_what_comes_into_sight_by_hand_was_not_in_sight_before() -> None:
    guard = Guard()
    guard.drawn({}, 10.0)
    guard.drawn({"q": 1}, 20.0, by_hand=True)
    assert not guard.lets("q", 20.1)


def test_what_was_gone_comes_back_as_new() -> None:
    guard = Guard()
    guard.drawn({"q": 1}, 10.0)
    guard.drawn({}, 11.0)
    assert not guard.lets("q", 12.0)
    guard.drawn({"q": 1}, 12.0)
    assert not guard.lets("q", 12.1)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)), st.floats(0.01, 1.0)),
        min_size=1,
    ),
    st.floats(0, 0.6),
)
def test_what_is_decided_has_not_moved_for_the_time(
    pictures: list[tuple[dict[str, int], float]], after_s: float
) -> None:
    guard, now_s = Guard(), 0.0
    since: dict[str, float] = {}
    before: dict[str, int] = {}
    for places, passed_s in pictures:
        now_s += passed_s
        guard.drawn(places, now_s)
        since = {q: since[q] if before.get(q) == place else now_s for q, place in places.items()}
        before = places
    pressed_s = now_s + after_s
    for question in "ab":
        expected = question in since and pressed_s - since[question] >= GUARD_S
        assert guard.lets(question, pressed_s) == expected
