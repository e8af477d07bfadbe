"""Links that lead somewhere else what is read or written by their name: on the way, and planted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mato.sandbox import trees

_MOST_HOPS = 16
_MOST_ENTRIES = 200_000


def way(path: Path, folder: Path) -> Iterator[Path]:
    """What a link stands on in `folder`: each link on its way, and where that ends."""
    here = path
    for _ in range(_MOST_HOPS):
        parts = [each for each in (here, *here.parents) if each.is_relative_to(folder)]
        link = next((each for each in reversed(parts) if each.is_symlink()), None)
        if link is None:
            break
        yield link
        onward = link.parent / link.readlink() / here.relative_to(link)
        here = Path(os.path.normpath(onward))
        if not here.is_relative_to(folder):
            return
    # A whole work tree is nobody's settings, and must stay writable.
    if here != folder and here.exists() and not (here / ".git").exists():
        yield here


def within(repository: Path) -> Iterator[Path]:
    """The links in a repository's own folder, where git would write through them.

    A line of a log carries a subject or a name of a branch that anybody chose, so a log that is a
    link into a home is a way to write there.
    """
    looked = 0
    for top, folders, files in trees.walk(repository):
        for name in (*folders, *files):
            if os.path.islink(path := os.path.join(top, name)):  # noqa: PTH114, PTH118 (many)
                yield Path(path)
        if os.path.basename(top) == "objects":  # noqa: PTH119 (many)
            folders.clear()
        looked += len(folders) + len(files)
        if looked > _MOST_ENTRIES:
            return
