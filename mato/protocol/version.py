"""Which protocol this Mato speaks, and what it may ask of a daemon that speaks an older one.

Nothing may be imported here: hot commands load this file.
"""

from __future__ import annotations

PROTOCOL = 2
"""Grows with every change that an older client or daemon would misread."""
OLDEST = 1
"""Daemons from here on are still understood, to look at and to end."""
READABLE = frozenset(
    {
        "agent.wait",
        "daemon.status",
        "daemon.stop",
        "inbox.history",
        "inbox.list",
        "journal.blob",
        "journal.events",
        "permission.explain",
        "profile.list",
        "session.list",
        "subscribe",
        "trust.look",
    }
)
"""Methods that an older daemon is asked too: those that only observe, and the one that ends it."""


def older() -> range:
    """The protocols to try, the newest first, where a daemon does not speak this one."""
    return range(PROTOCOL - 1, OLDEST - 1, -1)


def differs(own: str, mato: str, protocol: int) -> str:
    """How a daemon is another Mato than this one (`own` is its version); "" where it is not."""
    if protocol != PROTOCOL:
        age = "an older" if protocol < PROTOCOL else "a newer"
        return f"{age} Mato ({mato}, protocol {protocol}) than this one ({own}, {PROTOCOL})"
    return f"another Mato ({mato}) than this one ({own})" if mato != own else ""


def read_only(mato: str, protocol: int) -> str:
    """Why nothing can be changed through a daemon of this version and protocol; "" where it can."""
    if protocol >= PROTOCOL:
        return ""
    return (
        f"the daemon is an older Mato ({mato}, protocol {protocol}), so this is read-only; "
        "`mato daemon restart` brings it up to date"
    )
