"""Which file system a path is on, read from the kernel's list of mounts (proc_pid_mountinfo(5)).

SQLite's WAL needs shared memory and locks that all processes see; on a network both may lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "glusterfs", "lustre",
        "gfs2", "ocfs2", "beegfs", "ncpfs", "davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph",
        "fuse.s3fs", "fuse.rclone", "fuse.davfs", "fuse.gcsfuse", "fuse.beegfs", "fuse.smbnetfs",
        "fuse.nfs", "fuse.curlftpfs",
    }
)  # fmt: skip
"""Types of file systems whose files lie on another machine."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A file system where it hangs in the tree."""

    point: PurePath
    type: str
    read_only: bool


def parse(mountinfo: str) -> list[Mount]:
    """The mounts of a mountinfo file, in its order; lines that cannot be read are left out."""
    found: list[Mount] = []
    for line in mountinfo.splitlines():
        # id, parent, device, root, point, options, any number of tags, then "-", type, …
        front, _, back = line.partition(" - ")
        fields, kind = front.split(" "), back.split(" ")
        if len(fields) < 6 or len(kind) < 3:
            continue
        read_only = "ro" in (*fields[5].split(","), *kind[2].split(","))
        found.append(Mount(PurePath(_plain(fields[4])), _plain(kind[0]), read_only))
    return found


def holding(path: PurePath, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that `path` (absolute, without links) lies on; of two at one place the later."""
    best: Mount | None = None
    for mount in mounts:
        deeper = best is None or len(mount.point.parts) >= len(best.point.parts)
        if deeper and path.is_relative_to(mount.point):
            best = mount
    return best


def of(path: Path) -> Mount | None:
    """The mount that `path` lies on, whether it exists or not; None where no list of mounts is."""
    try:
        text = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return None
    return holding(path.resolve(), parse(text))


def _plain(field: str) -> str:
    # The kernel writes space, tab, newline and backslash as three octal digits.
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), field)
