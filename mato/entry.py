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

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Run the command line; leaves by `SystemExit` with a documented exit code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """The exit code of `mato argv…`. Errors of Mato's tree end as one sentence on stderr."""
    _open_streams()
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
        if error.errno in _FULL and error.filename is None:
            _hush(sys.stdout)
            print(f"mato: cannot write the output: {error.strerror}", file=sys.stderr)
            return 1
        if error.errno == errno.ENAMETOOLONG:
            print("mato: a file's name is longer than this system allows", file=sys.stderr)
            return 2
        if error.errno != errno.EIO:
            raise
        code = HANGUP
    if code == HANGUP:
        _hush(sys.stdout)
        _hush(sys.stderr)
    return code


def _open_streams() -> None:
    """Have all three, whatever the shell has closed, and let them take every character."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            # In its own place, so that no socket gets its number.
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
        elif number and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]


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
