"""What a person names on the command line: a session, an agent in it, a folder."""

from __future__ import annotations

import os

from mato_sessions.errors import UsageError


def folder(path: str = ".") -> str:
    """The folder that a person means, as an absolute path without links.

    Raises:
        UsageError: there is none, be it that the current one was deleted, or the journal cannot
            hold its name.
    """
    try:
        found = os.path.realpath(path)
    except OSError as error:
        raise UsageError("the current folder was deleted; go to one that exists") from error
    if not os.path.isdir(found):  # noqa: PTH112 (hot commands load this file)
        raise UsageError(f"{path!r} is not a folder; give one that exists")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the name of the folder {found!r} is not valid UTF-8, which the journal needs; "
            "rename it"
        ) from error
    return found


def split(target: str) -> tuple[str, str]:
    """Session and agent of `target`; the agent is "" in ``S``, where no ``:AGENT`` follows.

    Raises:
        UsageError: one of the two is empty.
    """
    session, colon, agent = target.partition(":")
    if not session or (colon and not agent):
        raise UsageError(f"{target!r} names no session; give SESSION or SESSION:AGENT")
    return session, agent
