"""What an agent may use, on the command line: cost=0.5,tokens=20000,wall=10m,calls=50,depth=1."""

from __future__ import annotations

import re
from typing import Any

from mato.config.duration import parse as length_s
from mato_sessions.errors import UsageError

_FORMS: dict[str, tuple[str, str]] = {
    "cost": ("cost_usd", "a sum in US dollars above 0, as in cost=0.5"),
    "tokens": ("tokens", "a whole number from 1, as in tokens=20000"),
    "calls": ("model_calls", "a number of model requests from 1, as in calls=50"),
    "wall": ("wall_s", "a length of time with s, m, h or d, as in wall=10m"),
    "depth": ("depth", "a number from 0 to 8, as in depth=1"),
}


def parse(text: str) -> dict[str, Any]:
    """The fields of `Allowance` that `text` names.

    Raises:
        UsageError: it says nothing, something twice, or something that is no budget.
    """
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, _, amount = (word.strip() for word in part.partition("="))
        if name not in _FORMS:
            known = ", ".join(f"{each}=…" for each in _FORMS)
            raise UsageError(f"{part.strip()!r} is no budget; give {known} with commas between")
        field, form = _FORMS[name]
        if field in found:
            raise UsageError(f"the budget names {name} twice; once is enough")
        if (value := _amount(name, amount)) is None:
            raise UsageError(f"{part.strip()!r} is no budget; give {form}")
        found[field] = value
    return found


def _amount(name: str, text: str) -> float | int | None:
    """The number; None where it is none, or out of bounds."""
    match name:
        case "cost":
            sound = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?|\.[0-9]{1,9}", text, re.ASCII)
            return float(text) or None if sound else None
        case "wall":
            if re.fullmatch(r"[0-9]{1,6}s", text, re.ASCII):
                return int(text[:-1]) or None
            return length_s(text) or None
        case "depth":
            return int(text) if re.fullmatch(r"[0-8]", text, re.ASCII) else None
        case _:
            sound = re.fullmatch(r"[0-9]{1,9}", text, re.ASCII)
            return int(text) or None if sound else None
