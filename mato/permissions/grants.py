"""What a person's yes for a session covers, and whether a call is covered; pure.

A grant names less than what was asked about could become: a command with its sub-command as the
judge understands it, the folder of a file. What is not understood, has a redirection to a file or
may make programs run is covered by nothing, so it can only be allowed once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from mato.shell import judge
from mato.shell.commands import Found, classify
from mato.shell.paths import outside, protected, secret
from mato_sessions.events.permission import Action, Pattern
from mato_sessions.grants import Grant


class Standing(msgspec.Struct, frozen=True):
    """What people have said about an agent since it began, as it is in this moment."""

    grants: tuple[Grant, ...] = ()
    """None that has expired."""
    killed: bool = False
    """It is being ended: nothing of it is allowed any more."""


def patterns(action: Action, resource: str, *, held: bool) -> tuple[Pattern, ...]:
    """What a yes for the session would cover; none where the call can only be allowed once.

    `held`: commands run in a sandbox that holds them, so tests and builds can be named together.
    """
    match action:
        case "write":
            return _of_path(resource)
        case "execute":
            return _of_line(resource, held)
        case "reach":
            return (Pattern("reach", reached),) if (reached := _reached(resource)) else ()
        case "read" | "spawn" | "note":
            return ()


def covering(grants: Sequence[Grant], action: Action, resource: str, *, held: bool) -> Grant | None:
    """The oldest grant that covers a call, with the help of the others where it takes several."""
    mine = [grant for grant in grants if grant.action == action]
    if not mine:
        return None
    match action:
        case "write":
            return next((each for each in mine if _has_path(each, resource)), None)
        case "execute":
            return _with_line(mine, resource, held)
        case "reach":
            wanted = Pattern("reach", _reached(resource))
            return next((each for each in mine if wanted.name and wanted in each.patterns), None)
        case "read" | "spawn" | "note":
            return None


def words(found: Sequence[Pattern]) -> str:
    """What patterns cover, for people; "" of none."""
    commands = [each.name for each in found if each.kind == "command"]
    said = [_WORDS[each.kind].format(each.name) for each in found if each.kind != "command"]
    if commands:
        said.append(f"{', '.join(commands)}, with any arguments inside the workspace")
    return "; ".join(said)


_WORDS = {
    "tests": "the project's own tests, builds and scripts, in the sandbox",
    "line": "exactly: {}",
    "file": "writing {}",
    "folder": "writing files in {}/ and below",
    "reach": "requests to {}, whatever they say",
}


def _of_path(path: str) -> tuple[Pattern, ...]:
    tidy = _tidy(path)
    if not tidy:
        return ()
    folder = posixpath.dirname(tidy)
    return (Pattern("folder", folder) if folder else Pattern("file", tidy),)


def _reached(resource: str) -> str:
    """Who is asked: a server's tool or a site, without what it is asked; "" where that is unclear.

    >>> _reached('mcp:github/search {"q":"mato"}')
    'mcp:github/search'
    >>> _reached("https://docs.python.org/3/library/?q=a")
    'https://docs.python.org'
    """
    first = resource.split(" ", 1)[0]
    if first.startswith("mcp:"):
        return first
    try:
        address = urlsplit(first)
        port = address.port
    except ValueError:
        return ""
    if not address.scheme or not address.hostname or address.username is not None:
        return ""
    return f"{address.scheme}://{address.hostname}{f':{port}' if port else ''}"


def _tidy(path: str) -> str:
    """The path in one spelling; empty where no grant covers it."""
    if not path or "\0" in path or outside(path) or secret(path) or protected(path):
        return ""
    tidy = posixpath.normpath(path)
    return "" if tidy == "." else tidy


def _has_path(grant: Grant, path: str) -> bool:
    tidy = _tidy(path)
    return bool(tidy) and any(
        tidy == each.name if each.kind == "file" else tidy.startswith(f"{each.name}/")
        for each in grant.patterns
        if each.kind in ("file", "folder")
    )


def _of_line(line: str, held: bool) -> tuple[Pattern, ...]:
    found = _understood(line)
    if any(each.kind == "out" for each in found):
        return (Pattern("line", line),)
    more = [each for each in found if each.kind != "read"] or found
    made = [
        Pattern("tests") if each.tests and held else Pattern("command", each.key) for each in more
    ]
    return tuple(dict.fromkeys(made))


def _with_line(grants: Sequence[Grant], line: str, held: bool) -> Grant | None:
    found = _understood(line)
    if not found:
        return None
    if any(each.kind == "out" for each in found):
        exactly = Pattern("line", line)
        return next((each for each in grants if exactly in each.patterns), None)
    oldest: Grant | None = None
    for each in found:
        wanted = Pattern("command", each.key)
        tests = Pattern("tests") if each.tests and held else wanted
        grant = next((one for one in grants if {wanted, tests} & {*one.patterns}), None)
        if grant is None and each.kind != "read":
            return None
        oldest = oldest or grant
    return oldest


def _understood(line: str) -> list[Found]:
    """What each command of a line does; empty where a grant must not be about it."""
    verdict = judge(line)
    if verdict.kind == "unknown":
        return []
    if verdict.kind != "out" and any(command.writes for command in verdict.commands):
        return []  # no words of a command say which file that is
    return [classify(command) for command in verdict.commands]
