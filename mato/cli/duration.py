"""Lengths of time on the command line: 30m, 12h, 8w."""

from __future__ import annotations

from mato.config.duration import parse
from mato_sessions.errors import UsageError


def seconds(text: str, what: str) -> int:
    """How long `text` is; `what` it is to be stands in the refusal.

    Raises:
        UsageError: it is no number with one of the units.
    """
    if (length_s := parse(text)) is None:
        raise UsageError(f"{text!r} is no {what}; give a number and m, h, d or w, such as 30d")
    return length_s
