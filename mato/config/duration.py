"""Durations as people write them in settings: ``90s``, ``30m``, ``24h``, ``7d``, ``never``."""

from __future__ import annotations

import re

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MOST_S = 365 * 86_400


def seconds(text: str) -> float:
    """The duration in seconds; 0 for ``never``.

    Raises:
        ValueError: it is none, is no longer than nothing, or longer than a year.
    """
    if text.strip().lower() == "never":
        return 0.0
    found = re.fullmatch(r"(\d{1,9})\s*([smhd])", text.strip().lower())
    length_s = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < length_s <= _MOST_S:
        raise ValueError(f"{text!r} is no duration; write it as '30m', '24h' or '7d', or 'never'")
    return float(length_s)
