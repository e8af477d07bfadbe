"""`mato doctor` about the record: what it stands on, and how the last daemon ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path, PurePath
from typing import Any

import pytest

from mato.cli import finding, ground
from mato.cli.finding import Finding
from mato.protocol.version import differs
from mato.testing.daemon import Daemon
from mato_sessions.filesystems import Mount


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 9), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_an_sqlite_with_the_race_is_told_with_why_it_does_no_harm(
    version: tuple[int, int, int], mended: bool
) -> None:
    found = ground.sqlite(version)
    assert found.level == ("ok" if mended else "note")
    if not mended:
        assert "Mato is safe, by having one writer only" in found.text
        assert "read-only" in found.fix


@pytest.mark.parametrize(
    ("mount", "level", "said", "fix"),
    [
        (Mount(PurePath("/"), "ext4", False), "ok", "ext4", ""),
        (Mount(PurePath("/n"), "nfs4", False), "fault", "network", "set MATO_HOME"),
        (Mount(PurePath("/n"), "fuse.sshfs", True), "fault", "network", "set MATO_HOME"),
        (Mount(PurePath("/r"), "xfs", True), "fault", "read-only at /r", "mount it writable"),
        (Mount(PurePath("/t"), "tmpfs", False), "note", "in memory", "MATO_HOME"),
        (None, "note", "cannot be told", ""),
    ],
)
def test_a_file_system_that_keeps_no_journal_is_told(
    mount: Mount | None, level: str, said: str, fix: str
) -> None:
    found = ground.filesystem(mount)
    assert found.level == level
    assert said in found.text
    assert fix in found.fix


@pytest.mark.parametrize(
    ("free", "level"),
    [(0, "fault"), ((64 << 20) - 1, "fault"), (64 << 20, "note"), (500 << 20, "ok")],
)
def test_little_space_is_said_before_there_is_none(free: int, level: str) -> None:
    found = ground.space(free)
    assert found.level == level
    assert bool(found.fix) == (level != "ok")


def test_another_version_is_told_from_another_protocol() -> None:
    assert differs("0.2.0", "0.2.0", 2) == ""
    assert "another Mato (0.1.0) than this one (0.2.0)" in differs("0.2.0", "0.1.0", 2)
    assert "an older Mato (0.1.0, protocol 1)" in differs("0.2.0", "0.1.0", 1)
    assert "a newer Mato" in differs("0.2.0", "0.3.0", 3)


def test_findings_fit_and_paths_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = "/" + "deep/" * 30
    finding.say(Finding("disk", "fault", "word " * 40, f"move {path} away"))
    lines = capsys.readouterr().out.splitlines()
    assert any(path in line for line in lines)
    assert all(len(line) <= 80 for line in lines if path not in line)


def doctor(daemon: Daemon) -> dict[str, Any]:
    """The findings by check. The exit code is left out: the machine may lack other things."""
    command = [sys.executable, "-m", "mato", "doctor", "--json"]
    done = subprocess.run(command, env=daemon.env, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return {found["check"]: found for found in json.loads(done.stdout)}


def contents(daemon: Daemon) -> dict[str, str]:
    """Hashes of the journal's files."""
    files = daemon.paths.journal.parent.glob("journal.db*")
    # What connections share in memory is no part of the record.
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.stat().st_size and not file.name.endswith("-shm")
    }


async def test_it_tells_how_the_last_daemon_ended_and_changes_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    await daemon.begin()
    assert "last stop" not in await asyncio.to_thread(doctor, daemon)
    await daemon.kill()
    before = contents(daemon)
    assert before
    found = await asyncio.to_thread(doctor, daemon)
    assert found["last stop"]["level"] == "note"
    assert "did not end in good order" in found["last stop"]["text"]
    assert "`mato daemon start` goes on" in found["last stop"]["fix"]
    assert contents(daemon) == before
    await daemon.begin()
    await daemon.stop()
    before = contents(daemon)
    found = await asyncio.to_thread(doctor, daemon)
    assert found["last stop"]["text"] == "in good order"
    assert found["filesystem"]["text"]
    assert contents(daemon) == before


async def test_it_tells_of_a_daemon_of_another_version(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home", module="mato.testing.older")
    await daemon.begin()
    try:
        found = (await asyncio.to_thread(doctor, daemon))["daemon"]
        assert found["level"] == "note"
        assert "an older Mato" in found["text"]
        assert found["fix"] == "mato daemon restart"
    finally:
        await daemon.stop()
