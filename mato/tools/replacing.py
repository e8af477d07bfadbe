"""Replaces a file in an open folder, whole or not at all, and only if it is what it should be."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from secrets import token_hex

from mato.tools.beneath import open_beneath

_NEW_FOLDER = 0o755
"""The daemon's own umask (077) is not the project's."""
_PIECE = 1 << 20
_DEPTH = 100
"""Most programs that clean up recurse, and fail where folders are nested a thousand deep."""


class NotReplaced(Exception):
    """The file is not what it should be; the message goes on after its path."""


def make_folders(root: int, parent: str) -> int:
    """A descriptor of the folder `parent` beneath `root`, made where it was missing.

    `parent` is relative, "" for `root` itself. The caller closes it.

    Raises:
        NotReplaced: it is more than 100 folders deep.
        OSError: as the kernel says; EXDEV where the path leads out.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY
    parts = parent.split("/") if parent else []
    if len(parts) > _DEPTH:
        raise NotReplaced(f"is more than {_DEPTH} folders deep")
    current = open_beneath(root, ".", flags)
    way = ""
    for part in parts:
        way = f"{way}/{part}" if way else part
        try:
            # From the root each time: from here, `..` would lead above what it starts from.
            following = _open_or_make(root, way, current, part)
        finally:
            os.close(current)
        current = following
    return current


def _open_or_make(root: int, way: str, parent: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY
    try:
        return open_beneath(root, way, flags)
    except FileNotFoundError:
        try:
            os.mkdir(name, dir_fd=parent)
        except FileExistsError:  # another call was faster, or it is a link to nowhere
            return open_beneath(parent, name, flags, follow_links=False)
        made = open_beneath(parent, name, flags, follow_links=False)
        os.fchmod(made, _NEW_FOLDER)
        return made


def replace(folder: int, name: str, data: bytes, *, expect: bytes | None, permissions: int) -> None:
    """Put `data` into `name`, if it holds `expect` (None: if there is no such file).

    Written beside and renamed over, so that a reader or a power cut meets the old content or the
    new. An existing file keeps owner and permission bits; `permissions` are those of a new one.

    Raises:
        NotReplaced: it is no plain file, has several names, or holds something else by now.
        OSError: as the kernel says.
    """
    kept = _current(folder, name, expect)
    beside = f".mato-{token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(beside, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest[:_PIECE]) :]
            if kept is not None:
                _take_owner(descriptor, kept)
                permissions = stat.S_IMODE(kept.st_mode)
            os.fchmod(descriptor, permissions)
            os.fsync(descriptor)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=folder)
        raise
    os.fsync(folder)


def remove(folder: int, name: str, *, expect: bytes) -> None:
    """Take `name` away, if it holds `expect`.

    Raises:
        NotReplaced: as `replace`.
        OSError: as the kernel says.
    """
    _current(folder, name, expect)
    os.unlink(name, dir_fd=folder)
    os.fsync(folder)


def _current(folder: int, name: str, expect: bytes | None) -> os.stat_result | None:
    """The file that is there, after checking that it may be replaced."""
    try:
        descriptor = open_beneath(folder, name, os.O_RDONLY, follow_links=False)
    except FileNotFoundError:
        if expect is not None:
            raise NotReplaced("was deleted meanwhile") from None
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotReplaced("is a symbolic link; write to the file that it names") from error
        raise
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotReplaced("is a folder, not a file")
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if found.st_nlink > 1:
            raise NotReplaced(
                f"has {found.st_nlink} names (hard links), and another one may be outside the"
                " workspace: it is not written"
            )
        if expect is None:
            raise NotReplaced("was made by someone else meanwhile")
        if file.read(len(expect) + 1) != expect:
            raise NotReplaced("was changed meanwhile; read it again")
    return found


def _take_owner(descriptor: int, kept: os.stat_result) -> None:
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (kept.st_uid, kept.st_gid):
        # Only root may; for anyone else the file becomes theirs, as with every editor.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, kept.st_uid, kept.st_gid)
