"""Secrets are taken out here: every body passes before it is written, every stream before it shows.

Values that Mato holds itself (keys, tokens) are found as they are, as they stand inside JSON text,
and in base64, hexadecimal and URL encoding; others by the rules of `secret_rules`, where asked for.
"""

from __future__ import annotations

import base64
import json
import threading
from urllib.parse import quote, quote_plus

from msgspec.structs import replace

from mato_sessions import secret_rules
from mato_sessions.events.base import Body
from mato_sessions.events.model import ModelAnswered
from mato_sessions.events.tool import ToolProposed
from mato_sessions.secret_places import may_hold
from mato_sessions.walk import map_strings

REPLACEMENT = "[redacted]"
SHORTEST = 8
"""Shorter values stand in ordinary text by chance."""


class Redactor:
    """Knows the values to take out. May learn more while streams are open.

    With `rules`, whatever has the form of a secret goes too.
    """

    def __init__(self, *, rules: bool = False) -> None:
        self._forms: tuple[str, ...] = ()
        self.longest = 0
        """Characters of the longest form."""
        self.beginnings: frozenset[str] = frozenset()
        """The first letter of each form, and its first two."""
        self._learning = threading.Lock()
        self.rules = rules

    @property
    def forms(self) -> tuple[str, ...]:
        """All spellings of the held values."""
        return self._forms

    def hold(self, value: str) -> None:
        """Take `value` out of all that comes from now on.

        Values of fewer than 8 characters are ignored, and those that the replacement contains.
        """
        if len(value) < SHORTEST or value in REPLACEMENT:
            return
        with self._learning:  # keys are read in threads
            forms = _spellings(value).union(self._forms)
            self.longest = max(map(len, forms))
            self.beginnings = frozenset(form[:n] for form in forms for n in (1, 2))
            self._forms = tuple(sorted(forms))

    def text(self, text: str) -> str:
        """`text` without secrets; the same object when there were none."""
        text = self.without_held(text)
        if not self.rules or may_hold(text) is None:
            return text
        out: list[str] = []
        at = 0
        for start, end, kind in secret_rules.matches(text):
            out += (text[at:start], f"[redacted: {kind}]")
            at = end
        return "".join(out) + text[at:] if out else text

    def without_held(self, text: str) -> str:
        """`text` without held values; the same object when there were none."""
        if not any(form in text for form in self._forms):
            return text
        out: list[str] = []
        at = 0
        for start, end in self.spans(text):
            out += (text[at:start], REPLACEMENT)
            at = end
        return "".join(out) + text[at:]

    def body(self, body: Body) -> tuple[Body, bool]:
        """`body` without held values in any of its strings, and whether there were any.

        Calls that lost a part of their arguments are marked: they never run from the journal.
        """
        if not self._forms and not self.rules:
            return body, False
        redacted: Body = map_strings(body, self.text)
        if redacted is body:
            return body, False
        return _marked(body, redacted), True

    def data(self, data: bytes) -> bytes:
        """`data` without secrets in UTF-8, whatever else it holds."""
        if not self.rules and not any(
            form.encode("utf-8", "surrogatepass") in data for form in self._forms
        ):
            return data
        # surrogateescape keeps each byte that is not UTF-8.
        text = data.decode("utf-8", "surrogateescape")
        changed = self.text(text)
        return data if changed is text else changed.encode("utf-8", "surrogateescape")

    def stream(self) -> StreamRedactor:
        """For text that comes in pieces."""
        return StreamRedactor(self)

    def spans(self, text: str, covered: int = 0) -> list[tuple[int, int]]:
        """Where held values stand, ascending; overlapping ones are one span.

        `covered` characters at the start already belong to a span.
        """
        found = [(0, covered)] if covered else []
        for form in self._forms:
            at = text.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = text.find(form, at + 1)
        found.sort()
        merged: list[tuple[int, int]] = []
        for start, end in found:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged


def _spellings(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogatepass")
    digits = data.hex()
    url = (quote(data, safe=""), quote_plus(data))
    found = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    found |= {digits, digits.upper(), *url, *(_small_escapes(form) for form in url)}
    for before in range(3):
        # Where the value does not begin or end a group, its neighbours share the outer letters.
        coded = base64.b64encode(bytes(before) + data).rstrip(b"=").decode()
        last = len(coded) - (1 if (before + len(data)) % 3 else 0)
        coded = coded[(0, 2, 3)[before] : last]
        found |= {coded, coded.translate(str.maketrans("+/", "-_"))}
    return found


def _small_escapes(quoted: str) -> str:
    head, *rest = quoted.split("%")
    return "".join((head, *("%" + part[:2].lower() + part[2:] for part in rest)))


def _marked(body: Body, redacted: Body) -> Body:
    match body, redacted:
        case ToolProposed(), ToolProposed():
            return replace(redacted, redacted=True)
        case ModelAnswered(), ModelAnswered():
            calls = tuple(
                new if new is old else replace(new, redacted=True)
                for old, new in zip(body.calls, redacted.calls, strict=True)
            )
            return replace(redacted, calls=calls)
        case _:
            return redacted


class StreamRedactor:
    """Redacts a stream; what comes out does not depend on how it was cut into pieces."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rules = RuleStream() if redactor.rules else None
        self._held = ""
        self._covered = 0
        # The first characters of `_held` belong to a value whose replacement is already out.

    def feed(self, text: str) -> str:
        """The text that is safe to show so far; an end that may begin a value waits."""
        if self._redactor.forms or self._held:
            text = self._held + text
            text = self._release(text, self._cut(text))
        return self._rules.feed(text) if self._rules else text

    def flush(self) -> str:
        """What was still held back, at the end of the stream."""
        text = self._release(self._held, len(self._held))
        return self._rules.feed(text) + self._rules.flush() if self._rules else text

    def _cut(self, text: str) -> int:
        """Where the longest end of `text` starts that a held value begins with."""
        forms = self._redactor.forms
        begin = self._redactor.beginnings
        for start in range(max(0, len(text) - self._redactor.longest + 1), len(text)):
            if text[start : start + 2] in begin:
                tail = text[start:]
                if any(form.startswith(tail) for form in forms if len(form) > len(tail)):
                    return start
        return len(text)

    def _release(self, text: str, cut: int) -> str:
        out: list[str] = []
        at = 0
        covered = 0
        for start, end in self._redactor.spans(text, self._covered):
            begun = start == 0 and self._covered > 0
            if start >= cut and not begun:
                break
            out.append(text[at:start])
            if not begun:
                out.append(REPLACEMENT)
            at = min(end, cut)
            covered = max(0, end - cut)
        out.append(text[at:cut])
        self._held = text[cut:]
        self._covered = covered
        return "".join(out)


_CONTEXT = 16
"""As many characters before a match count, and no more."""


class RuleStream:
    """Takes out what has the form of a secret; at most `LONGEST` characters wait."""

    def __init__(self) -> None:
        self._before = ""
        self._held = ""
        self._inside = False
        # `_held` goes on with a private key whose replacement is already out.

    def feed(self, text: str) -> str:
        """The text that is safe to show so far."""
        return self._pass(text, ended=False)

    def flush(self) -> str:
        """What was still held back, at the end of the stream."""
        return self._pass("", ended=True)

    def _pass(self, more: str, *, ended: bool) -> str:
        at = len(self._before)
        text = self._before + self._held + more
        cut = len(text) if ended else secret_rules.undecided(text, at)
        out: list[str] = []
        for start, end, kind in secret_rules.matches(text, at):
            is_key = kind == "private key"
            is_open = is_key and not ended and secret_rules.is_open(text, end)
            if start >= cut and not is_open:
                break
            out.append(text[at:start])
            if not self._inside:
                out.append(f"[redacted: {kind}]")
            self._inside = is_open
            at = end
            if is_open:
                # The end of the key may be cut anywhere in its closing line.
                self._before = ""
                tail = text[max(start + len(secret_rules.HEADER), end - 8) :]
                self._held = secret_rules.HEADER + tail
                return "".join(out)
            cut = max(cut, end)
        out.append(text[at:cut])
        self._before = text[max(0, cut - _CONTEXT) : cut]
        self._held = text[cut:]
        return "".join(out)
