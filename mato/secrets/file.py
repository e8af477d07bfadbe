"""The file that says which keys are kept, and holds those that no keyring keeps: 0600, one's own.

It is replaced as a whole, so whoever reads it sees the state before a change or after it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from mato.config.paths import private
from mato_sessions.errors import ConfigError

Place = Literal["keyring", "file"]
Stamp = tuple[int, int, int, int]
_LARGEST_BYTES = 1024 * 1024


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where one key is."""

    place: Place
    value: str = ""
    """Of those in the file."""


class KeyFile:
    """Reads and changes the file. Nothing is created by reading."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> Stamp | None:
        """Differs from an earlier one when the file was changed since; None: there is no file."""
        try:
            info = self.path.lstat()
        except OSError:
            return None
        return info.st_ino, info.st_mtime_ns, info.st_size, info.st_mode

    def read(self) -> dict[str, Kept]:
        """What is kept, by variable; {} where there is no file.

        Raises:
            ConfigError: others may read it, or it is none of ours.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(
                f"cannot read the keys in {str(self.path)!r}: {error.strerror}; move it away"
            ) from error
        try:
            self._check(os.fstat(handle))
            content = os.read(handle, _LARGEST_BYTES)
        finally:
            os.close(handle)
        try:
            return msgspec.json.decode(content, type=dict[str, Kept])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{str(self.path)!r} holds no keys ({error}); move it away and add them again"
            ) from error

    def _check(self, info: os.stat_result) -> None:
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.getuid():
            raise ConfigError(f"{str(self.path)!r} is not a file of yours; move it away")
        if mode := stat.S_IMODE(info.st_mode) & 0o077:
            raise ConfigError(
                f"{str(self.path)!r} is open to others ({mode | 0o600:o}); chmod 600 it, and "
                "replace its keys where others use this machine"
            )

    @contextmanager
    def changing(self) -> Generator[None]:
        """Held by one at a time, over reading and writing."""
        folder = private(self.path.parent)
        lock = folder / (self.path.name + ".lock")
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def write(self, kept: Mapping[str, Kept]) -> None:
        """Replace the file.

        Raises:
            ConfigError: the disk does not take it; the file is as it was.
        """
        content = msgspec.json.format(msgspec.json.encode(dict(sorted(kept.items()))), indent=2)
        name = ""
        try:
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")  # it is 0600
            with os.fdopen(handle, "wb") as written:
                written.write(content + b"\n")
                written.flush()
                os.fsync(written.fileno())
            Path(name).replace(self.path)
        except OSError as error:
            raise ConfigError(
                f"cannot write the keys to {str(self.path)!r}: {error.strerror}"
            ) from error
        finally:
            if name:
                Path(name).unlink(missing_ok=True)
