"""A session's name is made from its task here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

LONGEST = 32
_FALLBACK = "session"


def name_from_task(task: str, taken: Container[str] = ()) -> str:
    """A name of at most 32 characters (a–z, 0–9, dashes) that is not in `taken`.

    ``Fix the login bug`` → ``fix-the-login-bug``, then ``fix-the-login-bug-2`` and so on.
    """
    base = _slug(task)
    name = base
    number = 2
    while name in taken:
        suffix = f"-{number}"
        name = base[: LONGEST - len(suffix)].rstrip("-") + suffix
        number += 1
    return name


def _slug(task: str) -> str:
    plain = unicodedata.normalize("NFKD", task[:400].casefold()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.replace("'", ""))
    slug = ""
    for word in words:
        longer = f"{slug}-{word}" if slug else word[:LONGEST]
        if len(longer) > LONGEST:
            break
        slug = longer
    return slug or _FALLBACK
