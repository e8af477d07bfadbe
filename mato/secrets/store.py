"""The keys that a person gave Mato: added, listed, removed, and read where a model needs one."""

from __future__ import annotations

from typing import NamedTuple

from mato.config.paths import Paths
from mato.secrets.file import Kept, KeyFile, Place, Stamp
from mato.secrets.ring import Ring
from mato_sessions.errors import ConfigError


class Found(NamedTuple):
    """What could be read."""

    values: dict[str, str]
    """By variable."""
    problems: tuple[str, ...]
    """A sentence for each key that could not."""


class KeyStore:
    """All keys of one Mato home. Every method blocks: not for the loop."""

    def __init__(self, paths: Paths) -> None:
        self._file = KeyFile(paths.keys)
        # Two homes of one person are two Matos, and share no key.
        self._ring = Ring(f"mato {paths.state}")

    def stamp(self) -> Stamp | None:
        """Differs after each change, also of a value in the keyring."""
        return self._file.stamp()

    def places(self) -> dict[str, Place]:
        """Where each key is, by variable.

        Raises:
            ConfigError: the file cannot be trusted or read.
        """
        return {name: kept.place for name, kept in self._file.read().items()}

    def read(self) -> Found:
        """All values.

        Raises:
            ConfigError: the file cannot be trusted or read.
        """
        values: dict[str, str] = {}
        problems: list[str] = []
        for name, kept in self._file.read().items():
            try:
                values[name] = kept.value if kept.place == "file" else self._ring.get(name)
            except ConfigError as error:
                problems.append(str(error))
        return Found(values, tuple(problems))

    def add(self, name: str, value: str, *, in_file: bool = False) -> Place:
        """Keep `value`, in the keyring where there is one, in place of what `name` was before.

        Raises:
            ConfigError: neither takes it.
        """
        with self._file.changing():
            kept = self._file.read()
            before = kept.get(name)
            if not in_file and self._ring.usable():
                self._ring.put(name, value)
                kept[name] = Kept("keyring")
            else:
                kept[name] = Kept("file", value)
            self._file.write(kept)
            if before and before.place == "keyring" and kept[name].place == "file":
                self._ring.drop(name)
            return kept[name].place

    def remove(self, name: str) -> bool:
        """Forget a key; False where there was none.

        Raises:
            ConfigError: it cannot be taken out of where it is.
        """
        with self._file.changing():
            kept = self._file.read()
            gone = kept.pop(name, None)
            if gone is None:
                return False
            if gone.place == "keyring":
                self._ring.drop(name)
            self._file.write(kept)
            return True
