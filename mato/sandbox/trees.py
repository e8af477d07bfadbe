"""Folders of any depth walked, copied and moved away: nesting is chosen by whoever wrote them.

What the standard library has for this calls itself for each level, and fails a thousand deep.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_PIECE = 1024 * 1024


def walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Path, folders and other names of each folder, sorted, an outer one before its inner ones.

    Links are not followed. Whoever takes names out of the folders keeps them from being entered.
    """
    line = [str(top)]
    while line:
        path = line.pop()
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    (folders if is_folder else files).append(entry.name)
        except OSError:
            continue  # gone, not readable, or its path longer than any program could say
        folders.sort()
        files.sort()
        yield path, folders, files
        line.extend(f"{path}/{name}" for name in reversed(folders))


def copy(source: Path, target: Path) -> None:
    """Copy files, links and folders with their permissions; holes stay holes, pipes are left out.

    What cannot be read is left out too.
    """
    if source.is_symlink() or not source.is_dir():
        _copy_one(str(source), str(target))
        return
    # Plain text, as to take a path of a thousand folders apart for each of them takes seconds.
    begins = len(str(source))
    for top, folders, files in walk(source):
        there = f"{target}{top[begins:]}"
        with contextlib.suppress(OSError):
            os.makedirs(there, exist_ok=True) if top == str(source) else os.mkdir(there)  # noqa: PTH102, PTH103
            for name in files:
                _copy_one(f"{top}/{name}", f"{there}/{name}")
            os.chmod(there, stat.S_IMODE(os.lstat(top).st_mode) | stat.S_IRWXU)  # noqa: PTH101
            continue
        folders.clear()


def _copy_one(source: str, target: str) -> None:
    with contextlib.suppress(OSError):
        info = os.lstat(source)
        if stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(source), target)  # noqa: PTH115, PTH211 (as it is written)
        elif stat.S_ISREG(info.st_mode):
            reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                _copy_data(reading, target, info)
            finally:
                os.close(reading)


def _copy_data(reading: int, target: str, info: os.stat_result) -> None:
    with open(target, "xb") as written:  # noqa: PTH123 (as many small ones as there are)
        written.truncate(info.st_size)
        at = 0
        with contextlib.suppress(OSError):  # ENXIO: nothing but a hole is left
            while at < info.st_size:
                at = os.lseek(reading, at, os.SEEK_DATA)
                end = min(os.lseek(reading, at, os.SEEK_HOLE), info.st_size)
                written.seek(at)
                while at < end and (piece := os.pread(reading, min(_PIECE, end - at), at)):
                    written.write(piece)
                    at += len(piece)
        os.fchmod(written.fileno(), stat.S_IMODE(info.st_mode))
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


def move(path: Path, target: Path) -> None:
    """Take whatever has that path away from there, to `target` if that can be."""
    with contextlib.suppress(OSError):
        path.rename(target)
    if os.path.lexists(path):  # another file system
        copy(path, target)
        remove(path)
    if os.path.lexists(path):  # too deep for any path: then at least nobody finds it by its name
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{path.name}.put-aside"))


def remove(path: Path) -> None:
    """Remove what has that path, as far as it can be reached."""
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
            return
    tops: list[str] = []
    for top, _, files in walk(path):
        tops.append(top)
        for name in files:
            with contextlib.suppress(OSError):
                os.unlink(f"{top}/{name}")  # noqa: PTH108
    for top in reversed(tops):
        with contextlib.suppress(OSError):
            os.rmdir(top)  # noqa: PTH106
