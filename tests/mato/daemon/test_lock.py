"""The lock: whoever holds it is ended only when it is the very process that took it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mato.daemon import lock
from mato.processes import identity
from mato_sessions.errors import ConfigError, DaemonError

HOLD = """
import fcntl, os, signal, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(handle, fcntl.LOCK_EX)
os.write(handle, sys.argv[2].encode())
if len(sys.argv) > 3:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("held", flush=True)
sys.stdin.read()
"""

Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Lock file and socket."""
    return tmp_path / "daemon.lock", tmp_path / "none.sock"


@pytest.fixture
def hold(places: tuple[Path, Path]) -> Iterator[Hold]:
    """Start a process that holds the lock and says what it is told to."""
    started: list[subprocess.Popen[str]] = []

    def begin(record: dict[str, Any] | None, *, stubborn: bool = False) -> subprocess.Popen[str]:
        text = "" if record is None else json.dumps(record)
        command = [sys.executable, "-c", HOLD, str(places[0]), text]
        process = subprocess.Popen(
            [*command, "x"] if stubborn else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in started:
        process.kill()
        with process:  # closes its pipes and collects it
            pass


def _say(places: tuple[Path, Path], process: subprocess.Popen[str], **changes: Any) -> None:
    """Write the process's own record into the lock file, as it would itself."""
    own = identity(process.pid)
    assert own is not None
    record = {"pid": process.pid, "started": own.started, "phase": "serving", **changes}
    places[0].write_text(json.dumps(record))


def test_it_is_held_by_one_and_free_after_its_release(places: tuple[Path, Path]) -> None:
    held = lock.acquire(*places)
    own = identity(os.getpid())
    assert own is not None
    assert lock.holder(places[0]) == lock.Holder(os.getpid(), own.started, "starting")
    held.say("serving")
    record = lock.holder(places[0])
    assert record is not None
    assert record.phase == "serving"
    assert stat.S_IMODE(places[0].stat().st_mode) == 0o600
    held.release()
    lock.acquire(*places).release()


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_holder_that_serves_nobody_is_ended(
    places: tuple[Path, Path], hold: Hold, stubborn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_TERM_S", 0.3)
    process = hold(None, stubborn=stubborn)
    _say(places, process)
    lock.acquire(*places).release()
    assert process.wait(5) == (-9 if stubborn else -15)


@pytest.mark.parametrize("phase", ["starting", "stopping"])
def test_a_holder_that_starts_or_stops_is_given_time_and_then_ended(
    places: tuple[Path, Path], hold: Hold, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hold(None)
    _say(places, process, phase=phase)
    assert process.stdin is not None
    process.stdin.close()  # it ends by itself
    lock.acquire(*places).release()
    assert process.wait(5) == 0

    monkeypatch.setattr(lock, "PATIENCE_S", 0.2)
    process = hold(None)
    _say(places, process, phase=phase)
    lock.acquire(*places).release()
    assert process.wait(5) == -15


@pytest.mark.parametrize("record", [None, {"pid": 1, "started": 1, "phase": "serving"}, {"x": 1}])
def test_a_holder_that_does_not_say_who_it_is_is_left_alone(
    places: tuple[Path, Path],
    hold: Hold,
    record: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.2)
    process = hold(record)
    with pytest.raises(DaemonError, match="holds the daemon's lock and does not answer"):
        lock.acquire(*places)
    assert process.poll() is None


def test_a_stranger_with_the_number_of_the_old_daemon_is_left_alone(
    places: tuple[Path, Path], hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.2)
    process = hold(None)
    _say(places, process, started=7)
    with pytest.raises(DaemonError):
        lock.acquire(*places)
    assert process.poll() is None


def test_a_link_in_its_place_is_not_followed(places: tuple[Path, Path]) -> None:
    places[0].symlink_to(places[0].with_name("elsewhere"))
    with pytest.raises(ConfigError, match="cannot write"):
        lock.acquire(*places)
    assert not places[0].with_name("elsewhere").exists()
