"""What in a folder could instruct an agent or execute by itself, read in one bounded look.

Build files are not in it: nothing runs them but a command, and commands have their own permission.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from mato.tools.beneath import open_beneath
from mato_sessions.errors import PathRefused

FILES = (
    *("AGENTS.md", "AGENTS.override.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "QWEN.md"),
    *(".mcp.json", ".envrc", ".cursorrules", ".windsurfrules", ".clinerules", ".aider.conf.yml"),
    *(".gitattributes", ".gitmodules", ".lfsconfig", ".git", ".pre-commit-config.yaml"),
    *(".github/copilot-instructions.md", "opencode.json", ".git/config", ".git/config.worktree"),
)
"""Single files. `.git` is one in a work tree or submodule: it says where its hooks are."""
FOLDERS = (
    *(".mato", ".git/hooks", ".claude", ".cursor", ".gemini", ".codex", ".opencode", ".vibe"),
    *(".agents", ".qwen", ".vscode", ".idea", ".zed", ".husky", ".devcontainer"),
)
"""Folders of which every file counts."""

LARGEST_BYTES = 256 * 1024
_MOST_FILES = 1_000
_MOST_BYTES = 8 * 1024 * 1024
_DEEPEST = 6

_TRACKING = re.compile(rb"[ \t]*(?:remote|merge|rebase|pushRemote)[ \t]*=[^\\\n]*")
_BRANCH = re.compile(rb'\[branch "[^"\\\n]*"\][ \t]*')


class Survey:
    """What was found, by path relative to the folder."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        """Content of each, whole. Of `.git/config` without what only says which branch tracks
        which: git changes that every day, and it executes nothing."""
        self.odd: dict[str, str] = {}
        """Why something that has such a name is no such file; Mato never uses it."""

    def pins(self) -> dict[str, bytes]:
        """What trust in the folder is bound to."""
        return {
            **self.files,
            **{path: b"\0" + why.encode() for path, why in self.odd.items()},
        }


def survey(folder: Path) -> Survey:
    """Look at a folder. Never waits for a pipe, and never leaves the folder through a link.

    Raises:
        PathRefused: the folder cannot be read, or holds more than a person could look at.
    """
    found = Survey()
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise PathRefused(f"cannot look into {str(folder)!r}: {error}") from error
    try:
        size = 0
        for path in _names(top, found):
            _take(top, path, found)
            size += len(found.files.get(path, b""))
            if len(found.files) + len(found.odd) > _MOST_FILES or size > _MOST_BYTES:
                raise PathRefused(
                    f"{str(folder)!r} holds more than {_MOST_FILES} files or "
                    f"{_MOST_BYTES >> 20} MiB that could instruct or execute ({path!r} is one too "
                    "many); nobody can look through that, so it cannot be trusted"
                )
    finally:
        os.close(top)
    return found


def _names(top: int, found: Survey) -> Iterator[str]:
    yield from FILES
    for folder in FOLDERS:
        yield from _beneath(top, folder, found, 0)


def _beneath(top: int, path: str, found: Survey, depth: int) -> Iterator[str]:
    try:
        here = open_beneath(top, path, os.O_RDONLY | os.O_DIRECTORY)
    except (OSError, ValueError) as error:
        if not _missing(error):
            found.odd[_spelled(path)] = _why(error)
        return
    try:
        with os.scandir(here) as entries:
            inside = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry, _ in zip(entries, range(_MOST_FILES + 1), strict=False)
            )
    finally:
        os.close(here)
    for name, is_folder in inside:
        full = f"{path}/{name}"
        if path == ".git/hooks" and name.endswith(".sample"):
            continue  # git itself does not run these
        if not is_folder:
            yield full
        elif depth < _DEEPEST:
            yield from _beneath(top, full, found, depth + 1)
        else:
            found.odd[_spelled(full)] = "folders too deep in one another"


def _take(top: int, path: str, found: Survey) -> None:
    try:
        descriptor = open_beneath(top, path, os.O_RDONLY)
    except (OSError, ValueError) as error:
        if not (_missing(error) or _stands_in(top, path)):
            found.odd[_spelled(path)] = _why(error)
        return
    info = os.fstat(descriptor)
    if stat.S_ISDIR(info.st_mode):
        os.close(descriptor)
        if path not in FILES:
            found.odd[path] = "a link to a folder"
        return
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        found.odd[path] = f"larger than {LARGEST_BYTES >> 10} KiB ({info.st_size} bytes)"
    else:
        found.files[path] = _without_tracking(content) if path == ".git/config" else content


def _without_tracking(config: bytes) -> bytes:
    """A git config without its `[branch "…"]` heads and their plain keys; all else as it is."""
    kept: list[bytes] = []
    in_branch = False
    for line in config.split(b"\n"):
        if _BRANCH.fullmatch(line):
            in_branch = True
        elif line.lstrip()[:1] == b"[":
            in_branch = False
            kept.append(line)
        elif not (in_branch and _TRACKING.fullmatch(line)):
            kept.append(line)
    return b"\n".join(kept)


def _missing(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR)


def _stands_in(top: int, path: str) -> bool:
    """Whether it is what the sandbox holds a missing name with while a command runs.

    Nothing can be read from it, and counted it would end a folder's trust for that time.
    """
    try:
        mode = os.stat(path, dir_fd=top, follow_symlinks=False).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0


def _why(error: Exception) -> str:
    if not isinstance(error, OSError):
        return "a name that is not valid UTF-8"
    if error.errno == errno.EXDEV:
        return "a link that leads out of the folder"
    return (error.strerror or str(error)).lower()


def _spelled(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
