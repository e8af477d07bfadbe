"""Which file system a path is on, from lists of mounts as kernels write them."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from mato_sessions import database, filesystems
from mato_sessions.filesystems import Mount

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
30 27 0:30 / /home rw shared:9 - nfs4 server:/home rw,vers=4.2
31 30 0:31 / /home/ada/local\\040disk rw - xfs /dev/sdb1 rw
32 27 0:32 / /mnt/usb ro,nosuid - vfat /dev/sdc1 ro
33 27 0:33 / /mnt/usb rw - fuse.sshfs ada@host:/ rw
34 27 0:34 / /old rw - ext4 /dev/sdd1 ro
a line of a kernel to come
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/mato", "ext4"),
        ("/homes", "ext4"),
        ("/home", "nfs4"),
        ("/home/ada/.local/state", "nfs4"),
        ("/home/ada/local disk/mato", "xfs"),
        ("/home/ada/local disks", "nfs4"),
        ("/mnt/usb/x", "fuse.sshfs"),
    ],
)
def test_the_deepest_and_newest_mount_holds_a_path(path: str, kind: str) -> None:
    found = filesystems.holding(PurePath(path), filesystems.parse(MOUNTS))
    assert found is not None
    assert found.type == kind


def test_read_only_is_what_mount_or_file_system_say() -> None:
    mounts = filesystems.parse(MOUNTS)
    assert [mount.read_only for mount in mounts] == [False, False, False, False, True, False, True]
    assert Mount(PurePath("/home/ada/local disk"), "xfs", False) in mounts


def test_without_mounts_nothing_is_known() -> None:
    assert filesystems.parse("nonsense\n\n1 2 3 - \n") == []
    assert filesystems.holding(PurePath("/x"), []) is None


def test_this_machine_says_where_a_folder_is(tmp_path: Path) -> None:
    assert database.filesystem(tmp_path / "not yet" / "there") == database.filesystem(tmp_path)
    assert database.filesystem(Path("/proc/self")) == "proc"
