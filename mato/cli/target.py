"""How a session and an agent are named on the command line: ``S`` or ``S:AGENT``."""

from __future__ import annotations

from mato_sessions.errors import UsageError


def split(target: str) -> tuple[str, str]:
    """Session and agent of `target`; the agent is "" where only a session is named.

    Raises:
        UsageError: one of the two is empty.
    """
    session, colon, agent = target.partition(":")
    if not session or (colon and not agent):
        raise UsageError(f"{target!r} names no session; give SESSION or SESSION:AGENT")
    return session, agent
