"""Lengths of time as people write them: 30m, 12h, 8w."""

from __future__ import annotations

import re

from mato_sessions.errors import UsageError

_UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(text: str, what: str) -> int:
    """How long `text` is; `what` it is to be stands in the refusal.

    Raises:
        UsageError: it is no number with one of the units.
    """
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no {what}; give a number and m, h, d or w, such as 30d")
    return int(found[1]) * _UNITS_S[found[2]]
