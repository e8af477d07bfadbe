"""Which session, agent or call a person means, and which names they may give."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from mato_sessions.errors import UnknownName, UsageError

LONGEST = 120
"""Characters of a name."""
_ID = re.compile(r"[a-z]-[0-9a-z]{10}-[0-9a-z]{8}")
"""What `mato_sessions.ids` makes."""


def find(what: str, query: str, candidates: Mapping[str, str]) -> str:
    """The id that `query` means among `candidates` (id → name).

    An id or a name is taken whole, an id also by any beginning that only one has.

    Raises:
        UnknownName: nothing has that name, or several ids begin so; the message offers the nearest.
    """
    if query in candidates:
        return query
    named = [key for key, name in candidates.items() if name == query]
    if len(named) == 1:
        return named[0]
    begun = [key for key in candidates if query and key.startswith(query)]
    if len(begun) == 1 and not named:
        return begun[0]
    if named or begun:
        several = ", ".join(sorted(named or begun)[:5])
        raise UnknownName(f"{query!r} means several {what}s: {several}; give one id")
    raise UnknownName(f"no {what} {query!r}; {_nearest(what, query, candidates)}")


def _nearest(what: str, query: str, candidates: Mapping[str, str]) -> str:
    if not candidates:
        return f"there is no {what} yet"
    names = list(dict.fromkeys(name or key for key, name in candidates.items()))
    by_folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(query.casefold()[:LONGEST], by_folded, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(repr(by_folded[name]) for name in near) + "?"
    shown = ", ".join(repr(name) for name in names[:5])
    return f"there {'is' if len(names) == 1 else 'are'} {shown}" + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )


def check(what: str, name: str, taken: Iterable[str] = ()) -> str:
    """`name`, if it can be the name of a new session or agent.

    What is merely odd to look at (bidi marks, emoji) is kept as given: views clean what they show.

    Raises:
        UsageError: it is empty, too long, taken, or could not be typed back: control characters,
            and ``:``, which stands between session and agent; or it looks like an id, and could
            be taken for another one.
    """
    if not name.strip():
        raise UsageError(f"the name of {_article(what)} cannot be empty; give it a few letters")
    if len(name) > LONGEST:
        raise UsageError(
            f"{name[:20]!r}… is too long a name ({len(name)} characters); at most {LONGEST}"
        )
    if name != name.strip():
        raise UsageError(f"{name!r} begins or ends with a space; take it away")
    for character in name:
        code = ord(character)
        if code < 0x20 or 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF:
            raise UsageError(f"{name!r} holds the control character {character!r}; leave it out")
    if ":" in name:
        raise UsageError(f"{name!r} holds ':', which divides session and agent; use '-' instead")
    if _ID.fullmatch(name):
        raise UsageError(f"{name!r} looks like an id, and ids come first; give another name")
    if name in set(taken):
        raise UsageError(f"there is {_article(what)} named {name!r} already; give another name")
    return name


def _article(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def number(name: str, taken: Iterable[str]) -> str:
    """`name`, or the first of ``name-2``, ``name-3`` … that is not taken."""
    others = set(taken)
    if name not in others:
        return name
    count = 2
    while f"{name}-{count}" in others:
        count += 1
    return f"{name}-{count}"
