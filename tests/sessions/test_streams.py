"""A stream grows from live pieces and journaled stretches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mato_sessions.streams import Stream


def _stream(keep: int = 0) -> Stream:
    return Stream(key="k", answer="r/1", attempt=1, keep=keep)


def test_a_live_piece_is_shown_and_its_stretch_adds_nothing() -> None:
    stream = _stream()
    assert stream.show(0, "abc")
    assert (stream.text, stream.settled) == ("abc", "")
    assert not stream.settle(0, "ab")
    assert (stream.text, stream.settled) == ("abc", "ab")
    assert not stream.settle(2, "c")
    assert (stream.text, stream.settled) == ("abc", "abc")
    assert stream.settle(3, "d")
    assert stream.text == "abcd"


def test_a_piece_after_its_stretch_adds_nothing() -> None:
    stream = _stream()
    assert stream.settle(0, "abc")
    assert not stream.show(0, "ab")
    assert not stream.show(2, "c")
    assert stream.show(2, "cd")
    assert stream.text == "abcd"


def test_a_stretch_that_goes_beyond_the_live_end_shows_the_rest() -> None:
    stream = _stream()
    stream.show(0, "ab")
    assert stream.settle(0, "abcd")
    assert (stream.text, stream.live) == ("abcd", "")


def test_a_piece_beyond_a_gap_waits_for_its_stretch() -> None:
    stream = _stream()
    stream.show(0, "ab")
    assert not stream.show(5, "x")
    assert stream.text == "ab"
    assert stream.settle(0, "abcdex")
    assert stream.text == "abcdex"


def test_a_stretch_beyond_a_gap_is_kept_and_goes_on_from_there() -> None:
    stream = _stream()
    stream.settle(0, "ab")
    stream.show(2, "?")
    assert stream.settle(5, "xy")
    assert stream.text == "abxy"
    assert not stream.settle(5, "xy")
    stream.settle(6, "yz")
    assert stream.text == "abxyz"


def test_nothing_is_nothing() -> None:
    stream = _stream()
    assert not stream.settle(3, "")
    assert not stream.show(0, "")
    assert stream.settled_end == 0


def test_only_the_end_is_kept_where_that_is_asked() -> None:
    stream = _stream(keep=4)
    stream.settle(0, "abcdef")
    stream.show(6, "gh")
    assert stream.text == "efgh"
    stream.settle(6, "g")
    assert (stream.settled, stream.text) == ("defg", "efgh")


@given(data=st.data(), text=st.text(max_size=30), keep=st.sampled_from([0, 5]))
def test_pieces_of_any_cut_and_order_never_change_the_settled_text(
    data: st.DataObject, text: str, keep: int
) -> None:
    stream = _stream(keep)
    at = 0
    for _ in range(data.draw(st.integers(0, 6))):
        start = data.draw(st.integers(0, len(text)))
        stream.show(start, text[start : data.draw(st.integers(start, len(text)))])
        assert keep or text.startswith(stream.text)
        end = data.draw(st.integers(at, len(text)))
        again = data.draw(st.integers(0, at))
        stream.settle(again, text[again:end])
        at = end
        assert stream.settled == (text[:at][-keep:] if keep else text[:at])
    stream.settle(at, text[at:])
    assert stream.text == (text[-keep:] if keep else text)
