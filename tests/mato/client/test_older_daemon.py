"""A newer client on an older daemon: everything can be seen, nothing changed, the end asked for."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mato.client import quick
from mato.client.feed import Connected, Disconnected, Feed
from mato.protocol import methods as m
from mato.protocol.version import OLDEST, PROTOCOL, READABLE
from mato.testing.daemon import Daemon, running
from mato_sessions import chain
from mato_sessions.errors import MatoError, ReadOnly
from mato_sessions.events import Event

SENTENCE = r"an older Mato \(.*, protocol 1\), so this is read-only; `mato daemon restart` brings"

SCRIPT = """
[[answer]]
when = "hello"
text = "Hello, hello."

[[answer]]
when = "save"
calls = [ { name = "write", arguments = { path = "note.txt", content = "saved" } } ]
"""

CHANGES: tuple[m.Request, ...] = (
    m.NewSession(cwd="/"),
    m.RenameSession(session="s", name="t"),
    m.ArchiveSession(session="s"),
    m.Purge(before_us=1),
    m.Arrange(session="s", windows=()),
    m.Spawn(session="s", agent=m.AgentWish()),
    m.Prompt(session="s", text="hello"),
    m.Stop(session="s"),
    m.Kill(session="s"),
    m.Resume(session="s"),
    m.KillAll(),
    m.Undo(session="s", apply=True),
    m.Reconfigure(session="s", agent="coder", mode="full"),
    m.Looked(session="s", agent="coder"),
    m.TrustFolder(cwd="/", digest=""),
    m.Answer(call="c", allowed=True, rule="test"),
    m.RevokeGrants(by="test"),
    m.ReadKeys(),
)


@pytest.fixture
async def older(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon of protocol 1 with the session `s`, one turn of which has ended."""
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    env = {"MATO_MODEL": f"scripted:{script}"}
    async with running(tmp_path / "home", env, "mato.testing.older") as daemon:
        new = {"cwd": str(tmp_path), "name": "s", "task": "hello", "agents": [{}]}
        await asyncio.to_thread(as_protocol_1, daemon, "session.new", new)
        wait = {"session": "s", "until": "ended"}
        await asyncio.to_thread(quick.request, daemon.paths, "agent.wait", wait)
        daemon.module = "mato.daemon"
        yield daemon


def as_protocol_1(daemon: Daemon, method: str, params: dict[str, Any]) -> None:
    """Ask as an old client does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quick, "read_only", lambda *_: "")
        patch.setattr(quick, "PROTOCOL", OLDEST)
        quick._ask(daemon.paths, OLDEST, "old", method, params, False, 20)


def mato(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mato", *words]
    return subprocess.run(command, capture_output=True, text=True, env=daemon.env, timeout=60)


def test_every_request_that_changes_something_is_tried_here() -> None:
    assert {request.method for request in CHANGES} == m.METHODS.keys() - READABLE - {"hello"}


async def test_all_can_be_seen_and_nothing_be_changed(older: Daemon) -> None:
    async with await older.client() as client:
        assert (client.welcome.protocol, client.welcome.pid) == (1, older.pid)
        assert "protocol 1" in client.read_only
        position = (await client.request(m.Status())).position
        for change in CHANGES:
            with pytest.raises(ReadOnly, match=SENTENCE):
                await client.request(change)
            params = msgspec.to_builtins(change)
            with pytest.raises(ReadOnly, match=SENTENCE):
                await asyncio.to_thread(quick.request, older.paths, change.method, params)
        (session,) = (await client.request(m.ListSessions())).sessions
        assert session.name == "s"
        assert (await client.request(m.Inbox())).calls == ()
        assert (await client.request(m.Wait(session="s", until="ended"))).reasons
        events = await client.request(m.Events(session="s"))
        assert events.last == events.head == position
        assert (await client.request(m.Profiles(cwd="/"))).profiles
        assert (await client.request(m.Status())).position == position


async def test_what_an_older_daemon_does_not_know_is_said_as_such(
    older: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "READABLE", READABLE | {"of.tomorrow"})
    with pytest.raises(ReadOnly, match=SENTENCE):
        await asyncio.to_thread(quick.request, older.paths, "of.tomorrow", {})


async def test_the_commands_that_look_work_and_the_others_say_one_sentence(older: Daemon) -> None:
    for words in (
        ("ls",),
        ("log", "s"),
        ("capture", "s"),
        ("inbox",),
        ("wait", "s", "--until", "ended"),
        ("daemon", "status"),
    ):
        done = await asyncio.to_thread(mato, older, *words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
    assert "older Mato" in done.stdout
    assert "`mato daemon restart`" in done.stdout
    for words in (("send", "s", "hello"), ("stop", "s"), ("approve", "c"), ("new", "x")):
        done = await asyncio.to_thread(mato, older, *words)
        assert (done.returncode, done.stdout) == (4, "")
        (line,) = done.stderr.splitlines()
        assert "so this is read-only" in line


async def test_a_restart_brings_it_up_to_date_with_the_same_journal(older: Daemon) -> None:
    before = await asyncio.to_thread(mato, older, "log", "s", "--json")
    done = await asyncio.to_thread(mato, older, "daemon", "restart")
    assert done.returncode == 0, done.stderr
    async with await older.client() as client:
        older.pid = client.welcome.pid
        assert (client.welcome.protocol, client.read_only) == (PROTOCOL, "")
        await client.request(m.RenameSession(session="s", name="t"))
    after = await asyncio.to_thread(mato, older, "log", "t", "--json")
    assert after.stdout.startswith(before.stdout)


async def test_a_feed_follows_it_restarts_it_and_goes_on_with_its_cursor(older: Daemon) -> None:
    async with await older.client() as client:
        (session,) = (await client.request(m.ListSessions())).sessions
    feed = Feed(older.paths, position=0, sessions={session.id: 0})
    events: list[Event] = []
    protocols: list[int] = []
    signs: list[bool] = []
    async with contextlib.aclosing(feed.news()) as news, asyncio.timeout(60):
        async for new in news:
            if isinstance(new, Connected):
                protocols.append(new.welcome.protocol)
            elif isinstance(new, Disconnected):
                signs.append(new.restarts)
            else:
                events += new.events
            if protocols == [OLDEST] and events:
                with pytest.raises(ReadOnly):
                    await feed.request(m.Prompt(session="s", text="hello"))
                await feed.restart()
                protocols.append(0)
            elif protocols[-1] == PROTOCOL and isinstance(new, Connected):
                await feed.request(m.RenameSession(session="s", name="t"))
            elif events and events[-1].kind == "session.renamed":
                break
    assert protocols == [OLDEST, 0, PROTOCOL]
    assert signs
    assert all(signs)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert chain.verify(events) is None
    async with await older.client() as client:
        older.pid = client.welcome.pid


async def test_a_restart_that_is_refused_starts_nothing(older: Daemon) -> None:
    feed = Feed(older.paths, position=0)
    with pytest.raises(MatoError, match="not connected"):
        await feed.restart()
    async with contextlib.aclosing(feed.news()) as news, asyncio.timeout(60):
        assert isinstance(await anext(news), Connected)
        await older.stop()
        async for new in news:
            if isinstance(new, Disconnected):
                assert (new.restarts, new.stopped) == (False, True)
                break
    assert not older.paths.socket.exists()
