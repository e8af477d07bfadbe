"""A disk as a power cut leaves it: operations in, images out.

What is synced is there. Of what is not, each 512-byte sector holds any of the versions that were
written since, and sizes and names likewise: lost, there, reordered, or torn within one write.
A sync that failed loses what it should have saved, although every process still reads it: the
kernel then holds those pages as clean, and no later sync writes them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

SECTOR = 512
T = TypeVar("T")


class Opened(msgspec.Struct, frozen=True, tag="open"):
    file: int
    """Of the content, whatever its name is now."""
    name: str
    created: bool


class Wrote(msgspec.Struct, frozen=True, tag="write"):
    file: int
    at: int
    data: bytes


class Truncated(msgspec.Struct, frozen=True, tag="truncate"):
    file: int
    size: int


class Synced(msgspec.Struct, frozen=True, tag="sync"):
    file: int
    folder: bool = False
    """The folder's names with it, as SQLite does once for a journal that it created."""
    failed: bool = False


class Deleted(msgspec.Struct, frozen=True, tag="delete"):
    name: str
    folder: bool
    """Synced with it."""


class Renamed(msgspec.Struct, frozen=True, tag="rename"):
    name: str
    to: str


class FolderSynced(msgspec.Struct, frozen=True, tag="folder"):
    pass


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Somebody was told that this event is on disk."""

    session: str
    seq: int
    hash: bytes


class Began(msgspec.Struct, frozen=True, tag="began"):
    """An effect on the world."""

    call: str
    key: str
    attempt: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Somebody was told that it is not written: the error's type."""

    error: str


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """The journal said that the disk is full; then somebody made room, and told it."""


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """How a life of the journal ended."""

    how: str
    detail: str = ""


class Touched(msgspec.Struct, frozen=True, tag="touched"):
    """An operation that can be made to fail; `number` counts them from 1 in each life."""

    number: int
    kind: str
    name: str
    failed: str = ""


Op = (
    Opened
    | Wrote
    | Truncated
    | Synced
    | Deleted
    | Renamed
    | FolderSynced
    | Ack
    | Began
    | Refused
    | Paused
    | Ended
    | Touched
)
LOG = msgspec.msgpack.Decoder(list[Op])


class _File:
    """One file: what is on the platter, what every process reads, and what lies between."""

    def __init__(self) -> None:
        self.platter = bytearray()
        self.cache = bytearray()
        self.sectors: dict[int, list[tuple[int, bytes]]] = {}
        """Versions since the last sync, each with the number of its operation."""
        self.sizes: list[tuple[int, int]] = []

    def _touch(self, number: int, first: int, end: int) -> None:
        for sector in range(first // SECTOR, -(-end // SECTOR)):
            data = bytes(self.cache[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")
            self.sectors.setdefault(sector, []).append((number, data))

    def write(self, number: int, at: int, data: bytes) -> None:
        end = at + len(data)
        if end > len(self.cache):
            self.cache.extend(bytes(end - len(self.cache)))
            self.sizes.append((number, end))
        self.cache[at:end] = data
        self._touch(number, at, end)

    def truncate(self, number: int, size: int) -> None:
        before = len(self.cache)
        if size < before:
            del self.cache[size:]
        else:
            self.cache.extend(bytes(size - before))
        self.sizes.append((number, size))
        self._touch(number, min(size, before), max(size, before))

    def sync(self, failed: bool) -> None:
        if not failed:
            self._settle({sector: data[-1][1] for sector, data in self.sectors.items()})
            self.sizes.clear()
            _resize(self.platter, len(self.cache))
        self.sectors.clear()

    def _settle(self, sectors: dict[int, bytes]) -> None:
        for sector, data in sectors.items():
            _resize(self.platter, max(len(self.platter), (sector + 1) * SECTOR))
            self.platter[sector * SECTOR : (sector + 1) * SECTOR] = data

    def image(self, chance: random.Random, choose: _Choose) -> bytes:
        """What may be there after the cut."""
        content = bytearray(self.platter)
        durable = len(content)
        size = choose([(0, durable), *self.sizes])
        _resize(content, max(len(self.cache), durable, size))
        # What was never written and yet lies within the size is whatever lay there before.
        holes = chance.random() < 0.5
        for sector, versions in self.sectors.items():
            at = sector * SECTOR
            old = bytes(content[at : at + SECTOR])
            if holes and at >= durable:
                old = chance.randbytes(SECTOR)
            content[at : at + SECTOR] = choose([(0, old), *versions])[: max(0, len(content) - at)]
        return bytes(content[:size])


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


class Disk:
    """All files of one folder; give it the operations in order."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._durable: dict[str, int] = {}
        self.names: dict[str, int] = {}
        """As every process sees them: name → file."""
        self._pending: list[tuple[int, dict[str, int]]] = []
        """All names after each change since the folder's last sync."""
        self._ordered = False
        self._number = 0

    def apply(self, op: Op) -> None:
        """Take the next operation."""
        self._number += 1
        match op:
            case Opened(file, name, created):
                self._files.setdefault(file, _File())
                if created:
                    self._name(name, file)
            case Wrote(file, at, data):
                self._files[file].write(self._number, at, data)
            case Truncated(file, size):
                self._files[file].truncate(self._number, size)
            case Synced(file, folder, failed):
                self._files[file].sync(failed)
                if folder and not failed:
                    self._sync_folder()
            case Deleted(name, folder):
                self._name(name, None)
                if folder:
                    self._sync_folder()
            case Renamed(name, to):
                # One step for two names: from here on the folder is at one point in time.
                self._ordered = True
                self.names[to] = self.names.pop(name)
                self._pending.append((self._number, dict(self.names)))
            case FolderSynced():
                self._sync_folder()
            case _:
                pass

    def _name(self, name: str, file: int | None) -> None:
        _set(self.names, name, file)
        self._pending.append((self._number, dict(self.names)))

    def _sync_folder(self) -> None:
        self._durable = dict(self.names)
        self._pending.clear()
        self._ordered = False

    def image(self, chance: random.Random) -> dict[str, bytes]:
        """Name → content after a cut of the power now; `chance` decides what was in time."""
        choose = _chooser(chance, self._number)
        names = self._names(choose)
        return {name: self._files[file].image(chance, choose) for name, file in names.items()}

    def _names(self, choose: _Choose) -> dict[str, int]:
        points = [(0, self._durable), *self._pending]
        if self._ordered:
            return choose(points)
        names: dict[str, int] = {}
        for name in sorted({name for _, point in points for name in point}):
            _set(names, name, choose([(number, point.get(name)) for number, point in points]))
        return names

    def lasting(self) -> dict[str, bytes]:
        """Name → content when nothing but what was synced is there."""
        return {name: bytes(self._files[file].platter) for name, file in self._durable.items()}

    def as_read(self) -> dict[str, bytes]:
        """Name → content as every process reads it, and as `kill -9` leaves it."""
        return {name: bytes(self._files[file].cache) for name, file in self.names.items()}


def _set(names: dict[str, int], name: str, file: int | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


class _Choose:
    """Picks one of the versions of a sector, a size or a name; see `_chooser`."""

    def __init__(self, pick: Callable[[Sequence[tuple[int, object]]], int]) -> None:
        self._pick = pick

    def __call__(self, versions: Sequence[tuple[int, T]]) -> T:
        return versions[self._pick(versions)][1]


def _chooser(chance: random.Random, now: int) -> _Choose:
    """One of the ways in which a disk is behind: how much of what is pending is on it."""
    upto = chance.randint(max(0, now - 40), now)
    kept: dict[int, bool] = {}

    def newest(good: Callable[[int], bool]) -> _Choose:
        return _Choose(lambda all_: max(i for i, (n, _) in enumerate(all_) if n == 0 or good(n)))

    match chance.randrange(6):
        case 0:  # all lost
            return _Choose(lambda _: 0)
        case 1:  # all there: as after kill -9
            return _Choose(lambda versions: len(versions) - 1)
        case 2:  # in order up to some operation, which is itself torn
            return newest(lambda n: n < upto or (n == upto and chance.random() < 0.5))
        case 3:  # whole writes, in any order
            return newest(lambda n: kept.setdefault(n, chance.random() < 0.5))
        case 4:  # nearly all there
            return newest(lambda _: chance.random() < 0.9)
        case _:  # every sector for itself
            return _Choose(lambda versions: chance.randrange(len(versions)))


def write_image(folder: Path, image: dict[str, bytes]) -> None:
    """Put an image into an empty folder."""
    for name, content in image.items():
        (folder / name).write_bytes(content)
