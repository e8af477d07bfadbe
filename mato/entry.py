"""Where the `mato` command begins: hot commands first, the rest through typer.

Importing typer costs four times as much as running Python at all, so the commands that scripts
and prompts call often are recognised here by their plain forms; whatever is not plain (an unknown
option, ``--help``) goes to typer, which runs the same functions.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False  # `typing` costs 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

HANGUP = 129
"""The terminal is gone: 128 + SIGHUP."""


def main() -> None:
    """Run the command line; leaves by `SystemExit` with a documented exit code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """The exit code of `mato argv…`. Errors of Mato's tree end as one sentence on stderr."""
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has gone (`mato log S | head`): nothing is left to say.
        _hush(sys.stdout)
        return 141
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        code = HANGUP
    if code == HANGUP:
        _hush(sys.stdout)
        _hush(sys.stderr)
    return code


def _hush(stream: TextIO) -> None:
    """Let Python not complain, by an exit code of its own, about what it cannot flush at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _dispatch(argv: list[str]) -> int:
    from mato_sessions.errors import MatoError

    try:
        return _choose(argv)(argv)
    except MatoError as error:
        from mato.text import display

        print(f"mato: {display(str(error), newline=False)}", file=sys.stderr)
        return error.exit_code


def _choose(argv: list[str]) -> Callable[[list[str]], int]:
    from mato.cli import hot

    if hot.recognises(argv):
        return hot.run
    if argv[:1] == ["demo"]:
        from mato.demo import show

        return show.main
    from mato.cli import commands

    return commands.run


if __name__ == "__main__":
    main()
