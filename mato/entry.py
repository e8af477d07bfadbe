"""Where the `mato` command begins: hot commands first, the rest through typer.

Importing typer costs four times as much as running Python at all, so the commands that scripts
and prompts call often are recognised here by their plain forms; whatever is not plain (an unknown
option, ``--help``) goes to typer, which runs the same functions.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` costs 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable


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
        # The reader has gone (`mato log S | head`): nothing is left to say, and Python must not
        # complain about it while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


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
