"""`mato undo`: what a turn changed in files is shown as a diff, asked about, and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    Data = dict[str, Any]

_WORDS = {
    "changed": "goes back",
    "as_before": "is as before already",
    "refused": "stays",
    "undone": "is as before the turn",
}


def undo(
    target: Annotated[
        str, typer.Argument(metavar="S[:AGENT]", help="A session, or an agent in it.")
    ],
    turn: Annotated[
        str, typer.Option("--turn", metavar="T", help="Which turn (default: the newest).")
    ] = "",
    file: Annotated[
        list[str] | None, typer.Option("--file", metavar="F", help="Only this file; repeatable.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> int:
    """Put the files that a turn changed back to what they were before; show it and ask first.

    A file that somebody else has changed since stays as it is and is named: exit 1. What commands
    changed is not kept, so it cannot be undone.
    """
    from mato.cli import output
    from mato.cli.asking import agreed
    from mato.cli.requests import request
    from mato.cli.target import split

    session, agent = split(target)
    params: Data = {"session": session, "agent": agent, "turn": turn, "files": file}
    found = request("turn.undo", params)
    # Between the two the agent may go on: then the turn that was shown is meant.
    params["turn"] = found["turn"]
    possible = any(each["state"] == "changed" for each in found["files"])
    if not as_json:
        _show(found)
    if possible and (yes or (not as_json and agreed("put them back?", "`--yes` puts them back"))):
        params["apply"] = True
        found = request("turn.undo", params)
        if not as_json:
            _say(found["files"])
    if as_json:
        output.say_json(found)
    return 1 if any(each["state"] == "refused" for each in found["files"]) else 0


def _show(found: Data) -> None:
    from mato.cli import output

    output.say(f"turn {found['turn']} of {found['session']}:{found['agent']}")
    for each in found["files"]:
        for line in each.get("diff", "").splitlines():
            output.say(line)
    _say(found["files"])


def _say(files: list[Data]) -> None:
    from mato.cli import output

    for each in files:
        reason = f": {each['reason']}" if each.get("reason") else ""
        output.say(f"{each['path']}  {_WORDS[each['state']]}{reason}")
