"""Markdown within a line: bold, italic, code, links. One pass, linear in the text's length."""

from __future__ import annotations

import re

from mato_panes.rendering.line import Role, Span

_MARKERS = re.compile(r"`+|\*\*|__|\*|_|\[|\\[\\`*_\[\]{}()#+.!|>~-]")
_LINK_LIMIT = 400


def inline(text: str, role: Role = "text", depth: int = 0) -> list[Span]:
    """The text as spans; markers that mean something are taken out, all others stay as they are.

    A link keeps its address in sight: what a model calls "the docs" may lead anywhere.
    """
    spans: list[Span] = []
    done = 0  # what is before this is in `spans`
    barren: set[str] = set()  # markers without a partner in the rest
    for match in _MARKERS.finditer(text):
        start = match.start()
        if start < done:
            continue
        marker = match.group()
        if marker in barren:
            continue
        if marker[0] == "\\":
            spans.append((text[done:start], role))
            spans.append((marker[1], role))
            done = match.end()
            continue
        found = _link(text, match.end()) if marker == "[" else _partner(text, match, barren)
        if found is None:
            continue
        end, after = found
        spans.append((text[done:start], role))
        inner = text[match.end() : end]
        if marker == "[":
            spans.append((inner, "link"))
            address = text[end + 2 : after - 1]
            if address != inner:
                spans.append((f" ({address})", "dim"))
        elif marker[0] == "`":
            if len(inner) > 2 and inner[0] == inner[-1] == " ":
                inner = inner[1:-1]
            spans.append((inner, "code"))
        else:
            styled: Role = "strong" if len(marker) == 2 else "emphasis"
            if role not in ("text", "quote"):
                styled = role
            if depth < 2:
                spans.extend(inline(inner, styled, depth + 1))
            else:
                spans.append((inner, styled))
        done = after
    spans.append((text[done:], role))
    return [span for span in spans if span[0]]


def _partner(text: str, match: re.Match[str], barren: set[str]) -> tuple[int, int] | None:
    """(end of the content, end of the closing marker) for the opening marker of `match`."""
    marker, start, begin = match.group(), match.start(), match.end()
    if begin >= len(text):
        return None
    code = marker[0] == "`"
    if not code:
        if text[begin].isspace():
            return None
        if marker[0] == "_" and start and text[start - 1].isalnum():
            return None  # snake_case
    end = text.find(marker, begin + (0 if code else 1))
    if end < 0:
        barren.add(marker)
        return None
    after = end + len(marker)
    if code:
        return (end, after) if text[after : after + 1] != "`" else None
    if text[end - 1].isspace():
        return None
    if len(marker) == 1 and text[after : after + 1] == marker:
        return None  # the beginning of a double marker
    if marker[0] == "_" and text[after : after + 1].isalnum():
        return None
    return end, after


def _link(text: str, begin: int) -> tuple[int, int] | None:
    """(end of the link's words, end of the link) where ``words](address)`` begins."""
    end = text.find("](", begin, begin + _LINK_LIMIT)
    if end <= begin or "[" in text[begin:end]:
        return None
    close = text.find(")", end + 2, end + 2 + _LINK_LIMIT)
    if close < 0 or not text[end + 2 : close].strip():
        return None
    return end, close + 1
