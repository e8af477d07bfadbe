"""How the prefix key may be written: as Textual names keys, or as tmux does."""

from __future__ import annotations

import re
import string

PREFIXES = "ctrl+ or alt+ and a letter, as in ctrl+a (or C-a), ctrl+space, f1 … f12"
"""What `prefix_key` knows, for people; a few letters are left out."""

_NO_CTRL = frozenset("hijm")  # to a terminal they are backspace, tab, a new line and enter
_NO_ALT = frozenset("bf")  # terminals send them for ctrl+left and ctrl+right
_HELD = re.compile(r"(?:(c|ctrl)|(m|alt))[-+](.+)", re.IGNORECASE | re.DOTALL)
_LETTERS = frozenset(string.ascii_lowercase)
_SIGNS = {
    "space": "space",
    "@": "space",
    "\\": "backslash",
    "]": "right_square_bracket",
    "^": "circumflex_accent",
    "_": "underscore",
}
_WITH_CTRL = {sign: f"ctrl+{name}" for sign, name in _SIGNS.items()} | {
    name: f"ctrl+{name}" for name in _SIGNS.values()
}


def prefix_key(written: str) -> str:
    """Textual's name of the key: ``ctrl+a`` for ``C-a``; "" for what cannot be a prefix.

    A letter alone cannot: nobody could type it any more.
    """
    text = written.strip()
    held = _HELD.fullmatch(text)
    if held is None:
        return text.lower() if re.fullmatch(r"[fF]([1-9]|1[0-2])", text) else ""
    key = held[3].lower()
    if held[1]:
        return f"ctrl+{key}" if key in _LETTERS - _NO_CTRL else _WITH_CTRL.get(key, "")
    return f"alt+{key}" if key in _LETTERS - _NO_ALT else ""
