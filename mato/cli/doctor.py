"""`mato doctor`: what this machine offers Mato, what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from mato.cli import output, target
from mato.config.load import load
from mato.config.paths import Paths, find
from mato_sessions.errors import (
    ConfigError,
    DaemonError,
    JournalError,
    MatoError,
    UsageError,
)

LOW_DISK_BYTES = 500 * 1024 * 1024
MARKS = {"ok": "✓", "note": "·", "fault": "✗"}


class Finding(NamedTuple):
    """What a check found. `fix` says what to do, "" where nothing is to be done."""

    check: str
    level: Literal["ok", "note", "fault"]
    text: str
    fix: str = ""


def run(as_json: bool = False) -> int:
    """Print all findings; exit 1 when one of them is a fault."""
    findings = list(_findings())
    if as_json:
        output.say_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            output.say(f"{MARKS[finding.level]} {finding.check:<12} {finding.text}")
            if finding.fix:
                output.say(f"{'':14} → {finding.fix}")
    return int(any(finding.level == "fault" for finding in findings))


def _findings() -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    try:
        paths = find()
    except ConfigError as error:
        yield Finding("folders", "fault", str(error))
        return
    checks: tuple[Callable[[Paths], Iterator[Finding]], ...] = (
        _folders,
        _settings,
        _sqlite,
        _journal,
        _disk,
        _kernel,
        _tmux,
        _models,
        _daemon,
        _terminal,
    )
    for check in checks:
        yield from check(paths)


def _folders(paths: Paths) -> Iterator[Finding]:
    for name, folder in (("state", paths.state), ("runtime", paths.runtime)):
        if not folder.exists():
            yield Finding(name, "ok", f"{folder} (made when needed)")
            continue
        info = folder.stat()
        if info.st_uid != os.getuid():
            yield Finding(name, "fault", f"{folder} belongs to uid {info.st_uid}", "set MATO_HOME")
        elif stat.S_IMODE(info.st_mode) & 0o077:
            mode = f"{stat.S_IMODE(info.st_mode):o}"
            yield Finding(
                name, "fault", f"{folder} is open to others ({mode})", f"chmod 700 {folder}"
            )
        elif not os.access(folder, os.W_OK):
            yield Finding(
                name, "fault", f"{folder} cannot be written", "mount it writable, or set MATO_HOME"
            )
        else:
            yield Finding(name, "ok", str(folder))


def _settings(paths: Paths) -> Iterator[Finding]:
    try:
        load(paths)
    except ConfigError as error:
        yield Finding("config", "fault", str(error))
    else:
        there = "" if paths.config_file.exists() else " (none: the defaults hold)"
        yield Finding("config", "ok", f"{paths.config_file}{there}")


def _sqlite(_: Paths) -> Iterator[Finding]:
    version = sqlite3.sqlite_version_info
    text = sqlite3.sqlite_version
    # https://sqlite.org/wal.html, "the WAL-reset bug": needs two connections that write or
    # checkpoint at once; the daemon has one writer, which alone checkpoints.
    mended = version >= (3, 51, 3) or (
        version[:2] in ((3, 44), (3, 50)) and version[2] >= (6 if version[1] == 44 else 7)
    )
    if mended:
        yield Finding("sqlite", "ok", text)
    else:
        yield Finding("sqlite", "note", f"{text}: open the journal with other programs read-only")


def _journal(paths: Paths) -> Iterator[Finding]:
    if not paths.journal.exists():
        yield Finding("journal", "ok", f"{paths.journal} (made when needed)")
        return
    from mato_sessions import database

    try:
        asyncio.run(database.inspect(paths.journal, len(database.bundled_migrations())))
    except JournalError as error:
        yield Finding("journal", "fault", str(error))
    else:
        yield Finding("journal", "ok", str(paths.journal))


def _disk(paths: Paths) -> Iterator[Finding]:
    place = paths.state
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:.1f} GB free for the journal"
    if free < LOW_DISK_BYTES:
        yield Finding("disk", "fault", text, "free some space; agents cannot work without a record")
    else:
        yield Finding("disk", "ok", text)


def _kernel(_: Paths) -> Iterator[Finding]:
    from mato.tools.workspace import Workspace

    try:
        with Workspace(Path(target.folder())) as workspace:
            workspace.stat(".")
    except MatoError as error:
        yield Finding("kernel", "fault", str(error))
    else:
        yield Finding("kernel", "ok", f"{os.uname().release}, openat2 works")


def _tmux(_: Paths) -> Iterator[Finding]:
    found = shutil.which("tmux")
    if found is None:
        yield Finding("tmux", "note", "not installed; only the tests need it")
        return
    done = subprocess.run([found, "-V"], capture_output=True, text=True, check=False)
    yield Finding("tmux", "ok", done.stdout.strip())


def _models(paths: Paths) -> Iterator[Finding]:
    from mato.models.choice import choose
    from mato.models.embedded.fetch import locate
    from mato.models.keys import keys

    try:
        settings = load(paths)
    except ConfigError:
        return
    try:
        choice = choose(settings.model, settings.base_url, os.environ)
    except UsageError as error:
        yield Finding("model", "fault", str(error))
        return
    yield Finding("model", "ok", f"{choice.model}, by {choice.source}")
    found = sorted(keys(os.environ))
    yield Finding("keys", "ok" if found else "note", ", ".join(found) or "none in the environment")
    embedded = locate()
    if embedded is not None:
        yield Finding("embedded", "ok", str(embedded))
    else:
        need = choice.model == "embedded"
        yield Finding("embedded", "fault" if need else "note", "not fetched", "mato model")


def _daemon(paths: Paths) -> Iterator[Finding]:
    from mato.client import quick

    try:
        status = quick.request(paths, "daemon.status", {}, start=False, timeout_s=5)
    except DaemonError as error:
        running = paths.socket.exists()
        yield Finding(
            "daemon",
            "fault" if running else "note",
            str(error),
            "mato daemon restart" if running else "",
        )
    else:
        yield Finding("daemon", "ok", f"pid {status['pid']}, {status['agents']} agents")


def _terminal(_: Paths) -> Iterator[Finding]:
    term = os.environ.get("TERM", "")
    encoding = sys.stdout.encoding.lower()
    if encoding.replace("-", "") != "utf8":
        yield Finding(
            "terminal",
            "fault",
            f"{term or 'none'}, {encoding}",
            "use a UTF-8 locale, such as C.UTF-8",
        )
    elif term in ("", "dumb"):
        yield Finding("terminal", "note", "none: commands work, the workspace does not")
    else:
        yield Finding("terminal", "ok", f"{term}, UTF-8")
