"""What is done to agents and sessions that are there, by typer: go on, rename, stop, end."""

from __future__ import annotations

from typing import Annotated

import typer

from mato_sessions.errors import UsageError


def resume(
    target: Annotated[
        str, typer.Argument(metavar="[S[:AGENT]]", help="Without one: all that are paused.")
    ] = "",
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="B",
            help="What they may use in all from now on, as in `mato new`: calls=80,cost=2.",
        ),
    ] = None,
) -> int:
    """Let paused agents go on, with this terminal's keys."""
    from mato.cli import recovering

    return recovering.resume(target, budget)


def rename(
    session: Annotated[str, typer.Argument(metavar="S", help="A session's name or id.")],
    name: Annotated[str, typer.Argument(metavar="NAME")],
) -> int:
    """Give a session another name."""
    from mato.cli import requests

    return requests.rename(session, name)


def stop(
    target: Annotated[
        str, typer.Argument(metavar="S[:AGENT]", help="A session, or an agent in it.")
    ],
) -> int:
    """End the current turn; the agent stays."""
    from mato.cli import requests

    return requests.stop(target)


def kill(
    target: Annotated[str, typer.Argument(metavar="[S[:AGENT]]")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Every agent, with all processes, at once.")
    ] = False,
) -> int:
    """End an agent, all agents of a session, or with --all everything; the record stays."""
    from mato.cli import killing, requests

    if everything == bool(target):
        raise UsageError("name a session or an agent, or say --all (one of the two)")
    return killing.kill_all() if everything else requests.kill(target)
