"""The repository outside of a workspace that the workspace is a work tree of.

The workspace says where that is, and anybody may have written the workspace. So it counts only
where the repository says the same of the workspace (gitrepository-layout(5)).
"""

from __future__ import annotations

import re
from pathlib import Path

_LARGEST = 64 * 1024
_WORKTREE = re.compile(r"^\s*worktree\s*=\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE)


def named(file: Path) -> Path | None:
    """The folder that a ``.git`` file names; None where it is no such file."""
    said = text(file)
    if not said.startswith("gitdir:"):
        return None
    return resolved(file.parent / said.removeprefix("gitdir:").strip())


def outside(folder: Path) -> Path | None:
    """What of the repository must be readable for git to work in `folder`, where it is outside."""
    git = folder / ".git"
    if git.is_symlink() or not git.is_file():
        return None
    private = named(git)
    if private is None or private.is_relative_to(folder) or not (private / "HEAD").is_file():
        return None
    if (back := text(private / "gitdir").strip()) and resolved(private / back) == git:
        common = resolved(private / (text(private / "commondir").strip() or "."))
        # `git worktree add` makes them as worktrees/NAME of the one repository.
        sound = common is not None and private.parent == common / "worktrees"
        return common if sound and common is not None and (common / "objects").is_dir() else None
    found = _WORKTREE.search(text(private / "config"))
    if found and resolved(private / found[1].strip('"')) == folder:
        return private
    return None


def text(file: Path) -> str:
    """The beginning of a file; "" where there is none. Never waits for a pipe."""
    try:
        if not file.is_file():  # a pipe would never end
            return ""
        with file.open("rb") as opened:
            return opened.read(_LARGEST).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""


def resolved(path: Path) -> Path | None:
    """The path without links; None where they lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return None
