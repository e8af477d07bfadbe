"""A VFS under SQLite, and hooks under `os`, that record each operation or make one of them fail.

It needs apsw, whose SQLite must never open a file that the standard library's has open in the same
process: only the recording process imports this.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from tests.faults.disk import (
    Deleted,
    FolderSynced,
    Op,
    Opened,
    Renamed,
    Synced,
    Touched,
    Truncated,
    Wrote,
)

NAME = "recording"
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
"""Files with whose first sync SQLite syncs the folder, when it may have created them."""
_CODES = {
    ("write", "eio"): apsw.SQLITE_IOERR_WRITE,
    ("write", "short"): apsw.SQLITE_IOERR_WRITE,
    ("write", "full"): apsw.SQLITE_FULL,
    ("read", "eio"): apsw.SQLITE_IOERR_READ,
    ("sync", "eio"): apsw.SQLITE_IOERR_FSYNC,
    ("truncate", "eio"): apsw.SQLITE_IOERR_TRUNCATE,
    ("delete", "eio"): apsw.SQLITE_IOERR_DELETE,
    ("open", "eio"): apsw.SQLITE_CANTOPEN,
    ("open", "full"): apsw.SQLITE_CANTOPEN,
}
FAULTS: dict[str, tuple[str, ...]] = {
    "write": ("eio", "short", "full"),
    "read": ("eio",),
    "sync": ("eio",),
    "truncate": ("eio",),
    "delete": ("eio",),
    "open": ("eio",),
    "os.open": ("eio", "full"),
    "os.fsync": ("eio",),
    "os.replace": ("eio",),
}
"""What may happen to each kind of operation."""


class Fault(msgspec.Struct, frozen=True):
    """What happens to the operation `at` (from 1), and with `sticky` to all like it after."""

    at: int
    what: str
    sticky: bool = False
    retried: bool = False
    """The failed sync is tried again at once, and then goes well."""


class Tape:
    """The log of one folder, and the fault that is to come."""

    def __init__(self, folder: Path, names: dict[str, int], fault: Fault | None) -> None:
        self.folder = folder
        self.log: list[Op] = []
        self.names = dict(names)
        self.deaf = False
        """Syncs do nothing, and say that they did."""
        self._next = max(names.values(), default=0) + 1
        self._fault = fault
        self._count = 0
        self._kind = ""
        """Of the operation that failed."""

    def touch(self, kind: str, path: str) -> str:
        """Count an operation; what is to happen to it, or nothing."""
        self._count += 1
        what = self._due(kind)
        if what:
            self._kind = kind
        self.log.append(Touched(self._count, kind, Path(path).name, what))
        return what

    def _due(self, kind: str) -> str:
        fault = self._fault
        if fault is None or self._count < fault.at:
            return ""
        if self._count > fault.at and not (fault.sticky and kind == self._kind):
            return ""
        return fault.what

    @property
    def retried(self) -> bool:
        """A failed sync is tried again, and goes well."""
        return self._fault is not None and self._fault.retried

    def lift(self) -> None:
        """Whatever was wrong with the disk is over."""
        self._fault = None

    def opened(self, path: str) -> int:
        """The file of that path."""
        name = Path(path).name
        created = name not in self.names
        if created:
            self.names[name], self._next = self._next, self._next + 1
        self.log.append(Opened(self.names[name], name, created))
        return self.names[name]

    def synced(self, file: int, *, folder: bool = False, failed: bool = False) -> None:
        if not self.deaf:
            self.log.append(Synced(file, folder, failed))

    def deleted(self, path: str, folder: bool) -> None:
        name = Path(path).name
        del self.names[name]
        self.log.append(Deleted(name, folder and not self.deaf))

    def renamed(self, path: str, to: str) -> None:
        name, new = Path(path).name, Path(to).name
        self.names[new] = self.names.pop(name)
        self.log.append(Renamed(name, new))


def _broken(kind: str, what: str) -> Exception:
    return apsw.exception_for(_CODES[kind, what])


class Disk(apsw.VFS):
    """The real file system with a tape running."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        super().__init__(NAME, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self._tape, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:
        if what := self._tape.touch("delete", name):
            raise _broken("delete", what)
        super().xDelete(name, syncdir)
        self._tape.deleted(name, syncdir)

    def excepthook(self, *_: Any) -> None:
        """An error that SQLite does not pass on is no news."""


class _File(apsw.VFSFile):
    def __init__(self, tape: Tape, name: Any, flags: list[int]) -> None:
        self._tape = tape
        self._path: str = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        if what := tape.touch("open", self._path):
            raise _broken("open", what)
        super().__init__("", name, flags)
        self._file = tape.opened(self._path)
        create = bool(flags[0] & apsw.SQLITE_OPEN_CREATE)
        self._folder = create and bool(flags[0] & _JOURNALS)

    def xRead(self, amount: int, offset: int) -> bytes:
        if what := self._tape.touch("read", self._path):
            raise _broken("read", what)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        what = self._tape.touch("write", self._path)
        if what == "short":
            self._write(bytes(data)[: len(data) // 2], offset)
        if what:
            raise _broken("write", what)
        self._write(bytes(data), offset)

    def _write(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._tape.log.append(Wrote(self._file, offset, data))

    def xSync(self, flags: int) -> None:
        tape = self._tape
        if what := tape.touch("sync", self._path):
            tape.synced(self._file, failed=True)
            if not tape.retried:
                raise _broken("sync", what)
        tape.synced(self._file, folder=self._folder)
        self._folder = False

    def xTruncate(self, size: int) -> None:
        if what := self._tape.touch("truncate", self._path):
            raise _broken("truncate", what)
        super().xTruncate(size)
        self._tape.log.append(Truncated(self._file, size))

    def excepthook(self, *_: Any) -> None:
        """An error that SQLite does not pass on is no news."""


class Hooks:
    """What Mato itself does to files of the folder through `os`."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._open, self._fsync, self._replace = os.open, os.fsync, os.replace
        self._files: dict[int, int] = {}
        """Descriptor → file; 0 is the folder."""

    def install(self) -> None:
        """From now on, in this process, for good."""
        hooks: dict[str, Callable[..., Any]] = {
            "open": self.open,
            "fsync": self.fsync,
            "fdatasync": self.fsync,
            "replace": self.replace,
        }
        for name, hook in hooks.items():
            setattr(os, name, hook)

    def open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        place = Path(os.fsdecode(path)) if not isinstance(path, int) else Path()
        if place != self._tape.folder and place.parent != self._tape.folder:
            return self._open(path, flags, *rest, **named)
        if what := self._tape.touch("os.open", str(place)):
            raise OSError(*_oserror(what))
        handle = self._open(path, flags, *rest, **named)
        if place == self._tape.folder:
            self._files[handle] = 0
            return handle
        self._files[handle] = self._tape.opened(str(place))
        if flags & os.O_TRUNC:
            self._tape.log.append(Truncated(self._files[handle], 0))
        return handle

    def fsync(self, handle: int) -> None:
        file = self._files.get(handle)
        if file is None:
            return
        what = self._tape.touch("os.fsync", str(self._tape.folder))
        if file:
            self._tape.synced(file, failed=bool(what))
        elif not what and not self._tape.deaf:
            self._tape.log.append(FolderSynced())
        if what:
            raise OSError(*_oserror(what))

    def replace(self, path: Any, to: Any, **named: Any) -> None:
        place = Path(os.fsdecode(path))
        if place.parent == self._tape.folder:
            if what := self._tape.touch("os.replace", str(place)):
                raise OSError(*_oserror(what))
            self._tape.renamed(str(place), os.fsdecode(to))
        self._replace(path, to, **named)


def _oserror(what: str) -> tuple[int, str]:
    number = errno.ENOSPC if what == "full" else errno.EIO
    return number, os.strerror(number)
