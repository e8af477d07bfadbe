"""Anchors: where sessions ended at some time, noted in a file outside of the database.

What is cut off the end of a journal, or rewritten with hashes that fit each other, contradicts
them. The file has a JSON object on each line, with a checksum of its own: a crash may tear the last
line, and what cannot be read says nothing.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mato_sessions.errors import JournalError, UsageError

ROTATE_BYTES = 256 * 1024
"""A file that is larger, and twice as large as what still counts, is written anew."""


class Anchor(msgspec.Struct, frozen=True):
    """A session had this event with this hash."""

    session: str
    seq: int
    hash: str
    """64 hex digits."""
    at_us: int
    """When it was noted, wall clock."""


class _Line(Anchor, frozen=True, omit_defaults=True):
    check: str = ""
    """First half of the SHA-256 of the line without it."""


def of_journal(path: Path) -> Path:
    """The anchors of the journal at `path`."""
    return path.with_name("journal.anchors")


def read(path: Path) -> tuple[list[Anchor], int]:
    """The anchors in a file, oldest first, and the number of lines that cannot be read.

    No file has no anchors.

    Raises:
        JournalError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise JournalError(f"cannot read the anchors {str(path)!r}: {error.strerror}") from error
    lines = [line for line in data.split(b"\n") if line]
    found = [anchor for line in lines if (anchor := _decode(line)) is not None]
    return found, len(lines) - len(found)


def append(path: Path, anchors: Sequence[Anchor]) -> None:
    """Add anchors of committed events; on disk when it returns. Made 0600 where missing.

    Raises:
        OSError: it cannot be written; what is there stays readable.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o600)
    try:
        size = os.fstat(fd).st_size
        # After a torn line the next one must not continue it.
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        _write(fd, b"\n" * torn + b"".join(map(_encode, anchors)))
        os.fsync(fd)
        size = os.fstat(fd).st_size
    finally:
        os.close(fd)
    if size > ROTATE_BYTES:
        _rotate(path, size)
    else:
        _sync_folder(path)


def replace(path: Path, anchors: Iterable[Anchor]) -> None:
    """Let the file hold the newest of the anchors of each session, and nothing else, all at once.

    Raises:
        OSError: it cannot be written; what is there stays.
    """
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    draft = Path(name)
    try:
        try:
            _write(fd, b"".join(map(_encode, newest(anchors))))
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path)


def newest(anchors: Iterable[Anchor]) -> list[Anchor]:
    """The anchor of each session with the highest seq; it vouches for all before it."""
    found: dict[str, Anchor] = {}
    for anchor in anchors:
        known = found.get(anchor.session)
        if known is None or anchor.seq >= known.seq:
            found[anchor.session] = anchor
    return list(found.values())


def read_copy(path: Path) -> list[Anchor]:
    """The anchors in a file that a person keeps; none where there is no file yet.

    Raises:
        UsageError: something else is in it.
        JournalError: it cannot be read.
    """
    found, unreadable = read(path)
    if unreadable and not found:
        raise UsageError(f"{str(path)!r} holds no anchors; give another file, it is not touched")
    return found


def _rotate(path: Path, size: int) -> None:
    kept = newest(read(path)[0])
    if 2 * sum(len(_encode(anchor)) for anchor in kept) < size:
        replace(path, kept)


def _encode(anchor: Anchor) -> bytes:
    line = _Line(anchor.session, anchor.seq, anchor.hash, anchor.at_us)
    return msgspec.json.encode(msgspec.structs.replace(line, check=_check(line))) + b"\n"


def _decode(data: bytes) -> Anchor | None:
    try:
        line = msgspec.json.decode(data, type=_Line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    anchor = Anchor(line.session, line.seq, line.hash, line.at_us)
    return anchor if _encode(anchor) == data + b"\n" else None


def _check(line: _Line) -> str:
    return hashlib.sha256(msgspec.json.encode(line)).hexdigest()[:32]


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(path: Path) -> None:
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
