"""What of the machine a confined command sees besides its workspace: programs, never homes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from mato.sandbox import worktree

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix")
"""Folders that are shown read-only, or as the links that they are."""

ETC = (
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "debian_version",
    "environment", "fonts", "gitconfig", "group", "host.conf", "hosts", "inputrc", "java",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf", "localtime",
    "magic", "mime.types", "nsswitch.conf", "os-release", "passwd", "pki", "profile", "protocols",
    "services", "shells", "ssl", "terminfo", "timezone",
)  # fmt: skip
"""What programs read of /etc. All the rest of it (shadow, keys of hosts) stays away: to a root
user inside, the file modes would hide nothing."""

_SHARED_FOLDERS = frozenset({".local", ".config", ".cargo", ".cache"})
"""Folders of a home that hold programs next to secrets: of them only the bin folder is shown."""
_BESIDE = {
    ".local": (".local/lib", ".local/share/uv/python", ".local/share/uv/tools", ".local/pipx"),
    ".cargo": (".rustup",),
}
_HOME_KEY = re.compile(r"^home\s*=\s*(.+?)\s*$", re.MULTILINE)


class View(msgspec.Struct, frozen=True):
    """What a command is shown; all paths absolute and without links."""

    home: Path
    programs: tuple[Path, ...]
    """Folders with programs outside the system's, read-only."""
    hidden: tuple[Path, ...]
    """Folders that stay invisible even where they are inside the workspace."""


def view(folder: Path, env: Mapping[str, str], hidden: Iterable[Path]) -> View:
    """What a command in `folder` with this environment is shown. Reads the disk."""
    home = Path(env.get("HOME") or "~").expanduser().resolve()
    away = tuple(dict.fromkeys([*(path.resolve() for path in hidden), *_secret_places(home)]))
    programs: dict[Path, None] = {}
    for entry in env.get("PATH", "").split(":"):
        if entry.startswith("/"):
            for found in _toolchain(Path(entry), home):
                programs[found] = None
    for found in _interpreters(folder, home):
        programs[found] = None
    shown = [path for path in programs if _may_show(path, folder, home, away)]
    return View(home, tuple(shown), away)


def _secret_places(home: Path) -> list[Path]:
    names = (
        ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials",
        ".config", ".local/share/keyrings", ".local/state", ".password-store", ".mozilla",
        ".pypirc", ".npmrc", ".bash_history", ".python_history",
    )  # fmt: skip
    return [home / name for name in names]


def _toolchain(bin_folder: Path, home: Path) -> list[Path]:
    """The folder above a PATH entry, with the interpreter that a Python environment stands on."""
    try:
        real = bin_folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return []
    if any(real.is_relative_to(top) for top in SYSTEM):
        return []
    root = real.parent if real.name in ("bin", "sbin", "shims") else real
    if root.parent == home and root.name in _SHARED_FOLDERS:
        beside = (home / name for name in _BESIDE.get(root.name, ()))
        return [real, *(path for path in beside if path.is_dir())]
    if root == home or home.is_relative_to(root) or root == Path("/"):
        return [real]
    return [root, *_base_of(root, home)]


def _interpreters(folder: Path, home: Path) -> list[Path]:
    """Where the Python of the workspace's own environments lives."""
    return [found for name in (".venv", "venv", "env") for found in _base_of(folder / name, home)]


def _base_of(environment: Path, home: Path) -> list[Path]:
    """The installation behind a virtual environment; [] where that is no Python.

    The file may come from anybody, so what it names must look like an interpreter's folder and be
    nobody's home.
    """
    match = _HOME_KEY.search(worktree.text(environment / "pyvenv.cfg"))
    try:
        named = Path(match[1]) if match and match[1].startswith("/") else None
        real = named.resolve(strict=True) if named else None
    except (OSError, RuntimeError, ValueError):
        return []
    if real is None or real.name != "bin" or any(real.is_relative_to(top) for top in SYSTEM):
        return []
    root = real.parent
    is_python = (root / "lib").is_dir() and any(real.glob("python3*"))
    return [root] if is_python and not home.is_relative_to(root) else []


def _may_show(path: Path, folder: Path, home: Path, away: Iterable[Path]) -> bool:
    if folder.is_relative_to(path) or home.is_relative_to(path):
        return False  # it would show more than programs
    return not any(path.is_relative_to(each) or each.is_relative_to(path) for each in away)


def author(home: Path) -> dict[str, str]:
    """Name and address for commits, from the person's own git configuration; nothing else of it."""
    found: dict[str, str] = {}
    for file in (home / ".config/git/config", home / ".gitconfig"):
        try:
            text = file.read_bytes()[: 64 * 1024].decode("utf-8", "replace")
        except OSError:
            continue
        section = re.search(r"^\[user\]$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
        for key in ("name", "email"):
            line = section and re.search(rf"^\s*{key}\s*=\s*(.+?)\s*$", section[1], re.MULTILINE)
            if line:
                value = line[1].strip('"')
                found[f"GIT_AUTHOR_{key.upper()}"] = value
                found[f"GIT_COMMITTER_{key.upper()}"] = value
    return found
