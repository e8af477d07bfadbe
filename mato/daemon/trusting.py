"""Trust in a folder, as the workspace asks for it: shown with its differences, then given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mato.config.paths import Paths
from mato.config.trust import Standing, Trust
from mato.protocol.trusting import FolderStanding, TrustedFile
from mato.tools.difference import CUT, unified
from mato.tools.survey import Survey, survey
from mato_sessions.errors import PathRefused, UsageError

_SHOWN_BYTES = 1024 * 1024
"""Of all differences together."""


def look(paths: Paths, cwd: Path) -> FolderStanding:
    """How the folder stands. Reads files: not for the loop.

    Raises:
        ConfigError: the list of trusted folders or a kept copy is damaged.
        UsageError: the path is not absolute.
    """
    _check(cwd)
    try:
        found = survey(cwd)
    except PathRefused as error:
        # It instructs nobody, and cannot be trusted; that is how it stands.
        return FolderStanding(
            folder=str(cwd),
            state="untrusted",
            sentence=str(error),
            files=(),
            digest="",
            whole=False,
        )
    return _shown(cwd, found, Trust(paths).standing(cwd, found.pins()))


def give(paths: Paths, cwd: Path, digest: str) -> FolderStanding:
    """Trust the folder as it was shown with that digest. Reads files: not for the loop.

    Raises:
        UsageError: it has changed since, or its path is not absolute.
        ConfigError: it cannot be trusted at all.
        PathRefused: it cannot be read.
    """
    _check(cwd)
    found = survey(cwd)
    known = Trust(paths)
    if _digest(found.pins()) != digest:
        raise UsageError(f"{str(cwd)!r} has changed since it was shown; look at it again")
    known.trust(cwd, found.pins())
    return _shown(cwd, found, known.standing(cwd, found.pins()))


def _check(cwd: Path) -> None:
    if not cwd.is_absolute():
        raise UsageError(f"{str(cwd)!r} is no absolute path; name the folder from the top")


def _digest(pins: Mapping[str, bytes]) -> str:
    return hashlib.sha256(msgspec.json.encode(pins, order="deterministic")).hexdigest()


def _shown(cwd: Path, found: Survey, standing: Standing) -> FolderStanding:
    files: list[TrustedFile] = []
    size, whole = 0, True
    for path in sorted({*standing.before, *standing.now}):
        each = _file(path, found, standing)
        size += len(each.diff)
        if size > _SHOWN_BYTES or each.diff.endswith(CUT):
            whole = False
            each = msgspec.structs.replace(each, diff="")
        files.append(each)
    files.sort(key=lambda each: each.state == "same")
    return FolderStanding(
        folder=str(cwd.resolve()),
        state=standing.state,
        sentence=standing.sentence(),
        files=tuple(files),
        digest=_digest(found.pins()),
        whole=whole,
    )


def _file(path: str, found: Survey, standing: Standing) -> TrustedFile:
    before, now = standing.before.get(path), standing.now.get(path)
    if path in found.odd:
        return TrustedFile(path=path, state="odd", why=found.odd[path])
    if now is None:
        diff = unified(path, _text(before or b""), "")
        return TrustedFile(path=path, state="gone", diff=diff)
    size = len(now)
    if before == now:
        return TrustedFile(path=path, state="same", size_bytes=size)
    diff = unified(path, None if before is None else _text(before), _text(now))
    state = "new" if before is None else "changed"
    return TrustedFile(path=path, state=state, size_bytes=size, diff=diff)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
