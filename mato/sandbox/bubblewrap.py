"""The command line of bubblewrap for the full tier: pure, from what is to be seen to arguments."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mato.sandbox.hole import Opened
from mato.sandbox.visible import ETC, SYSTEM, View

_SCRATCH = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 (the command's own)


class Mounts(msgspec.Struct, frozen=True):
    """What a command's file system is made of besides the system's programs."""

    folder: Path
    """The workspace: writable, at its own path."""
    view: View
    whole: tuple[Path, ...] = ()
    """Folders in the workspace that may be written to and must not be moved away."""
    fixed: tuple[Path, ...] = ()
    """Files and folders in the workspace that must stay as they are."""
    missing: tuple[Path, ...] = ()
    """Stand-ins for what must not come to be."""
    opened: Opened = Opened()
    """What a profile opens."""
    doorway: tuple[tuple[Path, Path], ...] = ()
    """What opens a network: places, and where they are seen."""


def arguments(
    program: str,
    mounts: Mounts,
    seccomp_fd: int,
    command: Sequence[str],
    *,
    disable_userns: bool,
    terminal: bool = False,
) -> list[str]:
    """The whole command line; variables are handed on, as a command line can be read by others.

    With `terminal` the command keeps the terminal that it is started on. Looks at the system's
    folders, which are links on some machines.
    """
    said = [program, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    said += ["--unshare-uts", "--unshare-cgroup-try", "--hostname", "mato"]
    if disable_userns:
        said.append("--disable-userns")
    said += ["--cap-drop", "ALL"]
    if not terminal:
        # Else TIOCSTI could type into the terminal of whoever started the daemon.
        said.append("--new-session")
    said += _system()
    view = mounts.view
    # Else what is written beside the workspace would seem to succeed, and be gone.
    above = mounts.folder.parent
    is_ours = above not in (view.home, *_SCRATCH, Path("/")) and not _shown(above)
    said += ["--proc", "/proc", "--dev", "/dev", "--dir", "/run"]
    empty = {*_SCRATCH, view.home, above} if is_ours else {*_SCRATCH, view.home}
    for path in sorted(empty - {Path("/")}):
        said += ["--tmpfs", str(path)]
    for path in view.programs:
        said += ["--ro-bind", str(path), str(path)]
    for how, places in (("--ro-bind", mounts.opened.read), ("--bind", mounts.opened.write)):
        for there, shown in sorted(places, key=lambda place: place[1]):
            said += [how, str(there), str(shown)]
    for there, shown in mounts.doorway:
        said += ["--ro-bind", str(there), str(shown)]
    said += ["--bind", str(mounts.folder), str(mounts.folder)]
    for path in _inside(view.hidden, mounts.folder):
        # A file cannot be covered by a folder.
        cover = ["--tmpfs"] if path.is_dir() else ["--ro-bind", "/dev/null"]
        said += [*cover, str(path)] if path.exists() else []
    # Outer folders first: a later mount covers what an earlier one put below it.
    for path in sorted(mounts.whole):
        said += ["--bind", str(path), str(path)]
    for path in sorted(mounts.fixed):
        said += ["--ro-bind", str(path), str(path)]
    for path in mounts.missing:
        said += ["--ro-bind", str(path), str(path)]
    said += ["--remount-ro", str(above)] if is_ours else []
    said += ["--remount-ro", "/", "--chdir", str(mounts.folder)]
    return [*said, "--seccomp", str(seccomp_fd), "--", *command]


def _system() -> list[str]:
    said: list[str] = []
    for top in SYSTEM:
        try:
            mode = os.lstat(top).st_mode
        except OSError:
            continue
        if stat.S_ISLNK(mode):
            said += ["--symlink", str(Path(top).readlink()), top]
        else:
            said += ["--ro-bind", top, top]
    for name in ETC:
        said += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return said


def _shown(path: Path) -> bool:
    """Whether it is in a folder of the system's, which cannot be written to anyway."""
    return any(path.is_relative_to(top) for top in (*SYSTEM, "/run"))


def _inside(paths: Iterable[Path], folder: Path) -> list[Path]:
    return sorted(path for path in paths if path.is_relative_to(folder) and path != folder)
