"""The workspace in a real pty: it ends with its terminal, and gives it back as it was."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parent / "terminal_app.py"
PATIENCE_S = 20.0


class Terminal:
    """One run of the workspace with a pty around it, whose other side is ours."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        env = {key: value for key, value in os.environ.items() if key not in ("TMUX", "NO_COLOR")}
        # A session without a controlling terminal: no SIGHUP comes when this side closes.
        self.process = subprocess.Popen(
            [sys.executable, str(APP), str(log), *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=env | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | environment,
        )
        self.theirs = theirs
        self.output = b""

    def read_until(self, wanted: bytes) -> bytes:
        """Read until these bytes have come; everything so far."""
        end = time.monotonic() + PATIENCE_S
        while wanted not in self.output:
            assert time.monotonic() < end, self.output[-2000:]
            if select.select([self.ours], [], [], 0.2)[0]:
                self.output += os.read(self.ours, 65536)
        return self.output

    def wait(self) -> int:
        """The exit code; what is still to be read is read."""
        code = self.process.wait(PATIENCE_S)
        while select.select([self.ours], [], [], 0.1)[0]:
            self.output += os.read(self.ours, 65536)
        return code


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for terminal in started:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        for descriptor in (terminal.ours, terminal.theirs):
            try:
                os.close(descriptor)
            except OSError:
                continue


def start(terminals: list[Terminal], tmp_path: Path, *more: str, **env: str) -> Terminal:
    terminal = Terminal(tmp_path / "workspace.log", *more, **env)
    terminals.append(terminal)
    terminal.read_until(b"message agent")
    return terminal


def assert_given_back(terminal: Terminal) -> None:
    tail = terminal.output[-600:]
    assert b"\x1b[?1049l" in tail  # the normal screen
    assert b"\x1b[?25h" in tail  # the cursor
    assert b"\x1b[?1003l" in tail  # the mouse
    assert b"\x1b[?2004l" in tail  # bracketed paste
    assert b"\x1b[23;2t" in tail  # the title
    assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_it_ends_when_its_terminal_is_gone_without_a_signal(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = start(terminals, tmp_path)
    os.close(terminal.theirs)
    os.close(terminal.ours)
    assert terminal.process.wait(PATIENCE_S) == 129


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(
    terminals: list[Terminal], tmp_path: Path, number: signal.Signals
) -> None:
    terminal = start(terminals, tmp_path)
    terminal.process.send_signal(number)
    assert terminal.wait() == 128 + number
    assert_given_back(terminal)


def test_detaching_gives_the_terminal_back(terminals: list[Terminal], tmp_path: Path) -> None:
    terminal = start(terminals, tmp_path)
    os.write(terminal.ours, b"\x02d")
    assert terminal.wait() == 0
    assert_given_back(terminal)


def test_a_fault_of_its_own_is_one_sentence_and_a_log(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = start(terminals, tmp_path, "fail")
    assert terminal.wait() == 1
    last = terminal.output.decode().rpartition("\x1b")[2]
    assert "the workspace failed: ZeroDivisionError('a fault of its own')" in last
    assert "Traceback" not in last
    assert "Traceback" in (tmp_path / "workspace.log").read_text()
    assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_the_title_names_the_session_and_nothing_of_it_acts(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = start(terminals, tmp_path)
    titles = re.findall(rb"\x1b\]2;(.*?)\x07", terminal.read_until(b"\x1b]2;"), re.DOTALL)
    assert [title.decode() for title in titles] == ["mato · evil␛]52;c;AAAA␇name‹CSI›31m"]
    assert b"\x1b]52" not in terminal.output
    assert "\x9b".encode() not in terminal.output


def test_without_colour_no_colour_is_written(terminals: list[Terminal], tmp_path: Path) -> None:
    colour = re.compile(rb"\x1b\[[0-9;]*(?:38|48);[25];")
    assert colour.search(start(terminals, tmp_path).output)
    assert not colour.search(start(terminals, tmp_path, NO_COLOR="1").output)


def test_an_escape_alone_is_a_key_and_bytes_that_are_no_text_do_no_harm(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = start(terminals, tmp_path)
    os.write(terminal.ours, b"\x02?")
    terminal.read_until(b"let go, then the key")
    terminal.output = b""
    os.write(terminal.ours, b"\x1b")
    terminal.read_until(b"message agent")
    os.write(terminal.ours, b"\xff\xc3")
    os.write(terminal.ours, b"\xa4!")
    terminal.read_until("\ufffd".encode())
    terminal.read_until("ä".encode())
    os.write(terminal.ours, b"\x02d")
    assert terminal.wait() == 0


def test_nothing_in_a_paste_is_a_key(terminals: list[Terminal], tmp_path: Path) -> None:
    terminal = start(terminals, tmp_path)
    inside = b"a\nb\x1b[31m red\r\x02d\x1bOP\r"
    os.write(terminal.ours, b"\x1b[200~" + inside + b"\x1b[201~\x02d\r\x1b[201~")
    terminal.read_until(b"pasted 5 lines")
    terminal.output = b""
    megabyte = b"one line of a megabyte\x1b[Z\r" * 40_000
    rest = memoryview(b"\x1b[200~" + megabyte + b"\x1b[201~")
    while rest:
        rest = rest[os.write(terminal.ours, rest[:1000]) :]
        while select.select([terminal.ours], [], [], 0)[0]:
            terminal.output += os.read(terminal.ours, 65536)
    terminal.read_until(b"pasted 1.0 MB")
    assert terminal.process.poll() is None
    assert b"enter queues" not in terminal.output  # nothing was sent
    os.write(terminal.ours, b"\x02d")
    assert terminal.wait() == 0


def wakeups(process: int) -> int:
    """How often its threads have waited and were woken."""
    statuses = [task / "status" for task in Path(f"/proc/{process}/task").iterdir()]
    lines = [line for status in statuses for line in status.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))


def test_it_sleeps_while_nothing_happens(terminals: list[Terminal], tmp_path: Path) -> None:
    terminal = start(terminals, tmp_path)
    end = time.monotonic() + PATIENCE_S
    while select.select([terminal.ours], [], [], 1.0)[0]:  # until it has drawn all it has
        assert time.monotonic() < end
        terminal.output += os.read(terminal.ours, 65536)
    before = wakeups(terminal.process.pid)
    assert not select.select([terminal.ours], [], [], 2.0)[0]
    assert wakeups(terminal.process.pid) - before <= 4
    os.write(terminal.ours, b"\x02d")
    assert terminal.wait() == 0
