"""Runs many command lines in one go, each in a process of its own, and tells what they printed.

`python -m tests.hostile.printing` reads a JSON list of command lines and answers each in a line:
its exit code and all bytes of stdout and stderr, which are one pseudo-terminal. The commands are
forked from a process that has loaded the program once, which is most of what they would cost.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import sys
import time
import tty
from collections.abc import Sequence

import mato.cli

LOADED = ("mato.config.trust", "mato.mcp.pins", "mato.secrets.store", "mato.tools.survey")
"""What several commands load beside the files of the command line."""
PATIENCE_S = 20.0
ENDLESS = -1
"""Instead of an exit code: it was ended after `PATIENCE_S`."""


def printed(line: Sequence[str]) -> tuple[int, bytes]:
    """Exit code and all bytes of `mato line…` on a terminal; it has no input."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)  # bytes come as they were written
    child = os.fork()
    if child == 0:
        os.close(ours)
        _become(line, theirs)
    os.close(theirs)
    parts: list[bytes] = []
    end = time.monotonic() + PATIENCE_S
    over = False
    while not over:
        over = not select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]
        try:
            parts.append(os.read(ours, 65536) if not over else b"")
        except OSError:  # EIO: nobody writes any more
            break
    if over:
        os.kill(child, signal.SIGKILL)
    os.close(ours)
    _, status = os.waitpid(child, 0)
    return (ENDLESS if over else os.waitstatus_to_exitcode(status)), b"".join(parts)


def _become(line: Sequence[str], terminal: int) -> None:
    """Be the program, with the terminal for its output; never returns."""
    code = 70
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, handle in enumerate((nothing, terminal, terminal)):
            os.dup2(handle, number)
        os.closerange(3, 64)
        sys.argv = ["mato", *line]
        from mato import entry

        try:
            entry.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 70
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> None:
    """Answer the command lines of stdin, in their order."""
    lines: list[list[str]] = json.load(sys.stdin)
    for module in LOADED:
        importlib.import_module(module)
    for each in pkgutil.iter_modules(mato.cli.__path__):
        importlib.import_module(f"mato.cli.{each.name}")

    for line in lines:
        began = time.monotonic()
        code, output = printed(line)
        took_s = round(time.monotonic() - began, 2)
        text = output.decode("utf-8", "surrogateescape")
        print(json.dumps({"line": line, "code": code, "took_s": took_s, "text": text}), flush=True)


if __name__ == "__main__":
    main()
