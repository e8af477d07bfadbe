"""The ballast: 4 MiB that are thrown off when the disk is full, so that this can be journaled."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

BALLAST_BYTES = 4 << 20
_SPARE_BYTES = 1 << 20


class Ballast:
    """Lies beside the journal at `path` where there is room for it; its absence is no error."""

    def __init__(self, path: Path) -> None:
        self._file = path.with_name(path.name + ".ballast")

    def make(self) -> None:
        """Take its room, if that leaves some. Blocks as long as the file system needs."""
        with suppress(OSError):
            if self._file.lstat().st_size == BALLAST_BYTES:
                return
        if self.free_bytes() < BALLAST_BYTES + _SPARE_BYTES:
            return
        try:
            fd = os.open(
                self._file,
                os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW,
                0o600,
            )
        except OSError:
            return
        try:
            os.posix_fallocate(fd, 0, BALLAST_BYTES)
        except OSError:
            self.drop()
        finally:
            os.close(fd)

    def drop(self) -> None:
        """Give its room to the file system."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """What may still be written to the file system; 0 where that cannot be told."""
        try:
            status = os.statvfs(self._file.parent)
        except OSError:
            return 0
        return status.f_bavail * status.f_frsize

    def room_for(self, size: int) -> bool:
        """Whether `size` bytes fit, as WAL and as database, and then the ballast again."""
        return self.free_bytes() >= 2 * size + BALLAST_BYTES + _SPARE_BYTES
