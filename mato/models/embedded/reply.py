"""The constrained reply of the small model, parsed while it is generated.

A reply is one JSON object, ``{"tool": NAME, "args": {…}}``, where one reserved name means "this is
my answer" and has the text as its only argument. Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_HEAD = re.compile(r'\s*\{\s*"tool"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"args"\s*:\s*(?=\{)')
_TEXT = re.compile(r'\{\s*"text"\s*:\s*"')
_PLAIN = re.compile(r'[^"\\]+')
_STRUCTURE = re.compile(r'["\\{}]')
_SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The reply is a call of this tool; its arguments follow."""

    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsPiece:
    """The next part of the arguments, exactly as generated (JSON text)."""

    text: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """The next part of the answer, unescaped."""

    text: str


Part = CallBegun | ArgumentsPiece | TextPiece


class StringDecoder:
    """The inside of a JSON string, unescaped piece by piece.

    An escape that is cut by the end of a piece is held back until the rest comes; a surrogate that
    never finds its other half becomes U+FFFD.
    """

    def __init__(self) -> None:
        self.closed = False
        """The closing quote has been read; whatever follows it is left alone."""
        self._held = ""
        self._high = 0

    def feed(self, text: str) -> str:
        """What `text` adds to the decoded string."""
        rest = self._held + text
        self._held = ""
        out: list[str] = []
        at = 0
        while at < len(rest) and not self.closed:
            if plain := _PLAIN.match(rest, at):
                out.append(self._unpaired() + plain.group())
                at = plain.end()
            elif rest[at] == '"':
                out.append(self._unpaired())
                self.closed = True
            else:
                length = 6 if rest[at + 1 : at + 2] == "u" else 2
                if len(rest) - at < length:
                    self._held = rest[at:]
                    break
                out.append(self._escape(rest[at : at + length]))
                at += length
        return "".join(out)

    def _unpaired(self) -> str:
        if not self._high:
            return ""
        self._high = 0
        return _REPLACEMENT

    def _escape(self, escape: str) -> str:
        if escape[1] != "u":
            return self._unpaired() + _SHORT_ESCAPES.get(escape[1], escape[1])
        try:
            unit = int(escape[2:], 16)
        except ValueError:
            return self._unpaired() + _REPLACEMENT
        if 0xDC00 <= unit <= 0xDFFF and self._high:
            whole = 0x10000 + ((self._high - 0xD800) << 10) + (unit - 0xDC00)
            self._high = 0
            return chr(whole)
        before = self._unpaired()
        if 0xD800 <= unit <= 0xDBFF:
            self._high = unit
            return before
        return before + (_REPLACEMENT if 0xDC00 <= unit <= 0xDFFF else chr(unit))


class ReplyParser:
    """Feed it what the model generates; it gives back what can be shown so far."""

    def __init__(self, answer: str) -> None:
        """`answer` is the reserved name of the reply that is no tool call."""
        self.complete = False
        """The arguments object is closed: the reply is whole."""
        self.called = ""
        """The tool that the reply calls, once known; empty for an answer."""
        self._answer = answer
        self._buffer = ""
        self._decoder: StringDecoder | None = None
        self._is_answer = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> list[Part]:
        """The parts that `text` completes, in order."""
        if self.complete:
            return []
        parts: list[Part] = []
        if self._decoder is None and not self.called:
            self._buffer += text
            if not self._is_answer:
                head = _HEAD.match(self._buffer)
                if head is None:
                    return []
                name = str(json.loads(head.group(1), strict=False))
                self._buffer = self._buffer[head.end() :]
                if name == self._answer:
                    self._is_answer = True
                else:
                    self.called = name
                    parts.append(CallBegun(name))
            if self._is_answer:
                opening = _TEXT.match(self._buffer)
                if opening is None:
                    return []
                self._buffer = self._buffer[opening.end() :]
                self._decoder = StringDecoder()
            text, self._buffer = self._buffer, ""
        if self._decoder is not None:
            decoded = self._decoder.feed(text)
            self.complete = self._decoder.closed
            if decoded:
                parts.append(TextPiece(decoded))
        elif piece := self._arguments(text):
            parts.append(ArgumentsPiece(piece))
        return parts

    def _arguments(self, text: str) -> str:
        """`text` up to the brace that closes the arguments object."""
        at = 0
        if self._escaped and text:
            self._escaped = False
            at = 1
        while mark := _STRUCTURE.search(text, at):
            at = mark.end()
            if mark.group() == '"':
                self._in_string = not self._in_string
            elif mark.group() == "\\":
                if at == len(text):
                    self._escaped = True
                at += 1
            elif not self._in_string:
                self._depth += 1 if mark.group() == "{" else -1
                if self._depth == 0:
                    self.complete = True
                    return text[:at]
        return text
