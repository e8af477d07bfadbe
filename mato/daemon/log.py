"""The daemon's log: clean lines in one file, turned over at a size; also its stdout and stderr."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from mato.text import display

LARGEST_BYTES = 4 * 1024 * 1024
"""A longer log becomes ``daemon.log.1``; the one before that is dropped."""

logger = logging.getLogger("mato.daemon")


class LogFile(logging.Handler):
    """Writes records to `file` and takes over descriptors 1 and 2.

    Whatever else prints (an interpreter's last words, a C library) lands in the same file; the
    descriptors follow when the file is turned over.
    """

    def __init__(self, file: Path, largest_bytes: int = LARGEST_BYTES) -> None:
        super().__init__()
        self._file = file
        self._largest_bytes = largest_bytes
        self._size = 0
        self.clean: Callable[[str], str] = str
        """Takes secrets out of each record."""
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(self._file, flags, 0o600)
        self._size = os.fstat(handle).st_size
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.close(handle)

    def emit(self, record: logging.LogRecord) -> None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        text = f"{moment}.{int(record.msecs):03} {record.levelname.lower()} {record.getMessage()}"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        lines = display(self.clean(text)).replace("\n", "\n    ").encode("utf-8", "replace") + b"\n"
        try:
            if self._size + len(lines) > self._largest_bytes:
                self._file.replace(self._file.with_name(self._file.name + ".1"))
                self._open()
            self._size += os.write(1, lines)
        except OSError:
            # A full disk must not end the daemon; there is nowhere left to say it.
            return


def clean_with(clean: Callable[[str], str]) -> None:
    """Take out of all further records what `clean` takes out."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogFile):
            handler.clean = clean


def start(file: Path) -> None:
    """Send all logging, stdout and stderr of this process to `file`; stdin becomes empty."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    root = logging.getLogger()
    root.handlers[:] = [LogFile(file)]
    root.setLevel(logging.WARNING)
    logger.setLevel(logging.INFO)
