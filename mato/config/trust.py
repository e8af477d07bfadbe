"""Which folders a person trusts: only those may instruct agents by their own files.

The list is `trust.toml` in the state folder. A folder is trusted by its resolved path, together
with everything beneath it; nothing in a folder can trust itself.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import msgspec

from mato.config.load import check, read_toml
from mato.config.paths import Paths, private
from mato_sessions.errors import ConfigError


class _TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folders: list[str] = []


class Trust:
    """The trusted folders of one user, read anew from the file at each question."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.trust_file

    def folders(self) -> tuple[Path, ...]:
        """All trusted folders, sorted.

        Raises:
            ConfigError: trust.toml is damaged; nothing is trusted on a guess.
        """
        data = read_toml(self._file)
        check(data, _TrustFile, where=str(self._file))
        parsed = msgspec.convert(data, _TrustFile)
        return tuple(sorted(Path(folder) for folder in parsed.folders))

    def is_trusted(self, path: Path) -> bool:
        """Whether `path` is a trusted folder or lies in one, links resolved."""
        resolved = path.resolve()
        return any(resolved == folder or folder in resolved.parents for folder in self.folders())

    def trust(self, path: Path) -> Path:
        """Trust a folder from now on; returns its resolved path.

        Raises:
            ConfigError: it is no folder, or is the file system's top or the home folder itself.
        """
        resolved = path.resolve()
        if not resolved.is_dir():
            raise ConfigError(f"{str(path)!r} is no folder; trust an existing one")
        if resolved == Path(resolved.anchor) or resolved == Path.home().resolve():
            raise ConfigError(
                f"{str(resolved)!r} holds everything; trust the project's own folder instead"
            )
        self._write({*self.folders(), resolved})
        return resolved

    def untrust(self, path: Path) -> bool:
        """Take the trust back; False when the folder itself was not in the list."""
        resolved = path.resolve()
        folders = set(self.folders())
        if resolved not in folders:
            return False
        self._write(folders - {resolved})
        return True

    def _write(self, folders: set[Path]) -> None:
        folder = private(self._file.parent)
        # A JSON string is a TOML basic string, but for DEL; lone surrogates (undecodable names)
        # are no TOML at all.
        for path in folders:
            if any(0xD800 <= ord(character) <= 0xDFFF for character in str(path)):
                raise ConfigError(f"{str(path)!r} is not valid UTF-8; rename it before trusting it")
        lines = "".join(
            f"    {json.dumps(str(path), ensure_ascii=False)},\n" for path in sorted(folders)
        ).replace("\x7f", "\\u007f")
        text = f"# Folders whose own files may instruct agents.\nfolders = [\n{lines}]\n"
        handle, name = tempfile.mkstemp(dir=folder, prefix=".trust-")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
