"""The entries of a transcript in their order, found by key; it remembers which of them changed."""

from __future__ import annotations

from typing import TypedDict, TypeVar

from mato_sessions.entries import AnyEntry
from mato_sessions.events import Event

E = TypeVar("E", bound=AnyEntry)


class Origin(TypedDict):
    """What an entry has from the event that makes it."""

    seq: int
    turn: str | None
    at_us: int


def origin(event: Event) -> Origin:
    """The origin of an entry that `event` makes."""
    return {"seq": event.seq, "turn": event.turn, "at_us": event.at_us}


class Shelf:
    """Keeps `entries` in order: first those that events made, then those of live pieces (seq 0)."""

    def __init__(self, entries: list[AnyEntry]) -> None:
        self._entries = entries
        self._made = sum(1 for entry in entries if entry.seq)
        self._index: dict[str, int] = {}
        self._changed: set[str] = set()
        self._number(0)

    def get(self, key: str) -> AnyEntry | None:
        """The entry with that key, made by events or not."""
        at = self._index.get(key)
        return None if at is None else self._entries[at]

    def made(self, kind: type[E], key: str) -> E | None:
        """The entry of that kind that events have made under `key`."""
        entry = self.get(key)
        return entry if isinstance(entry, kind) and entry.seq else None

    def touch(self, entry: AnyEntry) -> None:
        """Note that `entry` has changed."""
        entry.revision += 1
        self._changed.add(entry.key)

    def place(self, entry: E, before: str = "") -> E:
        """Put a new entry of an event behind the others, or before the one with key `before`.

        Another entry under the same key goes: one of live pieces, or one that moves here.
        """
        if (early := self.get(entry.key)) is not None:
            entry.revision = early.revision + 1
            self.remove(entry.key)
        at = self._made
        if (next_one := self.get(before)) is not None and next_one.seq:
            at = self._index[before]
        self._entries.insert(at, entry)
        self._made += 1
        self._number(at)
        return entry

    def place_early(self, entry: AnyEntry) -> None:
        """Put an entry that only live pieces have made behind all others."""
        self._entries.append(entry)
        self._number(len(self._entries) - 1)

    def remove(self, key: str) -> None:
        """Take the entry with that key away."""
        at = self._index.pop(key)
        if self._entries.pop(at).seq:
            self._made -= 1
        self._changed.discard(key)
        self._number(at)

    def drain(self) -> list[int]:
        """Ascending indices of what changed or moved since the last call."""
        indices = sorted(self._index[key] for key in self._changed)
        self._changed.clear()
        return indices

    def _number(self, start: int) -> None:
        # Whatever is inserted, removed or moved stands near the end: few entries are renumbered.
        for at in range(start, len(self._entries)):
            key = self._entries[at].key
            self._index[key] = at
            self._changed.add(key)
