"""Wrapping: nothing wider than the width, nothing lost, words kept where they fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.text import display
from mato_panes.rendering.line import Line, Role, cells, clip, fit, plain, spread
from mato_panes.rendering.wrapping import wrap

ROLES: list[Role] = ["text", "strong", "code"]
ANY = st.text(
    st.one_of(
        st.sampled_from("ab .-_e"),
        st.sampled_from("漢字かな한국🙂"),
        st.sampled_from("e\u0301\u0308é"),
        st.characters(),
    ),
    max_size=120,
).map(lambda text: display(text, newline=False).expandtabs(4))
SPANS = st.lists(st.tuples(ANY, st.sampled_from(ROLES)), min_size=1, max_size=4)


def joined(lines: list[Line]) -> str:
    return "".join(map(plain, lines))


@given(SPANS, st.integers(2, 60), st.booleans(), st.booleans())
def test_no_line_is_wider_than_the_width(
    spans: list[tuple[str, Role]], width: int, words: bool, keep: bool
) -> None:
    for line in wrap(spans, width, words=words, keep=keep):
        assert cells(line) <= width


@given(SPANS, st.integers(2, 60))
def test_all_text_is_there_but_spaces_at_breaks(spans: list[tuple[str, Role]], width: int) -> None:
    text = plain(tuple(spans))
    assert joined(wrap(spans, width)).replace(" ", "") == text.replace(" ", "")


@given(SPANS, st.integers(2, 60), st.booleans())
def test_every_character_is_there_where_spaces_are_kept(
    spans: list[tuple[str, Role]], width: int, words: bool
) -> None:
    assert joined(wrap(spans, width, words=words, keep=True)) == plain(tuple(spans)) or not words
    assert joined(wrap(spans, width, words=False)) == plain(tuple(spans))


@given(SPANS, st.integers(2, 60))
def test_every_character_keeps_its_role(spans: list[tuple[str, Role]], width: int) -> None:
    before = [(char, role) for text, role in spans for char in text]
    lines = wrap(spans, width, words=False)
    assert [(char, role) for line in lines for text, role in line for char in text] == before


@given(SPANS, st.integers(2, 60))
def test_prefixes_never_make_a_line_too_wide(spans: list[tuple[str, Role]], width: int) -> None:
    first: Line = (("❯ ", "prompt-mark"),)
    rest: Line = (("    ", "text"),)
    lines = wrap(spans, width, first=first, rest=rest)
    assert all(cells(line) <= width for line in lines)
    if width >= 6:
        assert plain(lines[0]).startswith("❯ ")
        assert all(plain(line).startswith("    ") for line in lines[1:])


def test_words_are_kept_whole() -> None:
    lines = wrap([("the quick brown fox", "text")], 10)
    assert [plain(line) for line in lines] == ["the quick", "brown fox"]


def test_a_word_longer_than_a_line_is_broken() -> None:
    lines = wrap([("abcdefghij", "text")], 4)
    assert [plain(line) for line in lines] == ["abcd", "efgh", "ij"]


def test_a_wide_character_is_never_cut_in_half() -> None:
    lines = wrap([("漢字漢字", "text")], 5)
    assert [plain(line) for line in lines] == ["漢字", "漢字"]


def test_a_combining_mark_stays_with_its_letter() -> None:
    lines = wrap([("e\u0301" * 6, "text")], 4)
    assert [plain(line) for line in lines] == ["e\u0301" * 4, "e\u0301" * 2]


def test_a_command_keeps_the_spaces_it_is_broken_at() -> None:
    lines = wrap([("rm  -rf   build", "text")], 8, keep=True)
    assert joined(lines) == "rm  -rf   build"
    assert len(lines) == 2


def test_an_empty_text_is_one_line() -> None:
    assert len(wrap([("", "text")], 10)) == 1


@given(ANY, st.integers(0, 30))
def test_fitted_text_has_room(text: str, width: int) -> None:
    assert cells(((fit(text, width), "text"),)) <= width


@given(SPANS, st.integers(1, 30))
def test_a_clipped_line_has_room(spans: list[tuple[str, Role]], width: int) -> None:
    assert cells(clip(tuple(spans), width)) <= width


@given(SPANS, SPANS, st.integers(1, 80))
def test_two_sides_of_a_line_have_room(
    left: list[tuple[str, Role]], right: list[tuple[str, Role]], width: int
) -> None:
    assert cells(spread(tuple(left), tuple(right), width)) <= width


@pytest.mark.parametrize("length", [10_000, 200_000])
def test_a_line_without_end_is_wrapped(length: int) -> None:
    assert len(wrap([("x" * length, "text")], 100)) == length // 100
