"""Small files of the person's own: written whole or not at all, readable by nobody else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mato_sessions.errors import ConfigError


def write(file: Path, content: bytes) -> None:
    """Put `content` in the place of `file`, 0600; returns when that is on disk.

    Raises:
        ConfigError: the disk does not take it; the file is as it was.
    """
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-")  # 0600
        with os.fdopen(handle, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        Path(name).replace(file)
    except BaseException as error:
        if name:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ConfigError(
                f"{str(file)!r} cannot be written: {error.strerror}; it is as it was"
            ) from error
        raise
