"""Secrets are taken out here: every body passes before it is written, every stream before it shows.

Only values that Mato holds itself (keys, tokens) are known here. A value is found as it is and as
it stands inside JSON text.
"""

from __future__ import annotations

import json

from msgspec.structs import replace

from mato_sessions.events.base import Body
from mato_sessions.events.model import ModelAnswered
from mato_sessions.events.tool import ToolProposed
from mato_sessions.walk import map_strings

REPLACEMENT = "[redacted]"
SHORTEST = 8
"""Shorter values stand in ordinary text by chance."""


class Redactor:
    """Knows the values to take out. May learn more while streams are open."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()

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
        forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        self._forms = tuple(sorted(forms.union(self._forms)))

    def text(self, text: str) -> str:
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
        if not self._forms:
            return body, False
        redacted: Body = map_strings(body, self.text)
        if redacted is body:
            return body, False
        return _marked(body, redacted), True

    def data(self, data: bytes) -> bytes:
        """`data` without held values in UTF-8, whatever else it holds."""
        if not any(form.encode("utf-8", "surrogatepass") in data for form in self._forms):
            return data
        # surrogateescape keeps each byte that is not UTF-8.
        text = data.decode("utf-8", "surrogateescape")
        return self.text(text).encode("utf-8", "surrogateescape")

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
        self._held = ""
        self._covered = 0
        # The first characters of `_held` belong to a value whose replacement is already out.

    def feed(self, text: str) -> str:
        """The text that is safe to show so far; an end that may begin a value waits."""
        if not self._redactor.forms and not self._held:
            return text
        text = self._held + text
        return self._release(text, self._cut(text))

    def flush(self) -> str:
        """What was still held back, at the end of the stream."""
        return self._release(self._held, len(self._held))

    def _cut(self, text: str) -> int:
        """Where the longest end of `text` starts that a held value begins with."""
        cut = len(text)
        for form in self._redactor.forms:
            for start in range(max(0, len(text) - len(form) + 1), cut):
                if form.startswith(text[start:]):
                    cut = start
                    break
        return cut

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
