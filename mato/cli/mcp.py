"""`mato mcp`: servers of tools, resources and prompts; what they offer is agreed to before use."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from mato_sessions.errors import ConfigError, MatoError, UnknownName, UsageError

TYPE_CHECKING = False  # the listing needs no processes
if TYPE_CHECKING:
    from mato.mcp.connection import Connection
    from mato.mcp.pins import Offers
    from mato.mcp.servers import Server

app = typer.Typer(help="Set up MCP servers whose tools agents may use.", no_args_is_help=True)

_T = TypeVar("_T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ServerName = Annotated[str, typer.Argument(metavar="NAME", help="The server's name.")]
_SHOWN_CHARS = 400


@app.command("list")
def listing(as_json: Json = False) -> int:
    """List the servers, and whether agents are offered their tools."""
    from mato.cli import output
    from mato.config.paths import find
    from mato.mcp import pins, servers

    paths = find()
    known, agreed = servers.load(paths), pins.load(paths)
    rows: list[dict[str, Any]] = []
    for name, server in known.sound.items():
        pin = agreed.get(name)
        state = "new" if pin is None else "pinned" if pin.server == server.digest() else "changed"
        count = len(pin.offers.tools) if pin else None
        where = server.command or server.url
        rows.append({"name": name, "state": state, "tools": count, "server": where})
    rows += [
        {"name": name, "state": "broken", "tools": None, "server": why}
        for name, why in known.broken.items()
    ]
    if as_json:
        output.say_json(rows)
    elif rows:
        cells = [(row["name"], row["state"], _count(row["tools"]), row["server"]) for row in rows]
        output.table(("NAME", "STATE", "TOOLS", "SERVER"), cells, give=3)
    else:
        output.note("no MCP server is set up; `mato mcp add NAME --command …` does so")
    return 0


@app.command()
def add(
    name: ServerName,
    command: Annotated[str, typer.Option("--command", help="The program's command line.")] = "",
    url: Annotated[str, typer.Option("--url", help="Its address (streamable HTTP).")] = "",
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="VARIABLE", help="It is handed in.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="NAME=VARIABLE", help="A header from a variable."),
    ] = None,
    read: Annotated[
        list[str] | None, typer.Option("--read", metavar="D", help="A folder that it reads.")
    ] = None,
    write: Annotated[
        list[str] | None, typer.Option("--write", metavar="D", help="A folder that it writes.")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", metavar="HOST", help="It is reached.")
    ] = None,
) -> int:
    """Set a server up. It is offered to nobody before `mato mcp pin NAME`."""
    from mato.cli import output
    from mato.config.paths import find
    from mato.mcp import servers

    headers: dict[str, str] = {}
    for each in header or ():
        key, equals, variable = each.partition("=")
        if not equals:
            raise UsageError(f"--header {each!r} names no variable; write NAME=VARIABLE")
        headers[key.strip()] = variable.strip()
    made = servers.Server(
        command=command,
        url=url,
        env=tuple(env or ()),
        headers=headers,
        read=tuple(read or ()),
        write=tuple(write or ()),
        network=tuple(network or ()),
    )
    file = servers.save(find(), name, made)
    output.say(f"set up: {file}")
    output.note(f"`mato mcp pin {name}` starts it, shows what it offers, and asks")
    return 0


@app.command()
def remove(name: ServerName) -> int:
    """Remove a server and what was agreed about it."""
    from mato.cli import output
    from mato.config.paths import find
    from mato.mcp import pins, servers

    paths = find()
    known = servers.load(paths)
    if name not in known.broken:
        known.get(name)
    (servers.folder(paths) / f"{name}.toml").unlink(missing_ok=True)
    agreed = pins.load(paths)
    if agreed.pop(name, None) is not None:
        pins.save(paths, agreed)
    output.say(f"removed: {name}; agents that have its tools keep them until they end")
    return 0


@app.command()
def pin(
    name: ServerName,
    yes: Annotated[bool, typer.Option("--yes", help="Agree without being asked.")] = False,
) -> int:
    """Start a server, show what it offers and what changed, and offer that to new agents."""
    from mato.cli import output
    from mato.config.paths import find
    from mato.mcp import pins, servers

    paths = find()
    server = servers.load(paths).get(name)
    agreed = pins.load(paths)
    before = agreed.get(name)
    output.note(f"starting {name}: {server.command or server.url}")
    offers = _with(name, server, lambda connection: connection.offers())
    _show(offers)
    if before is not None:
        changes = before.offers.changed(offers)
        if before.server != server.digest():
            changes.insert(0, "~ the server's command, address, or what is opened to it")
        for line in changes:
            output.say(line)
        if not changes:
            output.say("as it was agreed to; nothing changed")
            return 0
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to agree; look at it, then say --yes")
        print("May agents use these? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            output.note("mato: nothing changed")
            return 1
    agreed[name] = pins.Pin(server.digest(), offers)
    pins.save(paths, agreed)
    output.say(f"pinned: {name}; new agents are offered {pins.names(offers.tools)}")
    return 0


@app.command()
def show(name: ServerName, as_json: Json = False) -> int:
    """Show what was agreed about a server, without starting it."""
    import msgspec

    from mato.cli import output
    from mato.config.paths import find
    from mato.mcp import pins, servers
    from mato.sandbox.hole import tell

    paths = find()
    server = servers.load(paths).get(name)
    found = pins.load(paths).get(name)
    if as_json:
        pinned = None if found is None else msgspec.to_builtins(found.offers)
        same = found is not None and found.server == server.digest()
        output.say_json(
            {"name": name, "server": msgspec.to_builtins(server), "pinned": same, "offers": pinned}
        )
        return 0
    output.say(f"{name}: {server.command or server.url}")
    for line in tell(server.hole):
        output.say(f"  {line}")
    if found is None:
        output.note(f"nobody agreed to what it offers; `mato mcp pin {name}`")
    else:
        _show(found.offers)
    return 0


@app.command()
def prompt(
    name: ServerName,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="Its name; none: a list.")] = "",
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="What it takes.")
    ] = None,
) -> int:
    """Print a prompt of a server, ready for `mato send S -`; without its name, what there is."""
    from mato.config.paths import find
    from mato.mcp import pins, servers
    from mato.mcp.wire import Text
    from mato.text import display

    paths = find()
    server = servers.load(paths).get(name)
    found = pins.load(paths).get(name)
    if found is None or found.server != server.digest():
        raise ConfigError(f"{name} is not pinned as it is; `mato mcp pin {name}` first")
    if not found.offers.prompts:
        raise UnknownName(f"{name} has no prompts")
    given: dict[str, Any] = {}
    for each in arguments or ():
        key, equals, value = each.partition("=")
        if not equals:
            raise UsageError(f"{each!r} is no KEY=VALUE")
        given[key] = value
    method = "prompt" if prompt else "prompts"
    offers = found.offers
    parts = _with(name, server, lambda line: line.ask(method, prompt, given), offers)
    print(display("\n\n".join(part.text for part in parts if isinstance(part, Text))))
    return 0


def _count(tools: int | None) -> str:
    return "–" if tools is None else str(tools)


def _show(offers: Offers) -> None:
    from mato.cli import output

    output.say(offers.server or "(it does not say what it is)")
    for tool in offers.tools:
        description = " ".join(tool.description.split())
        more = "…" if len(description) > _SHOWN_CHARS else ""
        output.say(f"  {tool.name}  {description[:_SHOWN_CHARS]}{more}")
    if offers.resources:
        output.say("  and resources to read")
    if offers.prompts:
        output.say("  and prompts for `mato mcp prompt`")


def _with(
    name: str,
    server: Server,
    ask: Callable[[Connection], Awaitable[_T]],
    agreed: Offers | None = None,
) -> _T:
    """What a server says, started for this alone."""
    import os
    from pathlib import Path

    from mato.config.load import load
    from mato.config.paths import find
    from mato.mcp.connection import ServerFault
    from mato.mcp.toolbox import Place, Toolbox
    from mato.sandbox.sandbox import Sandbox

    paths = find()
    sandbox = Sandbox((paths.state, paths.config, paths.runtime), paths.state / "put-aside")
    place = Place(Path.cwd(), lambda: os.environ, load(paths).sandbox.tier)

    async def once() -> _T:
        async with Toolbox(paths, sandbox, lambda pid, purpose, marker: lambda: None) as toolbox:
            connection = toolbox.connection(name, server, agreed, place)
            try:
                return await ask(connection)
            finally:
                await connection.close()

    try:
        return asyncio.run(once())
    except* ServerFault as faults:
        raise MatoError(str(faults.exceptions[0])) from None
