"""Markdown tables: columns aligned, narrowed and wrapped until they fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from mato_panes.rendering.inline import inline
from mato_panes.rendering.line import Line, Role, Span, cells
from mato_panes.rendering.wrapping import wrap

_RULE = re.compile(r"\s*:?-{1,}:?\s*")
_LEAST_COLUMN = 4


def row(text: str) -> list[str]:
    """The cells of a source line."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", _inner(text))]


def _inner(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text.endswith("|") else text[1:]


def table(rows: list[list[str]], width: int, prefix: Line) -> list[Line] | None:
    """The table's lines; None where its columns cannot be made narrow enough."""
    ruled = len(rows) > 1 and all(_RULE.fullmatch(cell) for cell in rows[1])
    body = [rows[0], *rows[2:]] if ruled else rows
    columns = max(map(len, body))
    # A column that is nowhere wider than this is never made narrower.
    room = width - cells(prefix) - 2 * (columns - 1)
    if room < columns * _LEAST_COLUMN:
        return None
    role_of_head: Role = "strong" if ruled else "text"
    spans = [
        [inline(cell, role_of_head if number == 0 else "text") for cell in cells_of]
        for number, cells_of in enumerate(body)
    ]
    widths = [
        max((cells(tuple(line[column])) for line in spans if column < len(line)), default=0)
        for column in range(columns)
    ]
    widths = _narrowed([max(2, size) for size in widths], room)
    right = _right_aligned(rows[1]) if ruled else frozenset[int]()
    lines: list[Line] = []
    for number, line in enumerate(spans):
        wrapped = [
            wrap(line[column] if column < len(line) else [], widths[column])
            for column in range(columns)
        ]
        for parts in zip_longest(*wrapped, fillvalue=()):
            lines.append((*prefix, *_joined(parts, widths, right)))
        if number == 0 and ruled:
            lines.append((*prefix, ("  ".join("─" * size for size in widths), "faint")))
    return lines


def _right_aligned(rule: list[str]) -> frozenset[int]:
    """The columns whose rule ends with a colon alone: figures, mostly."""
    return frozenset(at for at, cell in enumerate(rule) if cell[-1:] == ":" != cell[:1])


def _joined(parts: Sequence[Line], widths: list[int], right: frozenset[int]) -> Iterator[Span]:
    """One row of cells, each filled up to its column's width but the last."""
    for column, part in enumerate(parts):
        if column:
            yield "  ", "text"
        pad = " " * (widths[column] - cells(part))
        if pad and column in right:
            yield pad, "text"
        yield from part
        if pad and column not in right and column < len(parts) - 1:
            yield pad, "text"


def _narrowed(widths: list[int], room: int) -> list[int]:
    """The widths with the widest cut down until all have room."""
    while (excess := sum(widths) - room) > 0:
        widest = max(widths)
        if widest <= 2:
            return widths
        at = [index for index, size in enumerate(widths) if size == widest]
        second = max((size for size in widths if size < widest), default=2)
        step = min(widest - second, max(1, excess // len(at)))
        for index in at:
            if sum(widths) <= room:
                break
            widths[index] -= step
    return widths
