"""The commands that look after the record: verify, backup, restore, archive, gc."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mato.cli.duration import seconds
from mato_sessions.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def verify(
    session: Annotated[str, typer.Argument(metavar="[S]", help="A session's name or id.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All sessions (the default).")] = False,
    anchor: Annotated[
        str, typer.Option("--anchor", metavar="FILE", help="Your own copy of the heads.")
    ] = "",
    as_json: Json = False,
) -> int:
    """Check the record: file, events, hash chain, blobs, calls, anchors. Exit 6 if it is damaged.

    It reads the journal's file, whether a daemon runs or not. With --anchor it is also checked
    against FILE, into which the heads are written when all is well.
    """
    from mato.cli import checking

    if session and every:
        raise UsageError("give a session or --all, not both")
    return checking.verify(session, Path(anchor) if anchor else None, as_json=as_json)


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
) -> int:
    """Copy the journal as it is now into FILE, also while agents work, and check the copy."""
    from mato.cli import checking

    return checking.backup(Path(file), force=force)


def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `mato backup` wrote.")],
    yes: Yes = False,
) -> int:
    """Go back to a backup; only while no daemon runs. The journal from before is kept."""
    from mato.cli import checking

    return checking.restore(Path(file), yes=yes)


def archive(
    session: Annotated[str, typer.Argument(metavar="S", help="A session's name or id.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
) -> int:
    """Put a session away: it is listed apart and takes no prompts; its record stays."""
    from mato.cli import requests

    requests.request("session.archive", {"session": session, "archived": not undo})
    return 0


def gc(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Such as 30d, 12h or 8w.")
    ],
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Delete what was said and done in archived sessions that are older; show it and ask first.

    Listings, the hash chain and what a fork needs stay.
    """
    from mato.cli import purging

    return purging.gc(seconds(older_than, "age"), yes=yes, as_json=as_json)
