"""A fold's state is kept beside the journal here, so that only what came after it is folded again.

Never the truth: a file that is missing, torn, of another Mato or of another past counts as none.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

_CHECK_BYTES = 32
_LARGEST = 1 << 30


class Snapshot(msgspec.Struct, frozen=True):
    """Where a fold stood, and what it made of all events up to there."""

    maker: str
    """See `maker`."""
    position: int
    hash: str
    """Of the event at that position, 64 hex digits: another past has another one."""
    state: msgspec.Raw
    """As JSON; what it is made of is the fold's own."""


def maker(modules: Iterable[str]) -> str:
    """Which code makes a state: the SHA-256 of these modules; "" where they cannot be read.

    A number would have to be raised by hand whenever a fold makes something else of an event.
    """
    digest = hashlib.sha256()
    try:
        for module in modules:
            file = getattr(importlib.import_module(module), "__file__", None)
            source = Path(file or "").read_bytes()
            digest.update(len(source).to_bytes(8, "big") + source)
    except OSError:
        return ""
    return digest.hexdigest()


def read(path: Path, made_by: str) -> Snapshot | None:
    """What is kept at `path`, if the same code made it; whether its past is ours is not known."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            data = file.read(_LARGEST)
    except OSError:
        return None
    check, content = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if hashlib.sha256(content).digest() != check:
        return None
    try:
        found = msgspec.json.decode(content, type=Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if made_by and found.maker == made_by else None


def write(path: Path, snapshot: Snapshot) -> int:
    """Keep it at `path`, for the owner alone, all at once; gives its bytes.

    It is not synced: what a power cut leaves of it has the wrong checksum.

    Raises:
        OSError: it cannot be written; what is there stays.
    """
    content = msgspec.json.encode(snapshot)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    draft = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return len(content)
