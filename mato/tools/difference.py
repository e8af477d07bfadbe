"""What changed between two contents of a file, as a unified diff of bounded size."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator

_CONTEXT = 3
_COMPARED = 1_000
"""Lines a side. difflib is quadratic; beyond this the differing part is shown as replaced whole."""
_SHOWN_BYTES = 48 * 1024
CUT = "… the rest of this diff is not shown\n"
"""How a diff ends that is too long."""


def unified(path: str, before: str | None, after: str) -> str:
    """A diff that ``patch -p1`` takes, "" where nothing changed. `before` is None: a new file.

    Cut, and saying so, after 48 KiB.
    """
    old = _lines(before or "")
    new = _lines(after)
    if before is not None and old == new:
        return ""
    head = "/dev/null" if before is None else _name(f"a/{path}")
    parts = [f"--- {head}\n", f"+++ {_name(f'b/{path}')}\n"]
    size = 0
    for line in _hunks(old, new):
        text = line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        size += len(text.encode())
        if size > _SHOWN_BYTES:
            parts.append(CUT)
            break
        parts.append(text)
    return "".join(parts)


def counts(diff: str) -> str:
    """``+3 −1``: lines added and removed."""
    lines = diff.split("\n")[2:]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    more = " and more" if diff.endswith(CUT) else ""
    return f"+{added} −{removed}{more}"


def _lines(text: str) -> list[str]:
    """Lines with their ends. Only \\n ends a line: str.splitlines also takes U+2028 and others."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])


def _name(path: str) -> str:
    plain = path.isprintable() and not any(mark in path for mark in '"\\')
    return path if plain else json.dumps(path)


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    # What both share at their ends is cut off first: a small edit of a large file stays cheap.
    shortest = min(len(old), len(new))
    start = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    end = next((i for i in range(shortest - start) if old[-1 - i] != new[-1 - i]), shortest - start)
    first = max(start - _CONTEXT, 0)
    old_middle = old[first : len(old) - max(end - _CONTEXT, 0)]
    new_middle = new[first : len(new) - max(end - _CONTEXT, 0)]
    if max(len(old_middle), len(new_middle)) > _COMPARED:
        yield _header(first, len(old_middle), first, len(new_middle))
        lead, trail = start - first, min(end, _CONTEXT)
        yield from (f" {line}" for line in old_middle[:lead])
        yield from (f"-{line}" for line in old_middle[lead : len(old_middle) - trail])
        yield from (f"+{line}" for line in new_middle[lead : len(new_middle) - trail])
        yield from (f" {line}" for line in old_middle[len(old_middle) - trail :])
        return
    matcher = difflib.SequenceMatcher(None, old_middle, new_middle, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        yield _header(first + i1, i2 - i1, first + j1, j2 - j1)
        for kind, a1, a2, b1, b2 in group:
            if kind == "equal":
                yield from (f" {line}" for line in old_middle[a1:a2])
            else:
                yield from (f"-{line}" for line in old_middle[a1:a2])
                yield from (f"+{line}" for line in new_middle[b1:b2])


def _header(old: int, old_count: int, new: int, new_count: int) -> str:
    return f"@@ -{_range(old, old_count)} +{_range(new, new_count)} @@\n"


def _range(start: int, count: int) -> str:
    # An empty range names the line before it (POSIX diff -u).
    return f"{start + 1}" if count == 1 else f"{start + bool(count)},{count}"
