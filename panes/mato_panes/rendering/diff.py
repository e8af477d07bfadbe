"""Unified diffs: a bold gutter of + and −, line numbers where there is room."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mato.text import display
from mato_panes.rendering.line import Line, Role, clip
from mato_panes.rendering.wrapping import wrap

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(.*)")
NUMBERS_FROM = 56
"""Narrower than this, numbers would take room that the code needs."""


def diff(text: str, width: int, prefix: Line, title: str = "") -> Iterator[Line]:
    """The lines of a unified diff, one by one, so that a reader of the first few pays for those.

    Every changed and context line is there in full, wrapped; of the headers only the path, unless
    the title that stands above says it already.
    """
    old = new = 0  # numbers of the next lines
    old_left = new_left = 0  # lines that the hunk still has
    numbered = width >= NUMBERS_FROM
    for source in text.removesuffix("\n").split("\n"):
        line = display(source.removesuffix("\r")).expandtabs(4)
        if old_left > 0 or new_left > 0:
            mark, content = line[:1], line[1:]
            if mark == "+":
                yield from _changed("+", "added", content, new, width, prefix, numbered)
                new, new_left = new + 1, new_left - 1
                continue
            if mark == "-":
                yield from _changed("-", "removed", content, old, width, prefix, numbered)
                old, old_left = old + 1, old_left - 1
                continue
            if mark in (" ", ""):
                yield from _changed(" ", "output", content, new, width, prefix, numbered)
                old, new = old + 1, new + 1
                old_left, new_left = old_left - 1, new_left - 1
                continue
        if hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[3])
            old_left = int(hunk[2]) if hunk[2] else 1
            new_left = int(hunk[4]) if hunk[4] else 1
            where = f"@@ {new}{hunk[5]}"
            yield clip((*prefix, (where, "hunk")), width)
        elif line.startswith("+++ "):
            path = line[4:].removeprefix("b/").split("  ")[0]
            if path != "/dev/null" and path not in title:
                yield from wrap([(path, "dim")], width, first=prefix, words=False)
        elif line.startswith("--- "):
            continue
        elif line:
            yield from wrap([(line, "dim")], width, first=prefix, words=False)


def _changed(
    mark: str, role: Role, content: str, number: int, width: int, prefix: Line, numbered: bool
) -> list[Line]:
    marks: dict[str, Role] = {"+": "added-mark", "-": "removed-mark", " ": "faint"}
    gutter = f"{number:>4} " if numbered else ""
    first: Line = (*prefix, (gutter, "dim"), (f"{mark} ", marks[mark]))
    rest: Line = (*prefix, (" " * len(gutter), "dim"), (f"{mark} ", marks[mark]))
    return wrap([(content, role)], width, first=first, rest=rest, words=False)
