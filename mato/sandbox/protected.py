"""Files that make other programs act: which there are, how they were, and putting them back.

A tool or an editor that meets one of them later, outside of any sandbox, runs what it says. So a
command must not change or plant one, wherever in the workspace.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from mato.sandbox import links, trees, worktree

FILES = (
    ".envrc", ".mcp.json", "AGENTS.md", "AGENT.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md",
    ".cursorrules", ".windsurfrules", ".clinerules", ".aider.conf.yml", "opencode.json",
)  # fmt: skip
FOLDERS = (
    ".vscode", ".idea", ".zed", ".claude", ".cursor", ".gemini", ".codex", ".windsurf", ".opencode",
    ".vibe", ".qwen", ".continue", ".mato",
)  # fmt: skip
LATER = (
    ".husky", ".devcontainer", ".agents", ".roo", ".kiro", ".junie", ".amazonq", ".goosehints",
    ".exrc", ".nvimrc", ".nvim.lua", ".dir-locals.el", ".crush.json", "crush.json", "QWEN.md",
    "AGENTS.override.md", "copilot-instructions.md",
)  # fmt: skip
"""The same, in fewer hands: no stand-in keeps a place for them, so new ones are put aside."""
GIT = ("hooks", "config", "config.worktree", "commondir", "gitdir", "info/attributes")
"""What of a repository's own folder makes git run something."""

_FOLDED = frozenset(name.lower() for name in (*FILES, *FOLDERS, *LATER))
_BARE = ("HEAD", "objects", "refs")
"""What git takes a folder of any name for a repository by."""
_SKIPPED = frozenset({"node_modules", ".venv", "venv", "__pycache__", ".tox", "target"})
_MOST_FOLDERS = 4_000
_DEEPEST = 8
_MOST_BYTES = 1024 * 1024
_MOST_FILES = 400
_INERT = re.compile(
    r"^\s*(\[(core|init|user|branch \"[^\"\\]*\"|remote \"[^\"\\]*\")\]"
    r"|(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode"
    r"|symlinks|defaultbranch|name|email|merge|fetch|url)\s*=.*|[#;].*)?$",
    re.IGNORECASE,
)
"""Lines of a git configuration that execute nothing. A URL may (``ext::``), so it is looked at."""


_HOOKS_PATH = re.compile(r"^\s*hooksPath\s*=\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


class Place(msgspec.Struct, frozen=True):
    """A protected path as it is on disk."""

    path: Path
    kind: str
    """``file``, ``folder``, ``link`` or ``other``."""
    digest: str
    """Of all that is in it."""
    target: str = ""
    """What a link says."""


class Found(msgspec.Struct, frozen=True):
    """All protected places of a workspace at one time."""

    places: dict[str, Place]
    """By their path."""
    repositories: tuple[Path, ...]
    """The folders that are ``.git``, those of submodules included, and one that is outside."""
    outside: worktree.Outside | None = None


def find(folder: Path, outside: worktree.Outside | None = None) -> Found:
    """The protected places in a workspace, links not followed. Reads the disk.

    `outside` is the repository outside as it was known before; else it is looked for.
    """
    places: dict[str, Place] = {}
    repositories: dict[Path, None] = {}
    for path in _entries(folder):
        # A repository without a work tree has any name.
        if path.name.lower() in _FOLDED:
            _put(places, path, folder)
            continue
        real = path
        if path.is_symlink() or not path.is_dir():
            _put(places, path, folder)
            real = worktree.named(path) or worktree.resolved(path)
            if real is None or not real.is_relative_to(folder) or not real.is_dir():
                continue
        for repository in _repositories(real):
            repositories[repository] = None
            _look_into(repository, places, folder)
            if (hooks := _hooks(repository, path.parent)) and hooks.is_relative_to(folder):
                _put(places, hooks, folder)
        for link in links.within(real):
            _put(places, link, folder)
    if (outer := outside or worktree.outside(folder)) is not None:
        repositories[outer.own] = None
        _look_into(outer.own, places, folder)
        for written in outer.written:
            for link in links.within(written):
                _put(places, link, folder)
    return Found(places, tuple(repositories), outer)


def _look_into(repository: Path, places: dict[str, Place], folder: Path) -> None:
    for name in GIT:
        _put(places, repository / name, folder)


def _hooks(repository: Path, tree: Path) -> Path | None:
    """Where the repository's own configuration says that its hooks are."""
    found = _HOOKS_PATH.findall(worktree.text(repository / "config"))
    return Path(os.path.normpath(tree / found[-1].strip('"'))) if found else None


def _entries(folder: Path) -> Iterator[Path]:
    """What has a protected name or is a repository, in as many folders as may be looked at."""
    line = [(str(folder), 0)]
    for looked, (path, depth) in enumerate(line):
        if looked >= _MOST_FOLDERS:
            return
        with contextlib.suppress(OSError), os.scandir(path) as scanned:
            entries = list(scanned)
            if depth and {entry.name for entry in entries}.issuperset(_BARE):
                yield Path(path)
                continue
            for entry in entries:
                # Folded: some file systems take .ENVRC for .envrc, and so may who reads it.
                name = entry.name.lower()
                if name in _FOLDED or name == ".git":
                    yield Path(entry.path)
                elif (
                    depth < _DEEPEST
                    and entry.name not in _SKIPPED
                    and entry.is_dir(follow_symlinks=False)
                ):
                    line.append((entry.path, depth + 1))


def _repositories(git: Path) -> list[Path]:
    """A repository's folder and, inside of it, those of its submodules."""
    found = [git]
    modules = git / "modules"
    if modules.is_dir():
        for top, folders, files in trees.walk(modules):
            if "config" in files and "HEAD" in files:
                found.append(Path(top))
                folders[:] = [name for name in folders if name == "modules"]
            if len(found) > 100:
                break
    return found


def _put(places: dict[str, Place], path: Path, folder: Path) -> None:
    """Note a path; of a link in the workspace also what it stands on."""
    _note(places, path)
    if str(path) in places and path.name != ".git":  # which is looked into by itself
        for each in links.way(path, folder):
            _note(places, each)


def _note(places: dict[str, Place], path: Path) -> None:
    try:
        info = path.lstat()
    except OSError:
        return
    if stat.S_ISSOCK(info.st_mode):
        return  # a stand-in, or as good as one: it says nothing to anybody
    kind = (
        "link" if stat.S_ISLNK(info.st_mode)
        else "folder" if stat.S_ISDIR(info.st_mode)
        else "file" if stat.S_ISREG(info.st_mode)
        else "other"
    )  # fmt: skip
    target = str(path.readlink()) if kind == "link" else ""
    places[str(path)] = Place(path, kind, _digest(path, kind), target)


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.sha256(kind.encode())
    match kind:
        case "link":
            digest.update(os.fsencode(path.readlink()))
        case "file":
            _add(digest, path)
        case "folder":
            for count, (top, _, files) in enumerate(trees.walk(path)):
                for name in files:
                    each = Path(top, name)
                    digest.update(os.fsencode(each) + b"\0")
                    _add(digest, each)
                if count > _MOST_FILES:
                    break
        case _:
            pass
    return digest.hexdigest()


def _add(digest: _Digest, path: Path) -> None:
    with contextlib.suppress(OSError):
        info = path.lstat()
        digest.update(f"{info.st_mode}:{info.st_size}".encode())
        if stat.S_ISREG(info.st_mode):
            # By now it may be a pipe, which must not be waited for.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                digest.update(hashlib.sha256(os.read(handle, _MOST_BYTES)).digest())
            finally:
                os.close(handle)
        elif stat.S_ISLNK(info.st_mode):
            digest.update(os.fsencode(path.readlink()))


def keep(found: Found, copies: Path) -> None:
    """Copy every place into the folder `copies`, from which `restore` takes it."""
    copies.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number, key in enumerate(found.places):
        trees.copy(found.places[key].path, copies / str(number))


def restore(folder: Path, before: Found, copies: Path | None, aside: Path) -> list[str]:
    """Make the protected places again what they were; gives the paths that differed.

    What was there instead goes into the folder `aside`. Without `copies`, what was there could not
    have been changed, links excepted: then only what is new is moved away.
    """
    after = find(folder, before.outside)
    changed: list[str] = []
    for key, place in after.places.items():
        old = before.places.get(key)
        if old == place or (old is not None and old.kind != "link" and copies is None):
            continue
        if old is None and _inert(place, after.repositories):
            continue
        changed.append(os.path.relpath(key, folder))
        _move(place.path, aside)
    for number, (key, place) in enumerate(before.places.items()):
        there = after.places.get(key)
        if there == place or (copies is None and place.kind != "link"):
            continue
        if there is None:
            changed.append(os.path.relpath(key, folder))
            if os.path.lexists(place.path):  # a node that says nothing, in the way
                _move(place.path, aside)
        if not os.path.lexists(place.path):
            place.path.parent.mkdir(parents=True, exist_ok=True)
            if place.kind == "link":
                place.path.symlink_to(place.target)
            elif copies is not None:
                trees.copy(copies / str(number), place.path)
    return changed


def _inert(place: Place, repositories: tuple[Path, ...]) -> bool:
    """Whether a new place is no more than what git makes for `init`, `clone`, `worktree add`."""
    if place.path.name == ".git" and place.kind == "file":
        private = worktree.named(place.path)
        known = private is not None and private in repositories
        return known and private is not None and worktree.linked(private)
    if place.path.parent not in repositories and place.path.parent.parent not in repositories:
        return False
    match place.path.name:
        case "hooks":
            is_folder = place.kind == "folder"
            names = [each.name for each in place.path.iterdir()] if is_folder else ["?"]
            return all(name.endswith(".sample") for name in names)
        case "config":
            text = place.path.read_text(errors="replace") if place.kind == "file" else "?"
            lines = text.splitlines()
            return all(_INERT.match(line) and "::" not in line for line in lines)
        case "commondir" | "gitdir":
            return place.kind == "file" and worktree.linked(place.path.parent)
        case "attributes":
            return place.kind == "file"  # names drivers; only a configuration says what they are
        case _:
            return False


def _move(path: Path, aside: Path) -> None:
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    trees.move(path, aside / f"{len(list(aside.iterdir()))}-{path.name}")
