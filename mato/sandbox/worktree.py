"""Repositories that are not where their work tree is: outside of the workspace, or below another.

The workspace says where that is, and anybody may have written the workspace. So it counts only
where the repository says the same of the workspace (gitrepository-layout(5)).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

import msgspec

_LARGEST = 64 * 1024
_WORKTREE = re.compile(r"^\s*worktree\s*=\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE)


def named(file: Path) -> Path | None:
    """The folder that a ``.git`` file names; None where it is no such file."""
    said = text(file)
    if not said.startswith("gitdir:"):
        return None
    return resolved(file.parent / said.removeprefix("gitdir:").strip())


class Outside(msgspec.Struct, frozen=True):
    """A repository outside of its work tree, and what of it git needs there."""

    seen: Path
    """All of it: readable."""
    own: Path
    """The folder with what is this work tree's alone (HEAD, index); the same as `seen` where there
    are no others."""
    written: tuple[Path, ...]
    """Where git writes when it commits; configuration and hooks are not in it, or protected."""
    fixed: tuple[Path, ...] = ()
    """What in `written` stays as it is: what was packed before, and where further objects are."""


def outside(folder: Path) -> Outside | None:
    """The repository of `folder`, where it is outside. Makes its folder for logs, if missing."""
    git = folder / ".git"
    if git.is_symlink() or not git.is_file():
        return None
    private = named(git)
    if private is None or private.is_relative_to(folder) or not (private / "HEAD").is_file():
        return None
    if (back := text(private / "gitdir").strip()) and resolved(private / back) == git:
        common = resolved(private / (text(private / "commondir").strip() or "."))
        # `git worktree add` makes them as worktrees/NAME of the one repository.
        if common is None or private.parent != common / "worktrees":
            return None
        return _shared(common, private) if (common / "objects").is_dir() else None
    found = _WORKTREE.search(text(private / "config"))
    if found and resolved(private / found[1].strip('"')) == folder:
        return Outside(private, private, (private,))
    return None


def _shared(common: Path, private: Path) -> Outside:
    with contextlib.suppress(OSError):
        (common / "logs").mkdir(mode=0o755, exist_ok=True)
    shared = [common / name for name in ("objects", "refs", "logs", "reftable")]
    kept = [common / "objects" / name for name in ("pack", "info")]
    return Outside(
        common,
        private,
        (private, *(path for path in shared if _is_folder(path))),
        tuple(path for path in kept if _is_folder(path)),
    )


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def linked(private: Path) -> bool:
    """Whether a folder is what ``git worktree add`` makes in a repository, and nothing more."""
    if private.parent.name != "worktrees" or text(private / "commondir").strip() != "../..":
        return False
    back = text(private / "gitdir").strip()
    return bool(back) and named(private / back) == private


def text(file: Path) -> str:
    """The beginning of a file; "" where there is none. Never waits for a pipe."""
    try:
        # Looked at once it is open, and opened without waiting: by then it may be another file.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        plain = stat.S_ISREG(os.fstat(handle).st_mode)
        return os.read(handle, _LARGEST).decode("utf-8", "surrogateescape") if plain else ""
    except OSError:
        return ""
    finally:
        os.close(handle)


def resolved(path: Path) -> Path | None:
    """The path without links; None where they lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return None
