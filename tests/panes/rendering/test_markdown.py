"""Streaming Markdown: the same lines however the text was cut, each piece at a bounded cost."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mato_panes.rendering.inline import inline
from mato_panes.rendering.line import Line, cells, plain
from mato_panes.rendering.markdown import PIECE, Markdown

SOURCES = st.lists(
    st.sampled_from(
        [
            "plain words that go on for a while and have to be wrapped somewhere",
            "# Heading",
            "- item with **bold** and `code`",
            "  - nested item",
            "1. first",
            "> quoted *text*",
            "```python",
            "```",
            "~~~",
            "def f(): return 'x'  # 漢字",
            "| a | b |",
            "|---|--:|",
            "| 1 | 2 |",
            "---",
            "",
            "    indented",
            "\x1b[31mred\x1b[0m",
            "x" * 300,
        ]
    ),
    max_size=24,
).flatmap(lambda lines: st.sampled_from(["\n", "\r\n"]).map(lambda end: end.join(lines)))


def whole(text: str, width: int) -> list[Line]:
    writer = Markdown(width, 2)
    writer.feed(text)
    writer.close()
    return writer.lines


@given(SOURCES, st.lists(st.integers(0, 400), max_size=30), st.integers(16, 90))
@example("a" * (PIECE + 1) + "\r\nb", [PIECE + 2], 40)
@example(("word " * 900) + "\n```\n" + "y" * 5000, [100, 2100, 4600], 40)
def test_lines_do_not_depend_on_how_the_text_was_cut(
    text: str, cuts: list[int], width: int
) -> None:
    writer = Markdown(width, 2)
    start = 0
    for cut in sorted({min(cut, len(text)) for cut in cuts}):
        writer.feed(text[start:cut])
        start = cut
    writer.feed(text[start:])
    writer.close()
    assert writer.lines == whole(text, width)


@given(SOURCES, st.integers(14, 90))
def test_no_line_is_wider_than_the_width_at_any_time(text: str, width: int) -> None:
    writer = Markdown(width, 2)
    for start in range(0, len(text), 7):
        writer.feed(text[start : start + 7])
        assert all(cells(line) <= width for line in [*writer.lines[-6:], *writer.tail])
    writer.close()
    assert all(cells(line) <= width for line in writer.lines)


def test_hostile_text_is_shown_and_never_passed_on(hostile_texts: tuple[Any, ...]) -> None:
    for hostile in hostile_texts:
        text = hostile.text[:3000]
        for line in whole(f"{text}\n```\n{text}\n```\n| {text} |\n> {text}\n# {text}", 40):
            assert cells(line) <= 40, hostile.name
            controls = [char for char in plain(line) if ord(char) < 32 or 0x7F <= ord(char) < 0xA0]
            assert not controls, hostile.name


def test_blocks_look_like_what_they_are() -> None:
    text = "# Title\ntext\n- a\n  - b\n> said\n1. one"
    shown = [plain(line) for line in whole(text, 40)]
    assert shown == ["  Title", "  text", "  • a", "    ◦ b", "  ▎ said", "  1. one"]


def test_a_closed_fence_has_colours_and_an_open_one_is_plain() -> None:
    writer = Markdown(60)
    writer.feed("```python\ndef f():\n    return 1\n")
    before = [plain(line) for line in writer.lines]
    assert {role for line in writer.lines for _, role in line} == {"code-bar", "fence"}
    writer.feed("```\n")
    assert [plain(line) for line in writer.lines] == before
    assert "keyword" in {role for line in writer.lines for _, role in line}


def test_an_unknown_language_stays_plain() -> None:
    roles = {role for line in whole("```brainfuzz\n+++\n```\n", 60) for _, role in line}
    assert roles <= {"text", "code-bar", "fence"}


def test_a_table_is_aligned_and_fits() -> None:
    lines = whole("| name | size |\n|---|--:|\n| a | 5 |\n| bbbb | 1234 |\n", 40)
    assert [plain(line) for line in lines] == [
        "  name  size",
        "  ────  ────",
        "  a        5",
        "  bbbb  1234",
    ]
    wide = whole("| a | b |\n|---|---|\n| " + "word " * 30 + "| " + "x" * 90 + " |\n", 40)
    assert all(cells(line) <= 40 for line in wide)


def test_a_token_on_a_long_open_line_renders_only_its_last_piece() -> None:
    writer = Markdown(80)
    writer.feed("word " * 20_100)
    before = len(writer.lines)
    writer.feed("one")
    assert len(writer.lines) == before
    assert sum(len(plain(line)) for line in writer.tail) <= PIECE + 80


def test_a_token_in_a_long_open_fence_adds_its_line_and_touches_no_other() -> None:
    writer = Markdown(80)
    writer.feed("```python\n" + "x = 1\n" * 1000)
    before = list(writer.lines)
    writer.feed("y = 2\n")
    assert all(old is new for old, new in zip(before, writer.lines, strict=False))
    assert len(writer.lines) == len(before) + 1


def test_inline_markers_become_roles() -> None:
    assert inline("a **b** `c` *d* e") == [
        ("a ", "text"),
        ("b", "strong"),
        (" ", "text"),
        ("c", "code"),
        (" ", "text"),
        ("d", "emphasis"),
        (" e", "text"),
    ]


def test_markers_without_a_partner_stay_text() -> None:
    for text in ("2 * 3 * 4", "snake_case_name", "a ** b", "`open", "[x] done", "**"):
        assert "".join(part for part, _ in inline(text)) == text
        assert {role for _, role in inline(text)} == {"text"}


def test_a_link_shows_where_it_leads() -> None:
    spans = inline("see [the docs](https://evil.example/x) now")
    assert ("the docs", "link") in spans
    assert (" (https://evil.example/x)", "dim") in spans


@given(st.text(st.sampled_from("*_`[]() ab\\"), max_size=60))
def test_inline_loses_nothing_but_markers(text: str) -> None:
    letters = [char for part, _ in inline(text) for char in part if char in "ab"]
    assert letters == [char for char in text if char in "ab"]
