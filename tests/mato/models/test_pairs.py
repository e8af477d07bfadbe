"""Text that was cut in the middle of a character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mato.models.pairs import Pairs, whole

UNITS = st.lists(st.sampled_from("ax\u00e9\u4e2d\ud83d\ude00\udbff\udc00"), max_size=12)


def given_on(pieces: list[str]) -> str:
    pairs = Pairs()
    return "".join([*map(pairs.feed, pieces), pairs.rest()])


@given(st.text(), st.integers(1, 5))
def test_text_cut_anywhere_comes_out_as_it_was(text: str, size: int) -> None:
    units = text.encode("utf-16-le")
    halves = [
        units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)
    ]
    pieces = ["".join(halves[at : at + size]) for at in range(0, len(halves), size)]
    assert given_on(pieces) == text


@given(st.lists(UNITS.map("".join), max_size=6))
def test_whatever_came_can_be_encoded_and_does_not_depend_on_the_cuts(pieces: list[str]) -> None:
    joined = given_on(pieces)
    joined.encode()
    assert joined == whole("".join(pieces))
