"""What a person has seen of an MCP server and agreed to: only that is offered to agents.

A server decides what its tools are called and what their descriptions say, and descriptions are
read by models as instructions. So both are kept as they were when the person pinned the server,
agents are given the kept ones, and a server that says something else than it did is not called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mato.config.files import write
from mato.config.paths import Paths, private
from mato_sessions.errors import ConfigError


class Offer(msgspec.Struct, frozen=True):
    """A tool of a server."""

    name: str
    description: str
    schema: dict[str, Any]
    """JSON Schema of its arguments."""

    def digest(self) -> str:
        """SHA-256 of all of it, in hex."""
        plain = json.dumps(msgspec.to_builtins(self), sort_keys=True)
        return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """All that a server offers, as it says itself."""

    server: str = ""
    """Its name and version, for people."""
    instructions: str = ""
    """What it tells models about itself; shown to people only."""
    tools: tuple[Offer, ...] = ()
    resources: bool = False
    """Whether it has resources to read."""
    prompts: bool = False
    """Whether it has prompts for people."""

    def changed(self, now: Offers) -> list[str]:
        """What `now` has that is not as here: a line each, for people; [] where nothing."""
        before = {tool.name: tool for tool in self.tools}
        after = {tool.name: tool for tool in now.tools}
        lines = [f"+ {name}" for name in sorted(after.keys() - before.keys())]
        lines += [f"- {name}" for name in sorted(before.keys() - after.keys())]
        for name in sorted(before.keys() & after.keys()):
            old, new = before[name], after[name]
            if old.description != new.description:
                lines.append(f"~ {name}: its description is another one")
            if old.schema != new.schema:
                lines.append(f"~ {name}: its arguments are other ones")
        return lines


class Pin(msgspec.Struct, frozen=True):
    """A server as a person agreed to it."""

    server: str
    """`Server.digest`."""
    offers: Offers


def file(paths: Paths) -> Path:
    """Where the pins are."""
    return paths.state / "mcp-pins.json"


def load(paths: Paths) -> dict[str, Pin]:
    """All pins, by the server's name.

    Raises:
        ConfigError: the file is damaged; nothing is offered on a guess.
    """
    place = file(paths)
    try:
        return msgspec.json.decode(place.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{str(place)!r} cannot be used ({error}); remove it and pin the servers again with "
            "`mato mcp pin`"
        ) from error


def save(paths: Paths, pins: Mapping[str, Pin]) -> None:
    """Keep `pins`, and no others.

    Raises:
        ConfigError: the disk does not take them.
    """
    place = file(paths)
    private(place.parent)
    write(place, msgspec.json.encode(dict(sorted(pins.items()))))


def names(offers: Iterable[Offer]) -> str:
    """The tools' names in a line."""
    return ", ".join(offer.name for offer in offers) or "no tools"
