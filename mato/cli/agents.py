"""`mato agents`: what can be started here, whether it is installed, and adding one of one's own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import Annotated, Any, Literal

import typer

from mato_sessions.errors import UnknownName, UsageError

app = typer.Typer(
    help="List the agents that can be started here, look at one, or add one.",
    invoke_without_command=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
_UNSAID: dict[str, Any] = {
    "command": [],
    "install": "",
    "tried": "",
    "flags": [],
    "opens": [],
    "program": "",
}
"""What a daemon of an older release does not say of a profile."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@app.callback()
def listing(context: typer.Context, as_json: Json = False) -> int:
    """List the agents that can be started here; `show` and `add` do what they say."""
    from mato.cli import output

    if context.invoked_subcommand is not None:
        if as_json:
            raise UsageError("--json is for the listing; put it behind the command")
        return 0
    found = _profiles()
    if as_json:
        output.say_json(found)
        return 0
    rows = [
        (p["name"], p["kind"], _state(p), p["mode"] or "–", p["origin"], p["description"])
        for p in found
    ]
    output.table(("PROFILE", "KIND", "STATE", "MODE", "FROM", "WHAT IT IS FOR"), rows, give=5)
    return 0


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")],
    as_json: Json = False,
) -> int:
    """Say all about one: its command, whether it is installed, what is opened to it."""
    from mato.cli import output

    profiles = _profiles()
    found = next((p for p in profiles if p["name"] == name), None)
    if found is None:
        names = ", ".join(p["name"] for p in profiles)
        raise UnknownName(f"there is no agent profile {name!r}; there are {names}")
    if as_json:
        output.say_json(found)
        return 0
    output.say(f"{found['name']}  {found['description']}")
    lines = [("kind", found["kind"]), ("from", found["origin"]), ("state", _state(found))]
    if found["command"]:
        lines.append(("command", shlex.join(found["command"])))
        if found["origin"] == "built-in":
            lines.append(("tried with", found["tried"] or "never tried by who wrote the profile"))
    lines += [("opened", line) for line in found["opens"]]
    if found["installed"] is False and found["install"]:
        lines.append(("install", found["install"]))
    for key, value in lines:
        for at, line in enumerate(output.wrapped(str(value), max(output.width() - 14, 20))):
            output.say(f"  {key if at == 0 else '':<10}  {line}")
    return 0


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, - and _.")],
    command: Annotated[str, typer.Option("--command", help="Its command line.")],
    kind: Annotated[Literal["acp"], typer.Option("--kind", help="What it speaks.")] = "acp",
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="VARIABLE", help="A variable that it gets; again for more."),
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option("--network", metavar="HOST", help="A host that it reaches; again for more."),
    ] = None,
    write: Annotated[
        list[str] | None,
        typer.Option("--write", metavar="PATH", help="What it may write beside the workspace."),
    ] = None,
) -> int:
    """Write a profile for a program of your own."""
    from mato.agents import profile
    from mato.cli import output
    from mato.config.paths import find

    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name; use small letters, digits, - and _")
    for variable in env or ():
        if not _VARIABLE.fullmatch(variable):
            raise UsageError(f"{variable!r} names no variable; give its name, not its value")
    path = find().profiles / f"{name}.md"
    opened = {"write": write or [], "network": network or [], "env": env or []}
    lines = [f"kind = {json.dumps(kind)}", f"command = {json.dumps(command)}", "", "[sandbox]"]
    lines += [f"{key} = {json.dumps(values)}" for key, values in opened.items()]
    text = "\n".join(["+++", *lines, "+++", ""])
    made = profile.parse(name, text, str(path), "user")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{str(path)!r} is there already; edit or remove it") from error
    output.say(f"{name} is in {path}; `mato new --agent {name}` starts it")
    if shutil.which(made.command[0]) is None:
        output.note(f"mato: {made.command[0]!r} is not on this terminal's PATH")
    return 0


def _profiles() -> list[dict[str, Any]]:
    """All profiles of this folder, with whether their program is on this terminal's PATH."""
    from mato.cli import output, target
    from mato.client import quick
    from mato.config.paths import find

    found = quick.request(find(), "profile.list", {"cwd": target.folder()}, start=True)
    for why in found["broken"]:
        output.note(f"mato: {why}")
    made: list[dict[str, Any]] = []
    for each in found["profiles"]:
        profile: dict[str, Any] = {**_UNSAID, **each}
        words = profile["command"]
        profile["installed"] = shutil.which(words[0]) is not None if words else None
        made.append(profile)
    return made


def _state(profile: dict[str, Any]) -> str:
    if profile["installed"] is None:
        return "built in"
    if not profile["installed"]:
        return "missing"
    return profile["program"] or "installed"
