"""Where in a text a secret may begin: found without a look at most of its characters in Python.

A secret has a run of characters that tokens are made of, with a digit in it, and begins with a
known literal. Ordinary text has few such runs, so the dear expressions are tried hardly anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

RUN = 15
"""No secret has a shorter run, private keys and passwords in URLs aside."""
BEFORE = 48
"""Between the start of a name that a value is assigned to and the value there are fewer."""

URL = "://"
HEADER = "-----BEGIN"
_DIGITS = tuple("0123456789")
_WITHOUT_DIGIT = ("AKIA", "ASIA", "ABIA", "ACCA", "ks.slack.com")
"""What begins with these may have no digit; few words have a k that a point follows."""
_TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+/.:$~%@-"
_FULL, _EMPTY = b"a", b" "
# What Latin-1 has no byte for becomes a question mark, and may be a letter.
_CLASSES = b"".join(
    _FULL if byte in _TOKEN or byte >= 128 or byte == ord("?") else _EMPTY for byte in range(256)
)
_LONG = _FULL * RUN

# Alternatives that all begin with a letter of their own let `re` pass over all other letters.
may_hold = re.compile("|".join(map(re.escape, (*_DIGITS, *_WITHOUT_DIGIT, URL, HEADER)))).search
"""A match where a text may hold a secret; None for most lines. No function around it: it is called
for every string that is written, and a call would cost as much again."""
_fits = re.compile("|".join(map(re.escape, (*_DIGITS, *_WITHOUT_DIGIT)))).search


def small(text: str) -> bytes:
    """`text` in small letters, a byte a character: `str.lower` makes two of some."""
    return text.encode("latin-1", "replace").lower()


def any_of(words: Iterable[str]) -> Callable[..., re.Match[bytes] | None]:
    """Searches what `small` gives for any of `words`, and looks at each letter once."""
    return re.compile(_tree(words).encode()).search


def _tree(words: Iterable[str]) -> str:
    branches: dict[str, list[str]] = {}
    for word in words:
        if not word:
            return ""  # one ends here, and whatever goes on begins with it
        branches.setdefault(word[0], []).append(word[1:])
    found = [re.escape(letter) + _tree(rest) for letter, rest in sorted(branches.items())]
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found)})"


class Places:
    """Knows the literals that secrets begin with, in small letters."""

    def __init__(self, literals: Iterable[str]) -> None:
        self._literal = any_of(literals)

    def find(self, text: str, start: int) -> Sequence[int]:
        """Where from `start` on rules are worth trying, ascending."""
        classes = text.encode("latin-1", "replace").translate(_CLASSES)  # a byte for a character
        begin = classes.find(_LONG)
        if begin < 0 and HEADER not in text and URL not in text:
            return ()
        found = set(_all(text, HEADER, start))
        if URL in text and "@" in text:
            # A password in a URL has the literal as context, maybe from before `start`.
            found.update(at + len(URL) for at in _all(text, URL, max(0, start - len(URL))))
        done = start
        while begin >= 0:
            end = classes.find(_EMPTY, begin + RUN)
            end = len(text) if end < 0 else end
            if end > start and _fits(text, begin, end):
                found.update(self._literals(text, max(done, begin - BEFORE), end))
                done = max(done, end)
            begin = classes.find(_LONG, end)
        return sorted(found)

    def _literals(self, text: str, start: int, end: int) -> Iterator[int]:
        letters = small(text[start:end])
        at = 0
        while match := self._literal(letters, at):
            at = match.start() + 1
            yield start + match.start()


def _all(text: str, literal: str, start: int) -> Iterator[int]:
    at = text.find(literal, start)
    while at >= 0:
        yield at
        at = text.find(literal, at + 1)
