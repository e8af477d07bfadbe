"""The MCP servers that a person set up: one TOML file each in the config folder's ``mcp/``.

::

    command = "npx -y @modelcontextprotocol/server-filesystem ."
    env = ["GITHUB_TOKEN"]
    network = ["api.github.com"]

A file holds no secret: it names the variables in which the secrets are. Nothing of a project adds a
server; what a server is, and what it offers, is pinned by `mato mcp pin` (see `mato.mcp.pins`).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from mato.config.files import write
from mato.config.load import check, read_toml
from mato.config.paths import Paths, private
from mato.sandbox import hole
from mato_sessions.errors import ConfigError, UnknownName
from mato_sessions.events.agent import Hole

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a server is reached: a program on its stdin and stdout, or an address."""

    command: str = ""
    """The program's command line, split as a shell splits words."""
    url: str = ""
    """Of one that speaks streamable HTTP."""
    env: tuple[str, ...] = ()
    """Names of the variables that the program gets, besides those that every command gets."""
    headers: dict[str, str] = {}
    """HTTP header → name of the variable that holds its value."""
    read: tuple[str, ...] = ()
    """Folders outside of the workspace that it reads."""
    write: tuple[str, ...] = ()
    """Folders outside of the workspace that it writes."""
    network: tuple[str, ...] = ()
    """Hosts that the program reaches; that of `url` goes without saying."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """How long a call may take."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of `command`."""
        return tuple(shlex.split(self.command))

    @property
    def hole(self) -> Hole:
        """What is opened in its sandbox; the address of `url` goes without saying."""
        own: list[str] = []
        if self.url:
            address = urlsplit(self.url)
            port = address.port or (443 if address.scheme == "https" else 80)
            own.append(f"{address.hostname}:{port}")
        return Hole(self.read, self.write, tuple(dict.fromkeys((*self.network, *own))), self.env)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables whose values it is given."""
        return tuple(dict.fromkeys((*self.env, *self.headers.values())))

    def digest(self) -> str:
        """SHA-256 of what it is, in hex: another command or address is another server."""
        plain = {**msgspec.to_builtins(self), "timeout_s": 0}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


class Servers(msgspec.Struct, frozen=True):
    """What the folder holds, by name; a name is in one of the two."""

    sound: Mapping[str, Server]
    broken: Mapping[str, str]
    """Why the file is no server: one sentence with file and reason."""

    def get(self, name: str) -> Server:
        """The server of this name.

        Raises:
            ConfigError: its file is none.
            UnknownName: there is no such server.
        """
        if found := self.sound.get(name):
            return found
        if why := self.broken.get(name):
            raise ConfigError(why)
        near = difflib.get_close_matches(name, self.sound, n=1)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"there are {', '.join(self.sound)}"
            if self.sound
            else "`mato mcp add` sets one up"
        )
        raise UnknownName(f"no MCP server is called {name!r}; {hint}")


def folder(paths: Paths) -> Path:
    """Where the files are."""
    return paths.config / "mcp"


def load(paths: Paths) -> Servers:
    """All servers that are set up; a file that is none stops nobody but who asks for it."""
    sound: dict[str, Server] = {}
    broken: dict[str, str] = {}
    place = folder(paths)
    for file in sorted(place.glob("*.toml")) if place.is_dir() else ():
        try:
            sound[file.stem] = parse(file.stem, read_toml(file), str(file))
        except ConfigError as error:
            broken[file.stem] = str(error)
    return Servers(sound, broken)


def parse(name: str, data: Mapping[str, Any], where: str) -> Server:
    """The server that a file describes.

    Raises:
        ConfigError: it is none; the message names file and reason.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: {name!r} is no name of a server; use up to 24 small letters, digits and -"
        )
    check(data, Server, where)
    found = msgspec.convert(data, Server)
    if bool(found.command) == bool(found.url):
        raise ConfigError(f"{where}: a server has either a command or a url")
    try:
        argv = found.argv
        address = urlsplit(found.url)
        port = address.port
    except ValueError as error:
        raise ConfigError(
            f"{where}: {found.command or found.url!r} cannot be read: {error}"
        ) from None
    if found.command and not (argv and argv[0]):
        raise ConfigError(f"{where}: its command names no program")
    if found.url:
        local = address.hostname in ("127.0.0.1", "localhost", "::1")
        if address.scheme not in (("http", "https") if local else ("https",)):
            raise ConfigError(f"{where}: its url is no https:// address: {found.url!r}")
        if not address.hostname or address.username or address.password or port == 0:
            raise ConfigError(f"{where}: its url names no host, or holds a password: {found.url!r}")
    if found.headers and not found.url:
        raise ConfigError(f"{where}: only a server with a url is sent headers")
    for variable in found.variables:
        if not _VARIABLE.fullmatch(variable):
            raise ConfigError(
                f"{where}: {variable!r} is no name of a variable; name the variable that holds the "
                "value, never the value"
            )
    hole.check(found.hole, where)
    return found


def save(paths: Paths, name: str, server: Server) -> Path:
    """Write a server's file; returns it.

    Raises:
        ConfigError: that is no server, there is one of this name, or the disk does not take it.
    """
    file = folder(paths) / f"{name}.toml"
    default = Server()
    given = {
        field: value
        for field, value in msgspec.to_builtins(server).items()
        if value != getattr(default, field) and value not in ((), [])
    }
    parse(name, given, str(file))
    if file.exists():
        raise ConfigError(f"{str(file)!r} is there already; `mato mcp remove {name}` first")
    private(file.parent)
    write(file, _spelled(given).encode())
    return file


def _spelled(given: Mapping[str, Any]) -> str:
    """As TOML: a JSON text is a TOML one but for DEL, and so is a list of them."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in given.items() if key != "headers"]
    headers: Mapping[str, str] = given.get("headers", {})
    if headers:
        lines += ["", "[headers]"]
        lines += [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in headers.items()]
    return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"
