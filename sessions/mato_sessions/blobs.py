"""Blobs are compared here with their hashes, each once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from mato_sessions import chain
from mato_sessions.chain import Break

_REMEMBERED = 100_000
"""Blobs that are known to be good."""


class Blobs:
    """The blobs of the journal, each read once where all are checked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._swept = False
        self._good: dict[bytes, None] = {}
        self._damaged: dict[bytes, bool] = {}
        """Whether an event has named it."""
        self.read = 0

    def sweep(self, tick: Callable[[str, int, int], None]) -> None:
        """Compare every blob with its hash."""
        [(whole,)] = self._connection.execute("SELECT count(*) FROM blob")
        for digest, size, data in self._connection.execute("SELECT hash, size, data FROM blob"):
            self.read += 1
            if chain.digest(data) != digest or len(data) != size:
                self._damaged[digest] = False
            if self.read % 500 == 0:
                tick("blobs", self.read, whole)
        self._swept = True

    def fault(self, digest: bytes) -> str | None:
        """What is wrong with a blob that an event names."""
        if digest in self._good:
            return None
        if digest in self._damaged:
            self._damaged[digest] = True
            return f"the blob {digest.hex()} is not what its hash says"
        column = "NULL" if self._swept else "data"
        rows = self._connection.execute(
            f"SELECT {column} FROM blob WHERE hash = ?",  # noqa: S608 - one of two words
            (digest,),
        ).fetchall()
        if not rows:
            return f"the blob {digest.hex()} is missing"
        if not self._swept:
            self.read += 1
            if chain.digest(rows[0][0]) != digest:
                self._damaged[digest] = True
                return self.fault(digest)
        if len(self._good) >= _REMEMBERED:
            self._good.clear()
        self._good[digest] = None
        return None

    def content(self, digest: bytes) -> bytes:
        """A blob that has no fault."""
        [(data,)] = self._connection.execute("SELECT data FROM blob WHERE hash = ?", (digest,))
        return data

    def unnamed(self) -> list[Break]:
        """Damaged blobs that no event has named."""
        return [
            Break("", 0, f"the blob {digest.hex()} is not what its hash says; no event names it")
            for digest, named in self._damaged.items()
            if not named
        ]
