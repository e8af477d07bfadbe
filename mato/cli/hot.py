"""The plain forms of the commands that are called often, recognised without typer.

Only forms that need no explanation are taken here; anything else, right or wrong, is left to
typer, so that there is one place for help and for usage errors.
"""

from __future__ import annotations

import gc
import os


def recognises(argv: list[str]) -> bool:
    """Whether `run` takes this command line."""
    match argv:
        case ["ls" | "inbox"] | ["ls" | "inbox", "--json"]:
            return True
        case ["daemon", "status"] | ["daemon", "status", "--json"]:
            return True
        case ["send", target, text]:
            return not target.startswith("-") and (text == "-" or not text.startswith("-"))
        case ["approve" | "deny", call]:
            return not call.startswith("-")
        case _:
            return _opens(argv)


def _opens(argv: list[str]) -> bool:
    """Whether it opens the workspace."""
    match argv:
        case [] | ["attach"]:
            return True
        case ["attach", session]:
            return not session.startswith("-")
        case [path]:
            # A bare word may be meant as a command: typer's side knows all of them.
            return (path in (".", "..") or "/" in path) and os.path.isdir(path)  # noqa: PTH112 - pathlib is slow to load
        case _:
            return False


def run(argv: list[str]) -> int:
    """Run a command line that `recognises` has taken; returns the exit code."""
    if _opens(argv):
        return _open(argv)
    from mato.cli import requests

    as_json = argv[-1] == "--json"
    match argv:
        case ["ls", *_]:
            return requests.ls(as_json)
        case ["inbox", *_]:
            return requests.inbox(as_json)
        case ["daemon", *_]:
            return requests.daemon_status(as_json)
        case ["send", target, text]:
            return requests.send(target, text)
        case [verb, call]:
            return requests.answer(call, allowed=verb == "approve")
        case _:
            raise AssertionError(f"not a hot command: {argv!r}")


def _open(argv: list[str]) -> int:
    # Nothing of what is loaded now is garbage; the workspace turns it on when it begins.
    gc.disable()
    from mato.cli import starting

    match argv:
        case ["attach", *session]:
            return starting.attach("".join(session))
        case _:
            return starting.open_path(argv[0] if argv else ".")
