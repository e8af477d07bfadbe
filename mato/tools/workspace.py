"""The one door to the files of a workspace: nothing outside of it can be opened through here."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, NoReturn

import msgspec

from mato.shell.paths import protected, secret
from mato.tools.beneath import NotPlain, open_beneath, true_path
from mato.tools.replacing import NotReplaced, make_folders, remove, replace
from mato_sessions.errors import PathRefused

NEW_FILE = 0o644
"""Of files that a tool makes: the daemon's own umask (077) is not the project's."""
_PATH_BYTES = 4096
_NAMES_READ = 100_000
_NOT_THERE = (errno.ENOSYS, errno.EPERM)
"""Old kernels say the first; old container filters the second."""

Kind = Literal["file", "folder", "link", "other"]


class PathMissing(PathRefused):
    """Nothing has that path."""


class Entry(msgspec.Struct, frozen=True):
    """A name in a folder."""

    name: str
    path: str
    """Relative to the workspace."""
    kind: Kind
    """link: a symbolic link, not followed. other: a pipe, socket or device."""
    size_bytes: int = 0
    depth: int = 0
    """0: directly in the folder that was asked for."""


class Workspace:
    """A folder that is held open, so that paths mean this folder even when it is moved.

    Paths are relative to it, or absolute and beginning with its own path. Everything raises
    `PathRefused` with one sentence and nothing else. Closed by `close` or as a context manager.
    """

    def __init__(self, root: Path) -> None:
        try:
            self.root = Path(os.path.realpath(root))
            self._prefixes = (os.path.abspath(root), str(self.root))  # noqa: PTH100 resolves links
            self._folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise PathRefused(
                f"cannot use {str(root)!r} as a workspace: {_reason(error)}"
            ) from error
        try:
            os.close(open_beneath(self._folder, ".", os.O_PATH))
        except OSError as error:
            os.close(self._folder)
            if error.errno in _NOT_THERE:
                raise PathRefused(
                    "this system has no openat2 (Linux 5.6 or newer, and a container that lets it"
                    " pass), so files of a workspace cannot be opened safely"
                ) from error
            raise PathRefused(
                f"cannot use {str(root)!r} as a workspace: {_reason(error)}"
            ) from error

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder. Idempotent."""
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def folder(self) -> Path:
        """Where the folder is, for a process that is to start in it.

        Raises:
            PathRefused: it was deleted, or moved so that its path names something else.
        """
        try:
            there, held = self.root.stat(), os.fstat(self._folder)
        except OSError as error:
            raise PathRefused(f"the workspace {str(self.root)!r} is gone") from error
        if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            raise PathRefused(f"the workspace {str(self.root)!r} was moved or replaced")
        return self.root

    def relative(self, path: str) -> str:
        """`path` as text relative to the workspace; ``.`` is the workspace itself. Opens nothing.

        Raises:
            PathRefused: no path, too long, or absolute and not inside.
        """
        if not path:
            raise PathRefused("an empty path names no file; '.' is the workspace")
        if "\0" in path:
            raise PathRefused(f"{_shown(path)} holds a NUL character, which no path can")
        try:
            size = len(path.encode())
        except UnicodeEncodeError as error:
            raise PathRefused(f"{_shown(path)} is not valid text") from error
        if size >= _PATH_BYTES:
            raise PathRefused(f"{_shown(path)} is too long for a path ({size} bytes)")
        if path.startswith("/"):
            path = self._beneath(path)
        # Only what never changes the meaning is tidied: `a/../b` may lead through a link.
        parts = [part for part in path.split("/") if part not in ("", ".")]
        tidy = "/".join(parts) or "."
        # A slash at the end says "folder", and the kernel is to hold the path to it.
        return f"{tidy}/" if parts and path.endswith(("/", "/.")) else tidy

    def _beneath(self, path: str) -> str:
        for prefix in self._prefixes:
            if path == prefix or prefix == "/":
                return path.lstrip("/") or "."
            if path.startswith(f"{prefix}/"):
                return path[len(prefix) :].lstrip("/") or "."
        raise PathRefused(
            f"{_shown(path)} is outside the workspace; use a path relative to {str(self.root)!r}"
        )

    def open(self, path: str) -> int:
        """A descriptor of the plain file or folder at `path`, for reading; the caller closes it."""
        return self._open(path, os.O_RDONLY)

    def open_read(self, path: str) -> BinaryIO:
        """The plain file at `path`, open for reading; the caller closes it."""
        descriptor = self.open(path)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise PathRefused(f"{_shown(path)} is a folder, not a file")
        return os.fdopen(descriptor, "rb")

    def read_bytes(self, path: str, limit: int) -> bytes:
        """All of the file, which has to be no larger than `limit` bytes."""
        with self.open_read(path) as file:
            try:
                size = os.fstat(file.fileno()).st_size
                data = file.read(limit + 1) if size <= limit else b""
            except OSError as error:
                self._refuse(path, error)
        if size > limit or len(data) > limit:
            raise PathRefused(
                f"{_shown(path)} is too large: {max(size, len(data)):,} bytes, {limit:,} are read"
            )
        return data

    def stat(self, path: str) -> os.stat_result:
        """What the plain file or folder at `path` is; links that stay inside are followed."""
        descriptor = self._open(path, os.O_PATH)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def scandir(self, path: str = ".") -> list[Entry]:
        """What is in the folder, sorted by name; of more than 100,000 names, the first read."""
        relative = self.relative(path).rstrip("/")
        descriptor = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(descriptor) as names:
                entries = [_entry(found, relative) for found in islice(names, _NAMES_READ)]
            if not entries and os.fstat(descriptor).st_nlink == 0:
                # Deleted, yet held open: not the same as empty.
                raise FileNotFoundError(errno.ENOENT, "no such file or directory")
        except OSError as error:
            self._refuse(path, error)
        finally:
            os.close(descriptor)
        return sorted(entries, key=lambda entry: entry.name)

    def walk(
        self, path: str = ".", *, skip: frozenset[str] = frozenset(), depth: int = 64
    ) -> Iterator[Entry]:
        """Everything beneath the folder, depth first, a folder before what it holds.

        Links are named and not followed. Folders called as in `skip` are named and not entered;
        so are those deeper than `depth`. A folder that cannot be read is passed over, except the
        first one.
        """
        stack = list(reversed(self.scandir(path)))
        while stack:
            entry = stack.pop()
            yield entry
            if entry.kind != "folder" or entry.name in skip or entry.depth + 1 >= depth:
                continue
            with contextlib.suppress(PathRefused):
                inner = self.scandir(entry.path)
                stack.extend(
                    msgspec.structs.replace(child, depth=entry.depth + 1)
                    for child in reversed(inner)
                )

    def write_bytes(
        self, path: str, data: bytes, *, expect: bytes | None, permissions: int = NEW_FILE
    ) -> None:
        """Put `data` into the file at once: a reader sees the old content or the new, never a mix.

        `expect` is what the file holds as far as the caller knows (None: there is no such file);
        when it holds something else by now, nothing is written. Parent folders are made. An
        existing file keeps its permission bits, `permissions` are those of a new one.
        """
        parent, name = self._place(path)
        try:
            # A file that is there has its folder, or it was deleted meanwhile.
            make = expect is None
            folder = make_folders(self._folder, parent) if make else self._parent(parent)
            try:
                self._same(path, folder, name)
                replace(folder, name, data, expect=expect, permissions=permissions)
            finally:
                os.close(folder)
        except NotReplaced as error:
            raise PathRefused(f"{_shown(path)} {error}") from error
        except (OSError, ValueError) as error:
            self._refuse(path, error)

    def remove(self, path: str, *, expect: bytes) -> None:
        """Take the plain file at `path` away, if it still holds `expect`."""
        parent, name = self._place(path)
        try:
            folder = self._parent(parent)
            try:
                self._same(path, folder, name)
                remove(folder, name, expect=expect)
            finally:
                os.close(folder)
        except NotReplaced as error:
            raise PathRefused(f"{_shown(path)} {error}") from error
        except (OSError, ValueError) as error:
            self._refuse(path, error)

    def _place(self, path: str) -> tuple[str, str]:
        """The folder of a file that is to be changed, and its name there."""
        parent, _, name = self.relative(path).rpartition("/")
        if name in ("", ".", ".."):
            raise PathRefused(f"{_shown(path)} names a folder, not a file")
        return parent, name

    def _parent(self, parent: str) -> int:
        return open_beneath(self._folder, parent or ".", os.O_RDONLY | os.O_DIRECTORY)

    def _open(self, path: str, flags: int) -> int:
        relative = self.relative(path)
        try:
            opened = open_beneath(self._folder, relative, flags)
        except (OSError, ValueError) as error:
            self._refuse(path, error)
        try:
            self._same(path, opened)
        except PathRefused:
            os.close(opened)
            raise
        return opened

    def _same(self, path: str, opened: int, name: str = "") -> None:
        """Refuse what a link makes of a path: it was permitted by its name.

        With `name`, of a file that is to be changed, also a harmless other place: rules and grants
        are about folders.
        """
        place = f"{true_path(self._folder, opened)}/{name}".strip("/")
        moved = bool(name) and place != posixpath.normpath(self.relative(path))
        if moved or any(kind(place) and not kind(path) for kind in (protected, secret)):
            raise PathRefused(f"{_shown(path)} is a way to {_shown(place)}; use that name")

    def _refuse(self, path: str, error: OSError | ValueError) -> NoReturn:
        """One sentence for whatever the kernel said."""
        shown = _shown(path)
        match error:
            case FileNotFoundError():
                if self._folder >= 0 and os.fstat(self._folder).st_nlink == 0:
                    raise PathRefused(f"the workspace {str(self.root)!r} was deleted") from error
                raise PathMissing(f"{shown} does not exist") from error
            case NotPlain():
                raise PathRefused(f"{shown} is no plain file: {_reason(error)}") from error
            case OSError(errno=errno.EXDEV):
                raise PathRefused(f"{shown} leads out of the workspace") from error
            case OSError(errno=errno.ELOOP):
                raise PathRefused(f"{shown} goes through links that cannot be followed") from error
            case _:
                raise PathRefused(f"cannot open {shown}: {_reason(error)}") from error


def _entry(found: os.DirEntry[str], folder: str) -> Entry:
    kind: Kind = "other"
    size = 0
    with contextlib.suppress(OSError):  # it may be gone by now
        if found.is_symlink():
            kind = "link"
        elif found.is_dir(follow_symlinks=False):
            kind = "folder"
        elif found.is_file(follow_symlinks=False):
            kind = "file"
            size = found.stat(follow_symlinks=False).st_size
    # Names that are no UTF-8 cannot be asked for; they are shown as well as can be.
    name = os.fsencode(found.name).decode(errors="replace")
    return Entry(name, name if folder == "." else f"{folder}/{name}", kind, size)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def _shown(path: str) -> str:
    shown = path if len(path) <= 120 else f"{path[:60]}…{path[-50:]}"
    return repr(shown)
