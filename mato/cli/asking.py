"""What long and grave commands share: how far they are, and whether a person agrees."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from mato.cli import output
from mato.text import display

_EVERY_S = 0.1


class Progress:
    """A line on the terminal that shows how far something is; nothing where there is none.

    Call it as a `mato_sessions.verify.Tick`.
    """

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._shown = sys.stderr.isatty()
        self._drawn = False
        self._next = time.monotonic() + _EVERY_S

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, what: str, done: int, whole: int) -> None:
        if not self._shown or (now := time.monotonic()) < self._next:
            return
        self._next = now + _EVERY_S
        self._drawn = True
        share = f"  {100 * done // whole:>3} %" if whole else ""
        text = f"{self._verb}: {what}{share}"
        sys.stderr.write(f"\r\x1b[K{display(text, newline=False)}")
        sys.stderr.flush()


def agreed(question: str, otherwise: str) -> bool:
    """Whether a person at this terminal says yes; without one nobody does, and it is said how."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        output.note(f"nothing was done; {otherwise}")
        return False
    sys.stderr.write(f"{display(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
