"""The quick client: the same errors as the other, and next to nothing imported."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mato.client import quick
from mato.protocol.methods import NewSession
from mato.testing.daemon import Daemon
from mato_sessions.errors import DaemonError, UnknownName, UsageError, VersionMismatch


async def test_it_gets_results_as_plain_dictionaries(daemon: Daemon, tmp_path: Path) -> None:
    def ask() -> None:
        assert quick.request(daemon.paths, "daemon.status", {})["pid"] == daemon.pid
        new = quick.request(daemon.paths, "session.new", {"cwd": str(tmp_path), "name": "one"})
        assert new["agents"][0]["name"] == "coder"
        listed = quick.request(daemon.paths, "session.list", {})
        assert [session["name"] for session in listed["sessions"]] == ["one"]
        nothing = quick.request(daemon.paths, "session.rename", {"session": "one", "name": "two"})
        assert nothing == {}

    await asyncio.to_thread(ask)


async def test_errors_come_back_as_the_tree_s_own(daemon: Daemon) -> None:
    def ask() -> None:
        with pytest.raises(UnknownName, match="no session 'x'"):
            quick.request(daemon.paths, "agent.stop", {"session": "x"})
        with pytest.raises(UsageError, match="not an absolute path"):
            quick.request(daemon.paths, "session.new", {"cwd": "x"})
        with pytest.raises(DaemonError, match=r"no method 'no\.such'"):
            quick.request(daemon.paths, "no.such", {})

    await asyncio.to_thread(ask)


async def test_another_version_is_told_apart(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "PROTOCOL", 99)
    with pytest.raises(VersionMismatch, match=r"protocol 99.*mato daemon restart"):
        await asyncio.to_thread(quick.request, daemon.paths, "session.list", {})


async def test_it_starts_a_daemon_when_it_may(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    with pytest.raises(DaemonError, match="no daemon is running; `mato` starts one"):
        quick.request(daemon.paths, "session.list", {}, start=False)
    try:
        status = await asyncio.to_thread(quick.request, daemon.paths, "daemon.status", {})
        daemon.pid = status["pid"]
        assert status["epoch"] == 1
    finally:
        await daemon.stop()


async def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "ANSWER_S", 0.3)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DaemonError, match="does not answer"):
            await asyncio.to_thread(quick.request, daemon.paths, "session.list", {})
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


def test_it_imports_next_to_nothing() -> None:
    code = (
        "import sys, socket, json, struct\n"
        "before = set(sys.modules)\n"
        "import mato.client.quick\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {
        "__future__",
        "mato",
        "mato.client",
        "mato.client.quick",
        "mato.protocol",
        "mato.protocol.faults",
        "mato.protocol.version",
        "mato_sessions",
        "mato_sessions.errors",
    }


async def test_text_that_is_no_utf8_is_one_sentence_or_marked(
    daemon: Daemon, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"/no \xff where")
    with pytest.raises(UsageError, match=r"there is no folder '/no \? where'"):
        await asyncio.to_thread(quick.request, daemon.paths, "session.new", {"cwd": odd})
    async with await daemon.client() as client:
        with pytest.raises(UsageError, match="not valid UTF-8"):
            await client.request(NewSession(cwd=odd))
        await client.request(NewSession(cwd=str(tmp_path), name="goes-on"))
