"""What `display()` shows for the texts that try to do more than be read."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata

import pytest

from mato import text as room
from mato.text import MARKS_PER_BASE, display, one_line

# Written from the Unicode data and ECMA-48, not from the code under test.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff]"
)


def test_no_hostile_text_keeps_a_character_that_acts_reorders_or_hides(hostile_texts):
    assert len(hostile_texts) >= 120
    for hostile in hostile_texts:
        for newline in (True, False):
            shown = display(hostile.text, newline=newline)
            found = FORBIDDEN.search(shown)
            assert found is None, (hostile.name, ascii(found))
            assert display(shown, newline=newline) == shown, hostile.name
            shown.encode("utf-8")
            assert newline or not {"\n", "\t"} & set(shown), hostile.name


def test_the_pattern_of_this_test_finds_most_hostile_texts_when_nothing_cleans_them(
    hostile_texts,
):
    caught = [h for h in hostile_texts if FORBIDDEN.search(h.text)]
    assert len(caught) > len(hostile_texts) * 0.7


def test_cutting_a_hostile_text_anywhere_lets_nothing_through(hostile_texts):
    for hostile in hostile_texts:
        text = hostile.text[:150]
        for cut in range(1, len(text)):
            joined = display(text[:cut]) + display(text[cut:])
            assert FORBIDDEN.search(joined) is None, (hostile.name, cut)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text\n\twith a tab", "plain text\n\twith a tab"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\r\nb\rc", "a\nb␍c"),
        ("\x7f", "␡"),
        ("\x9b2J\x9c", "‹CSI›2J‹ST›"),
        ("inv\u202efdp.exe", "inv‹RLO›fdp.exe"),
        ("pay\u200bpal", "pay‹ZWSP›pal"),
        ("\u200b\u200b\u200b\u202e", "‹ZWSP×3 RLO›"),
        ("x\U000e0068\U000e0069", "x‹tag:hi›"),
        ("\ud800\udc9b", "‹U+D800 x9B›"),
        ("\uffff", "‹U+FFFF›"),
        ("rm\u00a0-rf\u2800/", "rm -rf /"),
        ("A\ufe04\ufe0f", "A‹VS5 VS16›"),
        ("می\u200cخواهم", "می‹ZWNJ›خواهم"),
        ("\u0301x", "◌\u0301x"),
        ("a\n\u0301x", "a\n◌\u0301x"),
    ],
)
def test_what_would_act_or_hide_is_named(text, shown):
    assert display(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "naïve café — “quotes” … ✓",
        "中文，日本語。한국어",
        "Привет עברית العربية",
        "👍🎉 ┌─┐ ⣿⣷",
        "हिन्दी ไทย",
        "\ue0b0",
    ],
)
def test_ordinary_text_of_any_script_is_left_alone(text):
    assert display(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("👩\u200d💻", "👩💻"),
        ("❤\ufe0f\u200d🔥", "❤🔥"),
        ("1\ufe0f\u20e3 ⚠\ufe0f", "1\u20e3 ⚠"),
        ("❤\ufe0f\ufe0e\ufe0f", "❤‹VS15 VS16›"),
        ("1\ufe0f", "1‹VS16›"),
        ("+\ufe0f", "+‹VS16›"),
        ("👍🏽 🏋🏽\u200d♂\ufe0f", "👍 🏋♂"),
        ("👍🏽🏽", "👍‹U+1F3FD›"),
        ("a🏽", "a🏽"),
        ("👩\u200d\u200d💻", "👩‹ZWJ×2›💻"),
        ("ad\u200dmin", "ad‹ZWJ›min"),
    ],
)
def test_emoji_lose_their_joiners_and_anything_else_shows_them(text, shown):
    assert display(text) == shown


def test_a_storm_of_marks_ends_after_six_and_says_so():
    shown = display("e" + "\u0301" * 500 + "x")
    assert shown == "e" + "\u0301" * MARKS_PER_BASE + "\ufffdx"
    assert display("e\u0301o\u0302") == "e\u0301o\u0302"


def test_bytes_that_are_not_utf8_become_replacement_characters():
    assert display(b"ok \xff\x9b2J \xe2\x9c\x93") == "ok \ufffd\ufffd2J ✓"


def test_titles_have_no_line_ends_or_tabs():
    assert display("a\nb\tc", newline=False) == "a⏎b c"


def test_a_line_is_cut_with_an_ellipsis_and_its_blanks_are_folded():
    assert one_line("fix\n\n the\t bug", 40) == "fix the bug"
    assert one_line("0123456789", 10) == "0123456789"
    assert one_line("0123456789a", 10) == "012345678…"
    assert one_line("word another", 6) == "word…"
    assert one_line("x\x1b[2J", 3) == "x␛…"
    assert one_line(b"a" * 100_000_000, 5) == "aaaa…"
    assert one_line("", 1) == ""
    with pytest.raises(ValueError, match="0"):
        one_line("x", 0)


def test_a_path_shows_the_bytes_that_are_not_utf8():
    assert display("/tmp/a\udcff\x1b[2J\n.txt", newline=False) == "/tmp/a‹xFF›␛[2J⏎.txt"
    assert display("/home/ä/中.py", newline=False) == "/home/ä/中.py"


def test_the_harmless_ranges_hold_only_characters_with_a_glyph_and_a_place_of_their_own():
    odd = room._odd()
    for code in range(0x110000):
        character = chr(code)
        if odd.match(character) or character in "\n\t \u3000":
            continue
        category = unicodedata.category(character)
        assert category not in ("Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"), hex(code)
        assert not FORBIDDEN.match(character), hex(code)


def test_every_single_character_comes_out_harmless_and_unchanged_by_a_second_pass():
    for code in range(0x110000):
        character = chr(code)
        shown = display(character)
        assert FORBIDDEN.search(shown) is None, hex(code)
        assert display(shown) == shown, hex(code)
        assert shown, hex(code)


def test_importing_it_loads_neither_typing_nor_re_nor_a_toolkit():
    program = (
        "import sys; before = set(sys.modules); import mato.text; mato.text.display('a\\x1bb');"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {_root()!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(run.stdout.split())
    assert "mato.text" in loaded
    assert not loaded & {"re", "typing", "unicodedata", "textual", "rich", "regex"}


def _root() -> str:
    return room.__file__.rsplit("/mato/", 1)[0]
