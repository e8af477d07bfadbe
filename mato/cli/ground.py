"""What the journal stands on, for `mato doctor`: SQLite, file system, free space, the last stop.

Nothing here opens the journal for writing.
"""

from __future__ import annotations

from pathlib import Path

from mato.cli.finding import Finding
from mato_sessions import database, transaction
from mato_sessions.filesystems import NETWORK, Mount

MIB = 1 << 20
LEAST_BYTES = 64 * MIB
"""Less free space than this is a fault: work may pause at any moment."""
LOW_BYTES = 500 * MIB


def sqlite(version: tuple[int, int, int]) -> Finding:
    """Whether this SQLite has the WAL-reset race (https://sqlite.org/wal.html).

    It needs two connections that write or checkpoint at once; the daemon has one writer, which
    alone checkpoints.
    """
    text = ".".join(map(str, version))
    mended = version >= (3, 51, 3) or (
        version[:2] in ((3, 44), (3, 50)) and version[2] >= (6 if version[1] == 44 else 7)
    )
    if mended:
        return Finding("sqlite", "ok", text)
    return Finding(
        "sqlite",
        "note",
        f"{text} has the WAL-reset race; Mato is safe, by having one writer only",
        "open the journal with other programs read-only, or update SQLite to 3.51.3",
    )


def filesystem(mount: Mount | None) -> Finding:
    """Whether a journal can be kept on this file system."""
    if mount is None:
        return Finding("filesystem", "note", "cannot be told: there is no /proc/self/mountinfo")
    if mount.type in NETWORK:
        return Finding(
            "filesystem",
            "fault",
            f"{mount.type}, a network file system that cannot keep a journal safe",
            "set MATO_HOME to a folder on a disk of this machine",
        )
    if mount.read_only:
        return Finding(
            "filesystem",
            "fault",
            f"{mount.type}, mounted read-only at {mount.point}",
            "see why (`dmesg` may tell) and mount it writable, or set MATO_HOME",
        )
    if mount.type in ("tmpfs", "ramfs"):
        return Finding(
            "filesystem",
            "note",
            f"{mount.type}: the journal is in memory, and gone after a power cut",
            "set MATO_HOME to a folder on a disk, unless that is meant",
        )
    return Finding("filesystem", "ok", mount.type)


def space(free_bytes: int) -> Finding:
    """Whether there is room for the record of more work."""
    text = f"{free_bytes / 1e9:.1f} GB free for the journal"
    if free_bytes < LEAST_BYTES:
        text = f"{free_bytes / MIB:.0f} MiB free for the journal: agents pause when it is full"
        return Finding("disk", "fault", text, "free some space; work then goes on by itself")
    if free_bytes < LOW_BYTES:
        return Finding("disk", "note", text, "free some space soon")
    return Finding("disk", "ok", text)


async def last_stop(journal: Path) -> Finding | None:
    """How the last daemon ended, as the journal has it, while none runs; None: that is not noted.

    Raises:
        JournalError: the journal cannot be read.
    """
    async with database.open_reader(journal) as connection:
        with database.told(journal):
            ((version,),) = await connection.execute_fetchall("PRAGMA user_version")
            if version < 2:  # made before stops were noted
                return None
            rows = await connection.execute_fetchall("SELECT key, value FROM meta")
    meta = {str(key): value for key, value in rows}
    if not meta.get("epoch"):
        return None
    if transaction.LAST_STOP in meta:
        return Finding("last stop", "ok", "in good order")
    return Finding(
        "last stop",
        "note",
        "the last daemon did not end in good order: a crash, kill -9 or power cut",
        "`mato daemon start` goes on where it was cut off; `mato verify` checks the record",
    )
