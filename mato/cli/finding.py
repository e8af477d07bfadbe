"""What a check of `mato doctor` found, and how it is printed."""

from __future__ import annotations

import textwrap
from typing import Literal, NamedTuple

from mato.cli import output

MARKS = {"ok": "✓", "note": "·", "fault": "✗"}
_INDENT = 15


class Finding(NamedTuple):
    """What a check found. `fix` says what to do, "" where nothing is to be done."""

    check: str
    level: Literal["ok", "note", "fault"]
    text: str
    fix: str = ""


def say(finding: Finding) -> None:
    """Print it for people, in lines that fit; what has no blank (a path) is left whole."""
    first, *more = _lines(finding.text)
    output.say(f"{MARKS[finding.level]} {finding.check:<{_INDENT - 3}} {first}")
    for line in more:
        output.say(f"{'':{_INDENT}}{line}")
    for number, line in enumerate(_lines(finding.fix) if finding.fix else ()):
        output.say(f"{'':{_INDENT - 1}}{' ' if number else '→'} {line}")


def _lines(text: str) -> list[str]:
    room = max(output.width() - _INDENT - 1, 20)
    found = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return found or [""]
