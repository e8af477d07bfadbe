"""Hostile sequences made by rule: each way to begin one, with each end, whole, cut and nested.

A list holds what somebody thought of; the grammar of ECMA-48 and Unicode's tables hold the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

_ENDS = ("\x07", "\x1b\\", "\x9c", "")
"""How a string ends: BEL, ST in seven bits, in eight, not at all."""
_COMMANDS = (
    *("0;PWNED", "1;PWNED", "2;PWNED", "4;1;red", "7;file:///etc", "8;;file:///etc/passwd"),
    *("9;PWNED", "10;?", "11;?", "52;c;cHduZWQ=", "52;p;?", "104", "133;A", "777;notify;a;b"),
    *("1337;File=inline=1:AAAA", "1337;CopyToClipboard=", "5522;type=read", "99;i=1;PWNED"),
)
_FINALS = "ABCDEFGHIJKLMPSTXZ@`abcdefghilmnpqrstuxyz{|}~"
_STRINGS = {"dcs": "P", "sos": "X", "pm": "^", "apc": "_"}
_PAYLOADS = ("PWNED", "$qm", "+q544e", "Gf=100;AAAA", "tmux;\x1b\x1b]0;PWNED\x07")
_HIDDEN = {
    "bidi": (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    "invisible": (0xAD, 0x034F, 0x115F, 0x180E, *range(0x200B, 0x200E), 0x2028, 0x2029,
                  *range(0x2060, 0x2065), *range(0x206A, 0x2070), 0x3164, 0xFEFF, 0xFFA0, 0xFFF9),
    "surrogate": (0xD800, 0xDBFF, 0xDC00, 0xDC80, 0xDC9B, 0xDCFF, 0xDFFF),
    "tags": (0xE0001, 0xE0020, 0xE0041, 0xE007F),
    "private": (0xFDD0, 0xFFFE, 0x1FFFF, 0x10FFFF),
}  # fmt: skip
_RAW = {
    "overlong": (b"\xc0\x9b", b"\xc1\x9b", b"\xe0\x80\x9b", b"\xf0\x80\x80\x9b", b"\xc0\x80"),
    "bytes": (b"\x9b31m", b"\x9d0;PWNED\x9c", b"\xf5\x80\x80\x80", b"\xff\xfe", b"\xe2\x80"),
}


def sequences() -> Iterator[tuple[str, str]]:
    """Class and text of each; lone surrogates stand for raw bytes, as in PEP 383."""
    whole = list(_whole())
    yield from whole
    # What is cut may join with what comes next; what is nested may come out of its shell.
    for _, text in whole[:: max(1, len(whole) // 60)]:
        yield "partial", text[: max(1, len(text) // 2)]
        yield "nested", f"\x1b]{text}0;PWNED\x1b{text}\x07"


def _whole() -> Iterator[tuple[str, str]]:
    for code in (*range(0x09), 0x0B, 0x0C, *range(0x0D, 0x20), 0x7F):
        yield "c0", f"safe{chr(code)}evil"
    for code in range(0x80, 0xA0):
        yield "c1", f"safe{chr(code)}evil"
    for begin, final in product(("\x1b[", "\x9b"), _FINALS):
        yield "csi", f"{begin}2{final}"
    for private, final in product("?>=<", "hlcnmqu"):
        yield "csi-private", f"\x1b[{private}1049{final}"
    for between in " !\"#$%&'*+":
        yield "csi-between", f"\x1b[1{between}p"
    for begin, command, end in product(("\x1b]", "\x9d"), _COMMANDS, _ENDS):
        yield "osc", f"{begin}{command}{end}"
    for (cls, letter), payload in product(_STRINGS.items(), _PAYLOADS):
        yield cls, f"\x1b{letter}{payload}\x1b\\"
        yield cls, f"{chr(ord(letter) + 0x40)}{payload}\x9c"
    for final in "78=>cDEHMNOZln|}~":
        yield "esc", f"\x1b{final}"
    for between, final in product("()*+-./#% ", "0B8G"):
        yield "esc-between", f"\x1b{between}{final}"
    for cls, codes in _HIDDEN.items():
        for code in codes:
            yield cls, f"user{chr(code)}name"
    for cls, raws in _RAW.items():
        for raw in raws:
            yield cls, f"a{raw.decode('utf-8', 'surrogateescape')}z"
    for mark, times in product((0x0300, 0x0489, 0x20DD, 0x0E49, 0x1D165), (7, 60)):
        yield "combining", f"e{chr(mark) * times}"
    for back in ("\b", "\r", "\x7f"):
        yield "overprint", f"rm -rf /{back * 8}ls -la  "
        yield "overprint", f"denied{back}allowed\x1b[K"
    for wide in ("\uff21", "\u3000", "\U0001f468\u200d\U0001f469", "\u2e3b", "\ufdfd"):
        yield "wide", wide * 30
    for tag in ("[link=file:///etc]x[/link]", "[@click=app.quit]x[/]", "[/]", "[bold red", "\\["):
        yield "markup", tag
