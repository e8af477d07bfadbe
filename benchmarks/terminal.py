"""A pty around a real program: what it writes comes with the moment it came, keys go in.

The harness only sleeps in `select` and reads; it draws nothing and understands three things of what
it reads: the question whether synchronised updates are known (answered yes, so that a program marks
its frames), the beginning of such an update, and text that is looked for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SYNC_ASKED = b"\x1b[?2026$p"
SYNC_KNOWN = b"\x1b[?2026;2$y"
SYNC_BEGIN = b"\x1b[?2026h"
END_S = 5.0
"""How long a program may take to end once its terminal is gone."""


class Gone(Exception):
    """The program has closed its terminal; the text is the end of what it wrote."""


class Finder:
    """Finds byte strings in output that arrives in pieces, also across their borders."""

    def __init__(self, *needles: bytes) -> None:
        self._missing = set(needles)
        self._keep = max(map(len, needles)) - 1
        self._tail = b""

    def feed(self, data: bytes) -> bool:
        """Whether all have been seen by now."""
        text = self._tail + data
        self._missing = {needle for needle in self._missing if needle not in text}
        self._tail = text[-self._keep :] if self._keep else b""
        return not self._missing

    @property
    def missing(self) -> frozenset[bytes]:
        return frozenset(self._missing)


class Frames:
    """Counts synchronised updates, and everything else that is written."""

    def __init__(self) -> None:
        self.at: list[float] = []
        """When each frame began."""
        self.bytes = 0
        self.writes = 0
        """Pieces read; the kernel hands out at most 4 KiB at a time."""
        self._tail = b""

    def feed(self, data: bytes, at: float) -> None:
        self.bytes += len(data)
        self.writes += 1
        text = self._tail + data
        self.at += [at] * text.count(SYNC_BEGIN)
        # Shorter than the mark, so that no mark is counted twice.
        self._tail = text[-(len(SYNC_BEGIN) - 1) :]

    def intervals_ms(self) -> list[float]:
        """Between the beginnings of frames that follow each other."""
        return [(b - a) * 1000 for a, b in zip(self.at, self.at[1:], strict=False)]


class Terminal:
    """One program in a terminal of its own. A context manager; leaving it ends the program."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        size: tuple[int, int] = (120, 40),
        cwd: Path | None = None,
    ) -> None:
        self.frames = Frames()
        """Of everything read so far; replace it to begin anew."""
        columns, rows = size
        self._master, slave = pty.openpty()
        try:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            _no_echo(slave)
            self.started = time.perf_counter()
            """Just before the program was started."""
            self._process = subprocess.Popen(
                list(command),
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                # The terminal sends SIGHUP and SIGWINCH only to those whose own it is.
                preexec_fn=_take_terminal,
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        self.pid = self._process.pid
        self._asked = Finder(SYNC_ASKED)
        self._answered = False
        self._last = b""

    def press(self, keys: str) -> float:
        """Put keys into the terminal; returns the moment just before."""
        at = time.perf_counter()
        os.write(self._master, keys.encode())
        return at

    def wait_for(self, *needles: str, within_s: float = 20.0) -> float:
        """The moment at which all of these have been written, counted from this call on.

        Raises:
            TimeoutError: they have not; the message has what is missing.
            Gone: the program has ended.
        """
        return self.moments(needles, within_s=within_s)[0]

    def moments(self, *groups: Sequence[str], within_s: float = 20.0) -> list[float]:
        """For each group of texts the moment at which all of them had been written.

        Raises:
            TimeoutError: some have not; the message has what is missing.
            Gone: the program has ended.
        """
        waiting = {
            place: Finder(*(needle.encode() for needle in group))
            for place, group in enumerate(groups)
        }
        found: dict[int, float] = {}
        deadline = time.perf_counter() + within_s
        while waiting:
            data, at = self._read(deadline)
            if not data:
                missing = sorted(b", ".join(each.missing).decode() for each in waiting.values())
                raise TimeoutError(f"the program did not show {missing!r} within {within_s} s")
            for place in [place for place, finder in waiting.items() if finder.feed(data)]:
                found[place] = at
                del waiting[place]
        return [found[place] for place in range(len(groups))]

    def watch(self, finder: Finder, within_s: float) -> float | None:
        """The moment at which the finder is content; None when it is not within that time.

        Raises:
            Gone: the program has ended.
        """
        deadline = time.perf_counter() + within_s
        while True:
            data, at = self._read(deadline)
            if not data:
                return None
            if finder.feed(data):
                return at

    def listen(self, seconds: float) -> None:
        """Read whatever comes for so long.

        Raises:
            Gone: the program has ended.
        """
        deadline = time.perf_counter() + seconds
        while self._read(deadline)[0]:
            pass

    def wait_for_quiet(self, quiet_s: float, within_s: float = 20.0) -> None:
        """Return once nothing has been written for `quiet_s`.

        Raises:
            TimeoutError: it goes on writing.
        """
        deadline = time.perf_counter() + within_s
        while self._read(time.perf_counter() + quiet_s)[0]:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"the program still writes after {within_s} s")

    def close(self) -> None:
        """Hang up, as a closed terminal window does; then the program must end."""
        os.close(self._master)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, deadline: float) -> tuple[bytes, float]:
        """What came next, and when; b"" once the deadline has passed."""
        wait_s = max(0.0, deadline - time.perf_counter())
        if not select.select([self._master], [], [], wait_s)[0]:
            return b"", deadline
        try:
            data = os.read(self._master, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            said = self._last[-300:].decode("utf-8", "replace").strip()
            raise Gone(f"the program has ended; it said {said!r}") from error
        at = time.perf_counter()
        self._last = (self._last + data)[-300:]
        if not self._answered and self._asked.feed(data):
            self._answered = True
            os.write(self._master, SYNC_KNOWN)
        self.frames.feed(data, at)
        return data, at


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _no_echo(handle: int) -> None:
    """So that no key comes back before the program itself has drawn it."""
    mode = termios.tcgetattr(handle)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(handle, termios.TCSANOW, mode)
