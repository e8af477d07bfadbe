"""Names that must not come to be: held by stand-ins while commands run, and gone afterwards.

A mount needs something to stand on. That is a socket's node with no rights, for folders too: git
and editors take no notice of one, nobody can open it, and no person would have made it, so that
one left by a crash is known and removed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections import Counter
from pathlib import Path

from mato.sandbox.protected import FILES, FOLDERS

NAMES = tuple(name for name in (*FILES, *FOLDERS) if name.startswith("."))
"""A `*` of a shell meets the others, and then ``grep x *.md`` would fail at what it cannot read;
what is planted there is put aside after the command."""


class StandIns:
    """Those of all workspaces of a daemon: one stays while any command still needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._needed: Counter[Path] = Counter()

    def hold(self, folder: Path) -> tuple[Path, ...]:
        """Make those that are missing in `folder`; gives all of it that stand there now."""
        with self._lock:
            held = tuple(folder / name for name in NAMES if _make(folder / name))
            self._needed.update(held)
            return held

    def let_go(self, held: tuple[Path, ...]) -> None:
        """Remove those that no other command needs."""
        with self._lock:
            self._needed.subtract(held)
            for path in held:
                if self._needed[path] <= 0:
                    del self._needed[path]
                    with contextlib.suppress(OSError):
                        if _is_stand_in(path):
                            path.unlink()


def _make(path: Path) -> bool:
    """Whether a stand-in is there now; False where something real has the name."""
    try:
        os.mknod(path, stat.S_IFSOCK)
    except FileExistsError:
        return _is_stand_in(path)
    except OSError:
        return False
    return True


def _is_stand_in(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0
