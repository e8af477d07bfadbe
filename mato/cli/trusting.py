"""`mato trust`: what a folder could make agents do, what of it changed, and the person's word."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from mato.cli import output, target
from mato.config.paths import Paths, find
from mato.text import display
from mato_sessions.errors import ConfigError, MatoError

TYPE_CHECKING = False  # `mato new` loads this file
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mato.config.trust import Standing
    from mato.tools.survey import Survey


def warn(paths: Paths, cwd: str) -> None:
    """One sentence on stderr where a folder has something to say that nobody will hear."""
    from mato.config.trust import Trust
    from mato.tools.survey import survey

    try:
        said = Trust(paths).standing(Path(cwd), survey(Path(cwd)).pins()).sentence()
    except ConfigError:
        raise
    except MatoError as error:
        said = str(error)
    if said:
        output.note(f"mato: {said}")


def trust(folder: str, *, only_show: bool, yes: bool, as_json: bool) -> int:
    """Show a folder; trust it as shown, after a question where there is a terminal."""
    from mato.config.trust import Trust
    from mato.tools.survey import survey

    place = Path(target.folder(folder))
    known = Trust(find())
    found = survey(place)
    standing = known.standing(place, found.pins())
    if not as_json:
        _show(place, found, standing)
    if not only_show and not (standing.state == "trusted" and place in known.folders()):
        if not yes and sys.stdin.isatty() and not _agreed():
            output.note("mato: nothing changed; the folder instructs nobody")
            return 1
        known.trust(place, found.pins())
        standing = known.standing(place, found.pins())
        if not as_json:
            output.say(f"trusted: {place}; as it is now it instructs new agents")
    if as_json:
        output.say_json(_json(place, found, standing))
    return 1 if only_show and standing.state != "trusted" else 0


def listing(as_json: bool) -> int:
    """Print the trusted folders, and how each stands."""
    from mato.config.trust import Trust
    from mato.tools.survey import survey

    known = Trust(find())
    rows: list[dict[str, Any]] = []
    for folder in known.folders():
        try:
            standing = known.standing(folder, survey(folder).pins())
            state, differing = standing.state, standing.differing()
        except MatoError:
            state, differing = ("gone" if not folder.is_dir() else "unreadable"), []
        changed = differing if state == "changed" else []
        rows.append({"folder": str(folder), "state": state, "changed": changed})
    if as_json:
        output.say_json(rows)
    elif rows:
        cells = [(row["state"], row["folder"], ", ".join(row["changed"]) or "–") for row in rows]
        output.table(("STATE", "FOLDER", "CHANGED"), cells, give=2)
    else:
        output.note("no folder is trusted; `mato trust FOLDER` shows one and asks")
    return 0


def remove(folder: str) -> int:
    """Take trust back, also in a folder that is gone by now."""
    from mato.config.trust import Trust

    place = Path(folder).resolve()
    if Trust(find()).untrust(place):
        output.say(f"no longer trusted: {place}")
    else:
        output.note(f"it was not trusted: {place}")
    return 0


def _show(place: Path, found: Survey, standing: Standing) -> None:
    from mato.tools.difference import unified

    changed = set(standing.differing()) if standing.state == "changed" else set[str]()
    if not standing.now and not standing.before:
        output.say(f"nothing in {place} could instruct or execute by itself")
    else:
        rows = [
            (_short(content), str(len(content)), "changed" if path in changed else "", path)
            for path, content in sorted(found.files.items())
        ]
        rows += [("–", "–", f"never used: {why}", path) for path, why in sorted(found.odd.items())]
        output.table(("SHA-256", "BYTES", "", "FILE"), rows, give=3)
    for path in sorted(changed):
        old, new = standing.before.get(path), standing.now.get(path, b"")
        before = None if old is None else old.decode("utf-8", "replace")
        print(display(unified(path, before, new.decode("utf-8", "replace"))), end="")


def _agreed() -> bool:
    print("May these instruct agents, as they are now? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _json(place: Path, found: Survey, standing: Standing) -> Mapping[str, Any]:
    files = [
        {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in sorted(found.files.items())
    ]
    return {
        "folder": str(place),
        "state": standing.state,
        "changed": standing.differing() if standing.state == "changed" else [],
        "files": files,
        "never_used": dict(sorted(found.odd.items())),
    }
