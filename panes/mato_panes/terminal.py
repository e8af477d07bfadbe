"""The terminal the workspace runs in: its loss is noticed, its title and mouse are looked after."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import sys
from codecs import getincrementaldecoder
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver
from textual.events import Event

from mato_panes.gate import terminal_text
from mato_panes.incoming import Incoming

if TYPE_CHECKING:
    from textual.app import App

_PUSH_TITLE = "\x1b[22;2t"
_POP_TITLE = "\x1b[23;2t"
_READ_BYTES = 65_536
HANGUP = 129
"""Exit code when the terminal is gone: 128 + SIGHUP."""


class TerminalLost(Event, bubble=False):
    """Nobody is there any more: the terminal was closed."""


class _Outlet:
    """A terminal that may go away: what is written after that is dropped, and nothing raises.

    Textual's writer thread would die of the first error, and the app wait for it for ever.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.gone = False

    def write(self, text: str) -> int:
        if not self.gone:
            try:
                self._file.write(text)
            except (OSError, ValueError):
                self.gone = True
        return len(text)

    def flush(self) -> None:
        if not self.gone:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self.gone = True

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


class TerminalDriver(LinuxDriver):
    """Textual's driver, which posts `TerminalLost` to the app where Textual's own would spin."""

    def __init__(
        self,
        app: App[object],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)  # pyright: ignore[reportUnknownMemberType] - Textual leaves the app's type argument open
        self._titled = False
        self._end_of_input: tuple[int, int] | None = None  # a pipe: something to read is the end
        assert sys.__stderr__ is not None  # the driver above has used it
        self._file = cast(TextIO, _Outlet(sys.__stderr__))

    def _get_terminal_size(self) -> tuple[int, int]:
        # Textual believes COLUMNS and LINES, which a shell may have exported long ago.
        try:
            size = os.get_terminal_size(self.fileno)
        except OSError:
            return super()._get_terminal_size()
        return (size.columns, size.lines) if all(size) else super()._get_terminal_size()

    def start_application_mode(self) -> None:
        self._end_of_input = os.pipe()
        super().start_application_mode()

    def disable_input(self) -> None:
        if self._end_of_input is not None:
            os.write(self._end_of_input[1], b".")
        super().disable_input()
        if self._end_of_input is not None:
            for end in self._end_of_input:
                os.close(end)
            self._end_of_input = None

    def run_input_thread(self) -> None:
        """Read keys until input is disabled.

        Textual's own looks ten times a second whether it should end; this one sleeps until there
        is something to read.
        """
        try:
            self._read_keys()
        except OSError:  # EIO: the other side of the pty is closed
            self.send_message(TerminalLost())

    def _read_keys(self) -> None:
        assert self._end_of_input is not None
        terminal, end = self.fileno, self._end_of_input[0]
        incoming = Incoming(debug=self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        while True:
            ready = select.select([terminal, end], [], [], incoming.patience)[0]
            if end in ready:
                return
            if terminal in ready:
                data = os.read(terminal, _READ_BYTES)
                if not data:
                    raise OSError(errno.EIO, "the terminal has no more input")
                events = incoming.feed(decode(data), monotonic())
            else:
                events = incoming.quiet()
            for event in events:
                self.process_message(event)

    def take_mouse(self, taken: bool) -> None:
        """Whether the mouse is Mato's, or the terminal's own to select with."""
        if taken:
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()

    def set_title(self, title: str) -> None:
        """Show a title; text as it may come, made safe here as well."""
        if not self._titled:
            self._titled = True
            self.write(_PUSH_TITLE)
        self.write(f"\x1b]2;{terminal_text(title)}\x07")

    def stop_application_mode(self) -> None:
        """Give the terminal back, with the title it had; empty where it keeps none."""
        if self._titled:
            self._titled = False
            self.write(f"\x1b]2;\x07{_POP_TITLE}")
        super().stop_application_mode()


class HangupWatch:
    """Calls back when the terminal behind a descriptor is gone, also when no SIGHUP comes.

    An epoll that asks for nothing reports nothing but a hang-up, and is itself something that the
    loop can wait for: no thread, no polling.
    """

    def __init__(self, fileno: int, lost: Callable[[], object]) -> None:
        self._fileno = fileno
        self._lost = lost
        self._epoll: select.epoll | None = None

    def __enter__(self) -> HangupWatch:
        if os.isatty(self._fileno):
            self._epoll = select.epoll()
            self._epoll.register(self._fileno, 0)
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._gone)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _gone(self) -> None:
        self._stop()
        self._lost()

    def _stop(self) -> None:
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
