"""`mato auth`: the keys of model endpoints, kept for all terminals and every daemon to come."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from mato_sessions.errors import MatoError, NoDaemon, ReadOnly, UnknownName, UsageError

app = typer.Typer(
    help="Keep keys of model endpoints: in the system's keyring, or a file only you can read.",
    no_args_is_help=True,
)

_LARGEST = 16 * 1024
_SHORTEST = 8

Name = Annotated[
    str,
    typer.Argument(
        metavar="PROVIDER|VARIABLE", help="As in anthropic or openai, or a variable's name."
    ),
]


@app.command()
def add(
    name: Name,
    from_stdin: Annotated[
        bool, typer.Option("--from-stdin", help="Read the key from a pipe, do not ask for it.")
    ] = False,
    in_file: Annotated[
        bool, typer.Option("--file", help="Keep it in the file even where there is a keyring.")
    ] = False,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
) -> int:
    """Keep a key, which is asked for without echo; a running daemon has it at once."""
    from mato.cli import output
    from mato.config.paths import find
    from mato.models.keys import is_secret, variable_named
    from mato.secrets.store import KeyStore

    if more:
        raise UsageError(
            "a key does not belong on a command line, where `ps` and the shell's history show it; "
            "leave it out and type it when asked"
        )
    variable = variable_named(name)
    store = KeyStore(find())
    store.places()  # a file that cannot be used is said before anybody types a key
    value = _checked(variable, _piped() if from_stdin else _typed(variable))
    if len(value) < _SHORTEST and is_secret(variable):
        raise UsageError(
            f"{variable} would have {len(value)} characters; fewer than {_SHORTEST} could not be "
            "kept out of the journal"
        )
    place = store.add(variable, value, in_file=in_file)
    where = "the system's keyring" if place == "keyring" else str(find().keys)
    output.say(f"{variable} is kept in {where}")
    _tell()
    return 0


@app.command("list")
def listing(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> int:
    """List the kept keys by name, with where they are; never a part of their values."""
    import os

    from mato.cli import output
    from mato.config.paths import find
    from mato.secrets.store import KeyStore

    found = sorted(KeyStore(find()).places().items())
    if as_json:
        output.say_json(
            [{"name": name, "kept": place, "overridden": name in os.environ}
             for name, place in found]
        )  # fmt: skip
        return 0
    if not found:
        output.note("no key is kept; `mato auth add PROVIDER` keeps one")
        return 0
    output.table(
        ("NAME", "KEPT IN", ""),
        [
            (name, place, "this terminal's own goes before it" if name in os.environ else "")
            for name, place in found
        ],
        give=0,
    )
    return 0


@app.command()
def remove(name: Name) -> int:
    """Forget a key; a running daemon asks no model with it any more."""
    from mato.cli import output
    from mato.config.paths import find
    from mato.models.keys import variable_named
    from mato.secrets.store import KeyStore

    variable = variable_named(name)
    if not KeyStore(find()).remove(variable):
        raise UnknownName(f"no key {variable} is kept; `mato auth list` has those that are")
    output.say(f"{variable} is forgotten; only its provider can make it invalid")
    _tell()
    return 0


def _typed(variable: str) -> str:
    from getpass import getpass

    if not sys.stdin.isatty():
        raise UsageError(
            f"there is no terminal to ask for {variable} at; pipe it in with --from-stdin"
        )
    return getpass(f"{variable} (is not shown): ")


def _piped() -> str:
    if sys.stdin.isatty():
        raise UsageError("--from-stdin wants a pipe; leave it out to type the key unseen")
    try:
        return sys.stdin.buffer.read(_LARGEST + 2).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("what came from the pipe is not UTF-8, so it is no key") from error


def _checked(variable: str, given: str) -> str:
    value = given.strip()
    if not value:
        raise UsageError(f"no key was given, so nothing is kept as {variable}")
    if len(value) > _LARGEST:
        raise UsageError(f"a key of more than {_LARGEST} characters is none")
    if not value.isprintable() or any(character.isspace() for character in value):
        raise UsageError("a key has no spaces, line ends or control characters; this has")
    return value


def _tell() -> None:
    """Let a running daemon read the keys again; one that starts later does so by itself."""
    from mato.cli import output
    from mato.client import quick
    from mato.config.paths import find

    try:
        with suppress(NoDaemon):
            quick.request(find(), "keys.read", {}, start=False, timeout_s=15)
    except ReadOnly:
        output.note("the running daemon is of another version; `mato daemon restart` lets it know")
    except MatoError as error:
        output.note(f"the running daemon was not told: {error}")
