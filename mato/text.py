"""Untrusted text becomes text that people may be shown: `display()` and the type of its result.

Models, tools, file names and child processes write what they like. The journal keeps that exactly;
whatever is drawn, printed, logged or exported for people passes through here first. Nothing is
parsed and passed on: a character either cannot do harm, or it is replaced by something visible.

=========================  ===============================================================
control byte (C0, DEL)     its picture: ESC is ``␛``, CR is ``␍``
C1, bidi, zero width …     names in brackets: ``‹CSI›``, ``‹RLO›``, ``‹ZWSP×40›``
tag characters             what they spell: ``‹tag:ignore all›``
lone surrogate, raw byte   ``‹U+D800›``, ``‹xFF›``
storm of combining marks   the first six, then ``�``; without a base they get ``◌``
exotic spaces              a plain space, so that copied commands work
emoji joined by ZWJ        the emoji side by side, as on systems that lack the joined picture
skin tones, VS15, VS16     left out after an emoji, whose width nobody can tell with them
=========================  ===============================================================

Only `\\n` and `\\t` keep their meaning, and CR LF is one line end. Hot commands import this file:
it loads neither `typing`, `re` nor `unicodedata` before a text needs them.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import groupby

TYPE_CHECKING = False  # `typing` costs 4 ms, more than the rest of this file
if TYPE_CHECKING:
    from re import Match, Pattern
    from typing import NewType

    Shown = NewType("Shown", str)
else:
    Shown = str
"""Text that has been through `display()`; the only text that widgets and the CLI take."""

MARKS_PER_BASE = 6
"""Combining marks kept on one base: pointed Hebrew needs five, a storm has hundreds."""

_PLAIN_BYTES = bytes([0x09, 0x0A, *range(0x20, 0x7F)])
_PICTURES = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_PICTURES[0x7F] = 0x2421

# Ranges without a control, format, mark or space character but " ", "\n", "\t" and U+3000. What is
# outside is looked at one by one; a test holds this list against the Unicode database.
_HARMLESS = (
    "\\n\\t -~\xa1-\xac\xae-\u02ff\u0370-\u0482\u048a-\u058f\u05d0-\u05f4"
    "\u0620-\u064a\u0671-\u06d5\u1e00-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u20cf"
    "\u2100-\u27ff\u2801-\u2cee\u2e00-\u3029\u3030-\u3098\u309b-\u3163\u3165-\ua66e"
    "\uac00-\ud7a3\ue000-\ufb1d\ufb1f-\ufdcf\ufdf0-\ufdff\ufe30-\ufefe\uff01-\uff9f"
    "\uffa1-\uffef\ufffc-\ufffd\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)

_C1_NAMES = (
    *("PAD", "HOP", "BPH", "NBH", "IND", "NEL", "SSA", "ESA"),
    *("HTS", "HTJ", "VTS", "PLD", "PLU", "RI", "SS2", "SS3"),
    *("DCS", "PU1", "PU2", "STS", "CCH", "MW", "SPA", "EPA"),
    *("SOS", "SGC", "SCI", "CSI", "ST", "OSC", "PM", "APC"),
)

_NAMES = {0x80 + offset: name for offset, name in enumerate(_C1_NAMES)} | {
    0xAD: "SHY",
    0x034F: "CGJ",
    0x061C: "ALM",
    0x115F: "filler",
    0x1160: "filler",
    0x180E: "MVS",
    0x200B: "ZWSP",
    0x200C: "ZWNJ",
    0x200E: "LRM",
    0x200F: "RLM",
    0x2028: "LS",
    0x2029: "PS",
    0x202A: "LRE",
    0x202B: "RLE",
    0x202C: "PDF",
    0x202D: "LRO",
    0x202E: "RLO",
    0x2060: "WJ",
    0x2066: "LRI",
    0x2067: "RLI",
    0x2068: "FSI",
    0x2069: "PDI",
    0x3164: "filler",
    0xFEFF: "BOM",
    0xFFA0: "filler",
}

# Format characters (Cf) that have a glyph of their own: Arabic, Syriac and Kaithi number signs.
_VISIBLE_FORMAT = frozenset(
    [*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD]
)
# Without a glyph although their category says mark or symbol: Khmer inherent vowels, Mongolian
# selectors, the musical null notehead, the Khitan filler.
_BLANK = frozenset([0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x1D159, 0x16FE4])

_TONES = {chr(code): f"U+{code:04X}" for code in range(0x1F3FB, 0x1F400)}
_HINTS = {"\u200d": "ZWJ", "\ufe0e": "VS15", "\ufe0f": "VS16"} | _TONES

_KEEP, _MARK, _HINT, _NAME, _TAG = range(5)


def display(text: str | bytes, *, newline: bool = True) -> Shown:
    """The text with everything visible that could act on a terminal, reorder or hide.

    Pure, total and idempotent; what is safe in pieces stays safe when the pieces are joined. Bytes
    are read as UTF-8, with U+FFFD where they are not. With `newline=False` (titles, names, table
    cells) a line end becomes `⏎` and a tab a space.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if text.isascii():
        if text.encode("ascii").translate(None, _PLAIN_BYTES):
            text = text.replace("\r\n", "\n").translate(_PICTURES)
    else:
        odd = _odd()
        if odd.search(text):
            text = odd.sub(_reveal, text.replace("\r\n", "\n"))
    if not newline:
        text = text.replace("\n", "⏎").replace("\t", " ")
    return Shown(text)


def one_line(text: str | bytes, limit: int) -> Shown:
    """The text as one shown line of at most `limit` characters, cut with an ellipsis.

    Runs of blanks and line ends become one space. A character is not always one cell: the widget
    that draws the line fits it.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f"a line needs room for one character, not {limit!r}")
    # What is read is bounded, so that the title of a 100 MB text costs no more than a short one.
    window = text[: limit * 8 + 64]
    whole = len(window) == len(text)
    if isinstance(window, bytes):
        window = window.decode("utf-8", "replace")
    spaced = window.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    shown = display(" ".join(word for word in spaced.split(" ") if word), newline=False)
    if whole and len(shown) <= limit:
        return shown
    return Shown(shown[: limit - 1].rstrip(" ") + "…")


@cache
def _odd() -> Pattern[str]:
    import re

    return re.compile(f"[^{_HARMLESS}]+")


def _reveal(match: Match[str]) -> str:
    """The replacement of a run of characters that need a look, one by one."""
    source, start, end = match.string, match.start(), match.end()
    last = source[start - 1] if start else "\n"
    out: list[str] = []
    names: list[tuple[int, str]] = []
    marks = 0
    hints = 0  # joiners and selectors dropped since `last`: a selector, then a joiner, no more
    for index in range(start, end):
        character = source[index]
        kind, shown = _judge(character)
        if kind == _HINT:
            following = source[index + 1] if index + 1 < len(source) else ""
            stage = 2 if character == "\u200d" else 1
            if not names and hints < stage and _is_hint(character, last, following):
                hints = stage
                continue
            if character in _TONES and (names or not _is_symbol(last)):
                kind, shown = _KEEP, character
            else:
                kind = _NAME
        if kind in (_NAME, _TAG):
            names.append((kind, shown))
            continue
        if names:
            out.append(_bracket(names))
            names.clear()
            last, marks, hints = "›", 0, 0
        if kind == _MARK:
            marks += 1
            if marks > MARKS_PER_BASE:
                if marks == MARKS_PER_BASE + 1:
                    out.append("\ufffd")
                continue
            if last in "\n\t":
                out.append("◌")
        else:
            marks = 0
        out.append(shown)
        last, hints = shown, 0
    if names:
        out.append(_bracket(names))
    return "".join(out)


def _bracket(names: list[tuple[int, str]]) -> str:
    """Hidden characters side by side in one pair of brackets, repetitions counted."""
    parts: list[str] = []
    for kind, group in groupby(names, key=lambda item: item[0]):
        words = [word for _, word in group]
        if kind == _TAG:
            parts.append("tag:" + "".join(words))
            continue
        for word, same in groupby(words):
            count = sum(1 for _ in same)
            parts.append(word if count == 1 else f"{word}×{count}")
    return "‹" + " ".join(parts) + "›"


@lru_cache(maxsize=4096)
def _judge(character: str) -> tuple[int, str]:
    """What is done with one character outside the harmless ranges, and what is shown for it."""
    from unicodedata import category

    code = ord(character)
    if code in _PICTURES:
        return _KEEP, chr(_PICTURES[code])
    if character in _HINTS:
        return _HINT, _HINTS[character]
    if name := _NAMES.get(code):
        return _NAME, name
    if 0xE0020 <= code <= 0xE007E:
        return _TAG, chr(code - 0xE0000)
    if 0xDC80 <= code <= 0xDCFF:
        return _NAME, f"x{code - 0xDC00:02X}"
    if 0xFE00 <= code <= 0xFE0D:
        return _NAME, f"VS{code - 0xFDFF}"
    if 0xE0100 <= code <= 0xE01EF:
        return _NAME, f"VS{code - 0xE00EF}"
    kind = category(character)
    if kind == "Zs" or code == 0x2800:
        return _KEEP, " "
    if code in _BLANK or (kind in ("Cf", "Cn", "Cs") and code not in _VISIBLE_FORMAT):
        return _NAME, f"U+{code:04X}"
    # Conjoining Hangul vowels and finals are letters, but stack on one cell like marks.
    if kind in ("Mn", "Me") or 0x1161 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FB:
        return _MARK, character
    return _KEEP, character


def _is_hint(character: str, last: str, following: str) -> bool:
    """Whether a joiner, selector or skin tone only asks for another picture of an emoji.

    Then it is dropped: terminals disagree about the width of what it makes (tmux 3.3a draws a
    thumb with a skin tone in four cells, Rich counts two). Anywhere else it may carry hidden data.
    """
    if character == "\u200d":
        return _is_symbol(last) and _is_symbol(following)
    if last in "0123456789#*":
        return following == "\u20e3"
    return _is_symbol(last)


def _is_symbol(character: str) -> bool:
    from unicodedata import category

    if character in ("", *"©®‼⁉ℹ〰"):
        return bool(character)
    return character > "\u2100" and category(character) in ("So", "Sm", "Sk")
