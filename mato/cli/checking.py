"""`mato verify`, `mato backup`, `mato restore`: the journal's file itself, without the daemon."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mato.cli import output
from mato.cli.asking import Progress, agreed
from mato.config.paths import find, private
from mato_sessions import anchors, database
from mato_sessions import backup as backups
from mato_sessions.anchors import Anchor
from mato_sessions.errors import JournalError, UnknownName, UsageError
from mato_sessions.reading import reading
from mato_sessions.verify import Report, sentence
from mato_sessions.verify import verify as check


def verify(wanted: str, copy: Path | None, *, as_json: bool) -> int:
    """Check the journal; print what was found and return 0, or 6 when anything is wrong."""
    path = find().journal
    kept = [] if copy is None else anchors.read_copy(copy)
    noted, unreadable = anchors.read(anchors.of_journal(path))
    session = _session(path, wanted) if wanted else None
    with Progress("verify") as tick:
        report = check(path, session, [*noted, *kept], tick)
    if report.good and copy is not None:
        _keep(copy, [*kept, *report.heads])
    if as_json:
        output.say_json(_json(report, unreadable))
    elif report.good:
        output.say(_good(report))
        if unreadable:
            lines = "1 line" if unreadable == 1 else f"{unreadable} lines"
            output.note(f"{lines} of the anchors cannot be read, as after a crash; not an error")
        if copy is not None:
            output.note(f"the heads are in {copy}; keep it where this machine cannot change it")
    else:
        _tell(report)
    return 0 if report.good else JournalError.exit_code


def backup(target: Path, *, force: bool) -> int:
    """Write a backup and say what is in it."""
    with Progress("backup") as tick:
        report = backups.back_up(find().journal, target, force=force, tick=tick)
    output.say(f"{target}  {_size(target)}  {_counted(report)}")
    return 0


def restore(source: Path, *, yes: bool) -> int:
    """Put a backup back, after asking; say where the journal from before is."""
    paths = find()
    private(paths.state)
    with database.locked(paths.journal):
        pass  # a daemon that runs is told of before the backup is read
    with Progress("check") as tick:
        report = backups.examine(source, tick)
    output.say(f"{source} is whole: {_counted(report)}")
    if not yes and not agreed("replace the journal by it?", "`--yes` restores it"):
        return 0
    with Progress("restore") as tick:
        done = backups.restore(paths.journal, source, tick)
    output.say(f"restored {paths.journal}")
    if done.kept is not None:
        output.note(f"the journal from before is {done.kept}")
    if done.kept_anchors is not None:
        output.note(f"its anchors are {done.kept_anchors}; new ones begin with what was restored")
    return 0


def _session(path: Path, wanted: str) -> str:
    """The id of the session that a person means, as the journal alone tells.

    Raises:
        UnknownName: none, or several.
    """
    names: dict[str, str] = {}
    with reading(path) as connection:
        for session, data in connection.execute(
            "SELECT s.session, b.data FROM session AS s LEFT JOIN envelope AS e"
            " ON e.session = s.session AND e.kind IN ('session.opened', 'session.renamed')"
            " LEFT JOIN body AS b ON b.position = e.position ORDER BY s.session, e.seq"
        ):
            try:
                body: Any = json.loads(data or b"{}")
            except ValueError:
                continue  # damaged, which is what this is about to find
            names[session] = body.get("name", session)
    if wanted in names:
        return wanted
    found = [session for session, name in names.items() if name == wanted]
    found = found or [session for session in names if session.startswith(wanted)]
    if len(found) != 1:
        what = f"means several sessions: {', '.join(found[:5])}" if found else "is no session"
        raise UnknownName(f"{wanted!r} {what}; `mato ls --all` lists them")
    return found[0]


def _keep(copy: Path, heads: Sequence[Anchor]) -> None:
    try:
        anchors.replace(copy, heads)
    except OSError as error:
        raise UsageError(
            f"cannot write the heads to {str(copy)!r}: {error.strerror}; give another file"
        ) from error


def _json(report: Report, unreadable: int) -> dict[str, Any]:
    return {
        "good": report.good,
        "sessions": report.sessions,
        "events": report.events,
        "purged": report.purged,
        "blobs": report.blobs,
        "anchors": report.anchors,
        "unreadable_anchors": unreadable,
        "findings": [
            {"session": each.session or None, "seq": each.seq or None, "reason": each.reason}
            for each in report.findings
        ],
    }


def _good(report: Report) -> str:
    about = f"good: {_counted(report)}, {report.blobs} blobs, {report.anchors} anchors"
    return about + (f"; {report.purged} events were purged" if report.purged else "")


def _tell(report: Report) -> None:
    first, *others = report.findings
    output.say(f"damaged: {sentence(first)}")
    for each in others[:20]:
        output.say(f"         {sentence(each)}")
    if len(others) > 20:
        output.say(f"         and {len(others) - 20} more")
    output.note("nothing was changed; `mato restore FILE` goes back to a backup")


def _counted(report: Report) -> str:
    sessions = "1 session" if report.sessions == 1 else f"{report.sessions} sessions"
    return f"{sessions}, {report.events} events"


def _size(path: Path) -> str:
    return output.size(path.stat().st_size)
