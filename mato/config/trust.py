"""Which folders a person trusts: only those may instruct agents by their own files.

The list is `trust.toml` in the state folder, and nothing in a folder can trust itself. A folder is
trusted by its resolved path and by the content of everything in it that could instruct or execute:
copies are kept in `trust/` beside the list, and what differs from them is not trusted any more. A
folder beneath a trusted one is trusted as long as it has no such files of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from mato.config.files import write
from mato.config.load import check, read_toml
from mato.config.paths import Paths, private
from mato_sessions.errors import ConfigError


class _TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folders: list[str] = []


class _Pins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str
    files: dict[str, bytes]


State = Literal["trusted", "changed", "untrusted"]
"""changed: it was trusted, and is not now, since it differs from what was."""


class Standing(msgspec.Struct, frozen=True):
    """What a person said about a folder, held against the folder as it is."""

    state: State
    before: Mapping[str, bytes] = {}
    """The kept copies, by path."""
    now: Mapping[str, bytes] = {}

    def differing(self) -> list[str]:
        """Paths of what is new, other or gone, sorted."""
        paths = sorted({*self.before, *self.now})
        return [path for path in paths if self.before.get(path) != self.now.get(path)]

    def sentence(self) -> str:
        """What a person should know before an agent starts there; "" where nothing."""
        paths = self.differing()
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        if self.state == "changed":
            return (
                f"this folder is not trusted any more: {paths[0]!r}{more} changed; its files "
                "instruct nobody until `mato trust` (which shows the difference)"
            )
        if self.state == "untrusted" and self.now:
            return (
                f"this folder is not trusted: its {paths[0]!r}{more} instruct nobody until "
                "`mato trust` (which shows what there is)"
            )
        return ""


class Trust:
    """The trusted folders of one user, read anew from the file at each question."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.trust_file
        self._copies = paths.trust_file.parent / "trust"

    def folders(self) -> tuple[Path, ...]:
        """All trusted folders, sorted.

        Raises:
            ConfigError: trust.toml is damaged; nothing is trusted on a guess.
        """
        data = read_toml(self._file)
        check(data, _TrustFile, where=str(self._file))
        parsed = msgspec.convert(data, _TrustFile)
        return tuple(sorted(Path(folder) for folder in parsed.folders))

    def standing(self, path: Path, now: Mapping[str, bytes]) -> Standing:
        """How a folder stands, links resolved, with `now` in it that could instruct or execute.

        Raises:
            ConfigError: the list or the kept copies are damaged.
        """
        resolved = path.resolve()
        folders = self.folders()
        if resolved in folders:
            before = self._pinned(resolved)
            if before is None:  # trusted before copies were kept: nobody was shown what it holds
                return Standing("changed" if now else "trusted", {}, now)
            return Standing("trusted" if before == now else "changed", before, now)
        beneath = any(folder in resolved.parents for folder in folders)
        return Standing("trusted" if beneath and not now else "untrusted", {}, now)

    def trust(self, path: Path, now: Mapping[str, bytes]) -> Path:
        """Trust a folder that holds `now`, until that changes; returns its resolved path.

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
        folders = {*self.folders(), resolved}
        _spelled(folders)
        kept = msgspec.json.encode(_Pins(str(resolved), dict(now)), order="deterministic")
        write(private(self._copies) / self._name(resolved), kept)
        self._write(folders)
        return resolved

    def untrust(self, path: Path) -> bool:
        """Take the trust back; False when the folder itself was not in the list."""
        resolved = path.resolve()
        folders = set(self.folders())
        if resolved not in folders:
            return False
        self._write(folders - {resolved})
        (self._copies / self._name(resolved)).unlink(missing_ok=True)
        return True

    def _name(self, folder: Path) -> str:
        return f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.json"

    def _pinned(self, folder: Path) -> dict[str, bytes] | None:
        file = self._copies / self._name(folder)
        try:
            pins = msgspec.json.decode(file.read_bytes(), type=_Pins)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{str(file)!r} cannot be used ({error}); remove it and trust the folder again"
            ) from error
        if pins.folder != str(folder):
            raise ConfigError(f"{str(file)!r} belongs to another folder; remove it")
        return pins.files

    def _write(self, folders: set[Path]) -> None:
        private(self._file.parent)
        _spelled(folders)
        # A JSON string is a TOML basic string, but for DEL.
        lines = "".join(
            f"    {json.dumps(str(path), ensure_ascii=False)},\n" for path in sorted(folders)
        ).replace("\x7f", "\\u007f")
        text = f"# Folders whose own files may instruct agents.\nfolders = [\n{lines}]\n"
        write(self._file, text.encode())


def _spelled(folders: set[Path]) -> None:
    """Refuse what no TOML can hold: lone surrogates, from names that cannot be decoded."""
    for path in folders:
        if any(0xD800 <= ord(character) <= 0xDFFF for character in str(path)):
            raise ConfigError(f"{str(path)!r} is not valid UTF-8; rename it before trusting it")
