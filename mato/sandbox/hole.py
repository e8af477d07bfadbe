"""What a profile opens in the sandbox of its agents: checked, found on the disk, and told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from mato.config import hosts
from mato.sandbox.visible import SYSTEM
from mato_sessions.errors import ConfigError
from mato_sessions.events.agent import Hole

_NEVER = tuple(map(Path, ("/", "/proc", "/sys", "/dev", "/root", "/home", "/etc", "/run", "/var")))
"""Too much, or the kernel's own."""


class Opened(msgspec.Struct, frozen=True):
    """The places of a hole; each with what is there and where it is shown."""

    read: tuple[tuple[Path, Path], ...] = ()
    write: tuple[tuple[Path, Path], ...] = ()


def check(hole: Hole, where: str) -> None:
    """Hold what a profile says against what can be said.

    Raises:
        ConfigError: a path, host or variable is none, or is never opened.
    """
    for path in (*hole.read, *hole.write):
        if not path.startswith(("/", "~/")) or "\0" in path or ".." in path.split("/"):
            raise ConfigError(f"{where}: {path!r} opens nothing; write it from / or ~/ on")
        if Path(os.path.normpath(path)) in _NEVER or not path.strip("~/"):
            raise ConfigError(f"{where}: {path!r} is too much to open; name what is needed in it")
    for name in hole.env:
        if not name.isidentifier() or not name.isascii() or name.startswith(("LD_", "MATO_")):
            raise ConfigError(f"{where}: {name!r} is no variable that can be handed in")
    hosts.parse(hole.network, where)


def opened(hole: Hole, home: Path, hidden: Iterable[Path]) -> Opened:
    """The places as they are now. Makes the folders to be written to that are missing.

    Raises:
        ConfigError: one of them would show what is never shown.
    """
    away = [path.resolve() for path in hidden]
    return Opened(
        _places(hole.read, home, away, make=False), _places(hole.write, home, away, make=True)
    )


def _places(
    paths: Sequence[str], home: Path, away: Sequence[Path], *, make: bool
) -> tuple[tuple[Path, Path], ...]:
    found: list[tuple[Path, Path]] = []
    for path in paths:
        shown = home / path[2:] if path.startswith("~/") else Path(path)
        if make and path.endswith("/"):
            shown.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not shown.exists():
            continue
        real = shown.resolve()
        system = any(real.is_relative_to(top) for top in SYSTEM) and make
        hides = any(real.is_relative_to(each) or each.is_relative_to(real) for each in away)
        if hides or system or real in _NEVER or home.is_relative_to(real):
            raise ConfigError(
                f"the hole {path!r} leads to {str(real)!r}, which no agent is shown; name another "
                "place in the profile"
            )
        found.append((real, shown))
    return tuple(found)


def widened(hole: Hole, network: Sequence[str]) -> Hole:
    """A hole with more hosts."""
    return replace(hole, network=tuple(dict.fromkeys((*hole.network, *network))))


def within(hole: Hole, outer: Hole) -> Hole:
    """What of a hole is in another, so that nobody who is started by an agent has more than it."""
    return Hole(
        read=tuple(path for path in hole.read if path in (*outer.read, *outer.write)),
        write=tuple(path for path in hole.write if path in outer.write),
        network=tuple(host for host in hole.network if host in outer.network),
        env=tuple(name for name in hole.env if name in outer.env),
    )


def tell(hole: Hole) -> list[str]:
    """What is opened, a line each, for the person who starts such an agent; [] for nothing."""
    said: list[str] = []
    for verb, what in (
        ("reads", hole.read),
        ("reads and writes", hole.write),
        ("reaches over the network", hole.network),
        ("is handed the variables", hole.env),
    ):
        if what:
            said.append(f"{verb} {', '.join(what)}")
    return said
