"""A file system of 24 MiB that can be filled and emptied; skipped where nothing may be mounted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SIZE = 24 << 20


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """Such a file system at `folder`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "mato-test", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Hog:
    """Takes a file system's room, and gives it back."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "hog"

    def take(self, but: int = 0) -> None:
        """All room but so many bytes."""
        with self._file.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while self._free() >= but + size:
                        file.write(bytes(size))

    def give(self, but: int = 0) -> None:
        """All of it back, or all but so many bytes."""
        os.truncate(self._file, but)

    def _free(self) -> int:
        status = os.statvfs(self._file.parent)
        return status.f_bavail * status.f_frsize
