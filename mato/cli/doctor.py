"""`mato doctor`: what this machine offers Mato, what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from mato import __version__
from mato.cli import ground, output, target
from mato.cli.finding import Finding, say
from mato.config.load import load
from mato.config.paths import Paths, find
from mato.daemon import lock
from mato.processes import same_process
from mato.protocol.version import differs
from mato_sessions import filesystems
from mato_sessions.errors import (
    ConfigError,
    DaemonError,
    JournalError,
    MatoError,
    UsageError,
)


def run(as_json: bool = False) -> int:
    """Print all findings; exit 1 when one of them is a fault."""
    findings = list(_findings())
    if as_json:
        output.say_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            say(finding)
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
        _profiles,
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


def _profiles(paths: Paths) -> Iterator[Finding]:
    from mato.agents import profile
    from mato.config.trust import Trust
    from mato.tools.survey import survey

    try:
        folder = Path(target.folder())
    except UsageError:
        return  # it was deleted; nothing of it counts
    try:
        found = survey(folder)
        standing = Trust(paths).standing(folder, found.pins())
    except MatoError as error:
        yield Finding("trust", "fault", str(error))
        return
    if standing.state == "changed":
        yield Finding("trust", "note", standing.sentence())
    files = found.files if standing.state == "trusted" else None
    for why in profile.load(paths.profiles, files).broken.values():
        yield Finding("profiles", "fault", why)


def _sqlite(_: Paths) -> Iterator[Finding]:
    yield ground.sqlite(sqlite3.sqlite_version_info)


def _journal(paths: Paths) -> Iterator[Finding]:
    if not paths.journal.exists():
        yield Finding("journal", "ok", f"{paths.journal} (made when needed)")
        return
    from mato_sessions import database

    try:
        asyncio.run(database.inspect(paths.journal, len(database.bundled_migrations())))
        yield Finding("journal", "ok", str(paths.journal))
        # One that runs has not stopped yet.
        if not _runs(paths) and (stop := asyncio.run(ground.last_stop(paths.journal))):
            yield stop
    except JournalError as error:
        yield Finding("journal", "fault", str(error))


def _runs(paths: Paths) -> bool:
    found = lock.holder(paths.lock)
    return found is not None and same_process(found.pid, found.started)


def _disk(paths: Paths) -> Iterator[Finding]:
    place = paths.state
    while not place.exists() and place != place.parent:
        place = place.parent
    yield ground.filesystem(filesystems.of(place))
    yield ground.space(shutil.disk_usage(place).free)


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
    from mato.models.choice import EMBEDDED, choose
    from mato.models.embedded.fetch import locate
    from mato.models.keys import keys

    try:
        settings = load(paths)
    except ConfigError:
        return
    try:
        choice = choose(settings.model, settings.base_url, os.environ)
        if choice == EMBEDDED:
            choice = choose("", "", dict.fromkeys(_kept(paths), "kept"))
    except UsageError as error:
        yield Finding("model", "fault", str(error))
        return
    yield Finding("model", "ok", f"{choice.model}, by {choice.source}")
    yield _keys(paths, sorted(keys(os.environ)))
    try:
        embedded = locate()
    except MatoError as error:
        yield Finding("embedded", "fault", str(error))
        return
    if embedded is not None:
        yield Finding("embedded", "ok", str(embedded))
    else:
        need = choice.model == "embedded"
        yield Finding("embedded", "fault" if need else "note", "not fetched", "mato model")


def _keys(paths: Paths, given: list[str]) -> Finding:
    """Where the keys are, by name."""
    from mato.secrets.store import KeyStore

    try:
        places = KeyStore(paths).places()
    except ConfigError as error:
        return Finding("keys", "fault", str(error))
    where = [("environment", given)]
    for place in ("keyring", "file"):
        where.append((place, sorted(name for name, kept in places.items() if kept == place)))
    said = "; ".join(f"{place}: {', '.join(names)}" for place, names in where if names)
    if not said:
        return Finding("keys", "note", "none", "mato auth add PROVIDER")
    return Finding("keys", "ok", said)


def _kept(paths: Paths) -> Collection[str]:
    from mato.secrets.store import KeyStore

    try:
        return KeyStore(paths).places()
    except ConfigError:
        return ()  # told under "keys"


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
        text = f"pid {status['pid']}, {status['agents']} agents"
        if other := differs(__version__, status["mato"], status["protocol"]):
            yield Finding("daemon", "note", f"{text}; {other}", "mato daemon restart")
        else:
            yield Finding("daemon", "ok", text)


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
