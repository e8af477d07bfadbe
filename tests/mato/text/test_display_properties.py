"""Properties of `display()` over any text at all."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from mato.text import MARKS_PER_BASE, display, one_line

TRICKY = st.sampled_from(
    [
        *map(chr, range(0x20)),
        *map(chr, range(0x7F, 0xA0)),
        *"\u0301\u0336\u20e3\u1161\u200b\u200c\u200d\u202e\u2066\u2069\ufe0e\ufe0f\ufeff\u3164",
        *"\ud800\udc9b\udfff\U000e0041\U000e0101\uffff❤👩💻🏽1#a é中›‹◌\ufffd",
    ]
)
TEXT = st.text(st.one_of(TRICKY, st.characters(codec=None)), max_size=60)
# Category Cn is left out: an emoji newer than this Python's database is still an emoji.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
SHOWN_FORMAT = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd")


def leaks(text: str, allowed: str = "\n\t") -> list[str]:
    return [
        hex(ord(c))
        for c in text
        if c not in allowed and c not in SHOWN_FORMAT and unicodedata.category(c) in HIDDEN
    ]


def longest_stack(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        longest = max(longest, run)
    return longest


@given(TEXT)
@example("\r\r\n\n\r")
@example("e" + "\u0301" * 9 + "\ufe0f\u200d❤")
@example("❤\ufe0f\u200d\ufe0f🔥")
def test_a_second_pass_changes_nothing_and_the_first_leaves_nothing(text):
    shown = display(text)
    assert leaks(shown) == []
    assert display(shown) == shown
    assert longest_stack(shown) <= MARKS_PER_BASE
    assert shown[:1] == "" or unicodedata.category(shown[0]) not in ("Mn", "Me")
    shown.encode("utf-8")


@given(TEXT, TEXT)
def test_pieces_that_are_shown_stay_harmless_when_they_are_joined(left, right):
    joined = display(left) + display(right)
    assert leaks(joined) == []
    assert longest_stack(joined) <= MARKS_PER_BASE


@given(TEXT)
def test_without_newlines_it_is_one_line(text):
    shown = display(text, newline=False)
    assert leaks(shown, allowed="") == []
    assert display(shown, newline=False) == shown
    assert len(shown.splitlines()) <= 1


@given(st.binary(max_size=80))
def test_any_bytes_are_shown_as_text_and_as_a_path(data):
    assert leaks(display(data)) == []
    path = display(data.decode("utf-8", "surrogateescape"), newline=False)
    assert leaks(path, allowed="") == []
    assert "\ufffd" not in path or "\ufffd".encode() in data or longest_stack(path) > 0


@given(TEXT, st.integers(1, 40))
def test_a_cut_line_never_exceeds_its_limit(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert leaks(line, allowed="") == []


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_printable_ascii_is_returned_as_it_came(text):
    assert display(text) == text
