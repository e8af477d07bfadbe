"""A real tmux around a real program: keys in, screens out, waiting for output and not for time."""

from __future__ import annotations

import itertools
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_numbers = itertools.count(1)

PATIENCE_S = 40.0


class Terminal:
    """One tmux server of its own with one pane that runs `command`.

    A control-mode client tells of every output, so that `wait` looks again just when something
    has changed. Everything that the program writes is also kept, byte for byte, in `raw_file`.
    The program does not see that it is inside tmux, unless `inside_tmux`.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        env: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
        *,
        inside_tmux: bool = False,
    ) -> None:
        self.socket = f"mato-{os.getpid()}-{next(_numbers)}"
        self.raw_file = folder / f"{self.socket}.raw"
        self._env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "TMUX_PANE")}
        self._env |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        columns, rows = size
        # The pane starts with a shell that waits, so that recording runs before the program does.
        gate = folder / f"{self.socket}.gate"
        os.mkfifo(gate)
        script = 'read _ < "$0"; exec "$@"'
        hidden = [] if inside_tmux else ["-u", "TMUX", "-u", "TMUX_PANE"]
        self.tmux("new-session", "-d", "-s", "j", "-x", str(columns), "-y", str(rows),
                  "-c", str(folder), "env", *hidden, *(f"{k}={v}" for k, v in env.items()),
                  "sh", "-c", script, str(gate), *command)  # fmt: skip
        for option in (("status", "off"), ("window-size", "manual"), ("set-clipboard", "on"),
                       ("remain-on-exit", "on"), ("escape-time", "0")):  # fmt: skip
            self.tmux("set-option", "-g", *option)
        self.tmux("set-option", "-as", "terminal-features", ",*:RGB")
        self.tmux("pipe-pane", "-O", f"cat >> '{self.raw_file}'")
        self._control = subprocess.Popen(
            ["tmux", "-L", self.socket, "-C", "attach", "-f", "ignore-size", "-t", "j"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=self._env,
        )  # fmt: skip
        gate.write_text("go\n")

    def tmux(self, *arguments: str) -> str:
        """The answer of one tmux command."""
        done = subprocess.run(
            ["tmux", "-L", self.socket, "-f", "/dev/null", *arguments],
            capture_output=True, text=True, errors="replace", env=self._env, timeout=30, check=True,
        )  # fmt: skip
        return done.stdout

    def screen(self, *, colours: bool = False) -> str:
        """What the pane shows now, a line a row, trailing blanks kept out."""
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []), "-t", "j")

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names (`C-b`, `Enter`, `Up` …)."""
        self.tmux("send-keys", "-t", "j", *names)

    def type(self, text: str) -> None:
        """Type text literally."""
        self.tmux("send-keys", "-t", "j", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; returns when the pane has it."""
        deadline = time.monotonic() + PATIENCE_S
        wanted = f"{columns}x{rows}"
        # tmux puts off a resize that comes soon after another, and at times forgets it.
        while (
            self.tmux("display", "-p", "-t", "j", "#{pane_width}x#{pane_height}").strip() != wanted
        ):
            assert time.monotonic() < deadline, f"tmux does not resize to {wanted}"
            self.tmux("resize-window", "-t", "j", "-x", str(columns), "-y", str(rows))
            self._wait_for_output(0.2)

    def pid(self) -> int:
        """Process id of the program in the pane."""
        return int(self.tmux("display-message", "-p", "-t", "j", "#{pane_pid}"))

    def alive(self) -> bool:
        """Whether the program still runs."""
        return self.tmux("display-message", "-p", "-t", "j", "#{pane_dead}").strip() == "0"

    def title(self) -> str:
        """The title that the program has set."""
        return self.tmux("display-message", "-p", "-t", "j", "#{pane_title}").strip()

    def raw(self) -> bytes:
        """All bytes that the program has written so far."""
        return self.raw_file.read_bytes() if self.raw_file.exists() else b""

    def wait(self, wanted: str | Callable[[str], bool], patience_s: float = PATIENCE_S) -> str:
        """The first screen that has `wanted` in it (or satisfies it)."""
        deadline = time.monotonic() + patience_s
        while True:
            screen = self.screen()
            if wanted in screen if isinstance(wanted, str) else wanted(screen):
                return screen
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"never saw {wanted!r} {self._sizes()}:\n{screen}")
            self._wait_for_output(min(left, 1.0))

    def _sizes(self) -> str:
        shape = "#{window_width}x#{window_height} #{pane_width}x#{pane_height} #{pane_tty}"
        *sizes, tty = self.tmux("display-message", "-p", "-t", "j", shape).split()
        try:
            handle = os.open(tty, os.O_RDONLY | os.O_NOCTTY)
        except OSError as error:
            return f"at {sizes}, {error}"
        try:
            return f"at {sizes}, {tty} {os.get_terminal_size(handle)}"
        finally:
            os.close(handle)

    def insist(self, key: str, wanted: str | Callable[[str], bool]) -> str:
        """Type a key until its effect is there: one that comes too soon after a question is void.

        Each further one is typed only after a second without effect.
        """
        for _ in range(int(PATIENCE_S)):
            self.type(key)
            try:
                return self.wait(wanted, 1.0)
            except AssertionError:
                continue
        return self.wait(wanted, 1.0)

    def wait_gone(self, unwanted: str, patience_s: float = PATIENCE_S) -> str:
        """The first screen without `unwanted`."""
        return self.wait(lambda screen: unwanted not in screen, patience_s)

    def wait_end(self, patience_s: float = PATIENCE_S) -> None:
        """Return when the program has ended."""
        handle = None
        try:
            handle = os.pidfd_open(self.pid())
        except ProcessLookupError:
            return
        try:
            if not select.select([handle], [], [], patience_s)[0]:
                raise AssertionError(f"the program goes on:\n{self.screen()}")
        finally:
            os.close(handle)

    def _wait_for_output(self, within_s: float) -> None:
        stdout = self._control.stdout
        assert stdout is not None
        if select.select([stdout], [], [], within_s)[0]:
            os.read(stdout.fileno(), 1 << 20)

    def close(self) -> None:
        """End the tmux server of this terminal, and with it the program (SIGHUP)."""
        subprocess.run(
            ["tmux", "-L", self.socket, "kill-server"],
            capture_output=True, env=self._env, timeout=30, check=False,
        )  # fmt: skip
        # It may hang on a full pipe of output that nobody has waited for.
        with self._control:
            self._control.kill()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
