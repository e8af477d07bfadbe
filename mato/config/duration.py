"""Lengths of time as people write them: ``30m``, ``12h``, ``7d``, ``8w``."""

from __future__ import annotations

import re

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse(text: str) -> int | None:
    """The length in seconds; None where the text is none."""
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip())
    return int(found[1]) * _UNITS_S[found[2]] if found is not None else None


def timeout_s(text: str) -> int:
    """How long something waits; 0 for ``never``.

    Raises:
        ValueError: it is no length of time, or none at all.
    """
    if text.strip().lower() == "never":
        return 0
    if not (length_s := parse(text)):
        raise ValueError(f"{text!r} is no length of time; write '30m', '24h', '7d' or 'never'")
    return length_s
