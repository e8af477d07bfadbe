"""A styled line: spans of shown text, each with a role; colours come later, from the theme."""

from __future__ import annotations

from typing import Literal

from rich.cells import cell_len, get_character_cell_size

Role = Literal[
    # prose
    "text",
    "strong",
    "emphasis",
    "heading",
    "code",
    "link",
    "quote",
    "bullet",
    "dim",
    "faint",
    # fenced code
    "fence",
    "code-bar",
    "keyword",
    "string",
    "comment",
    "number",
    "name",
    # who speaks
    "prompt",
    "prompt-mark",
    "queued",
    "reasoning",
    # states
    "starting",
    "working",
    "blocked",
    "done",
    "idle",
    "failed",
    "stopped",
    # cards
    "title",
    "output",
    "key",
    "added",
    "removed",
    "added-mark",
    "removed-mark",
    "hunk",
    # notices
    "info",
    "warning",
    "error",
    # decorations, put over other roles
    "hit",
    "hit-now",
    "selection",
    "cursor",
    "scrollbar",
    "thumb",
    "badge",
]
"""What a span is. The theme gives each role its colour and attributes."""

Span = tuple[str, Role]
"""Shown text without line ends or tabs, and its role."""

Line = tuple[Span, ...]
"""One row of cells, not padded."""

BLANK: Line = ()


def plain(line: Line) -> str:
    """The text of a line."""
    return "".join(text for text, _ in line)


def cells(line: Line) -> int:
    """Width of a line in cells."""
    return sum(cell_len(text) for text, _ in line)


def fit(text: str, width: int) -> str:
    """The beginning of `text` that fits in `width` cells, with an ellipsis where it was cut."""
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    room = width - 1
    kept = 0
    for character in text:
        room -= get_character_cell_size(character)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip(" ") + "…"


def pinch(text: str, width: int) -> str:
    """As `fit`, but cut in the middle: names that are alike often differ at their ends."""
    if cell_len(text) <= width:
        return text
    end = ""
    for character in reversed(text):
        if cell_len(character + end) > (width - 1) // 2:
            break
        end = character + end
    return fit(text, width - cell_len(end)) + end


def clip(line: Line, width: int) -> Line:
    """The line cut to `width` cells, with an ellipsis where it was cut."""
    if cells(line) <= width:
        return line
    spans: list[Span] = []
    room = width
    for index, (text, role) in enumerate(line):
        size = cell_len(text)
        last = index == len(line) - 1
        if size < room or (size == room and last):
            spans.append((text, role))
            room -= size
            continue
        if size == room:
            # Something follows that has no room: its ellipsis takes this span's last cell.
            text += "…"
        spans.append((fit(text, room), role))
        break
    return tuple(spans)


def spread(left: Line, right: Line, width: int) -> Line:
    """`left` and, pushed to the right edge, `right`.

    Where both have no room `left` is cut; where too little would remain of it, `right` is left out.
    """
    room = width - cells(right)
    if not right or room < 8:
        return clip(left, width)
    left = clip(left, room - 2)
    return (*left, (" " * (room - cells(left)), "text"), *right)
