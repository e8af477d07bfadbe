"""The feed: one unbroken stream over many connections and daemons."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mato.client import feed as feeds
from mato.client.feed import Arrived, Connected, Disconnected, Feed, News
from mato.protocol.methods import ListSessions, NewSession, RenameSession, Stop
from mato.testing.daemon import Daemon
from mato_sessions.errors import DaemonError
from mato_sessions.events import Event


class Reader:
    """Reads news, and keeps what came of a session."""

    def __init__(self, news: AsyncGenerator[News]) -> None:
        self.news = news
        self.events: list[Event] = []
        self.facts: list[Event] = []
        self.signs: list[str] = []

    async def until(self, kind: str, *, facts: bool = False) -> None:
        """Read until an event of that kind is new, or news of that type."""
        async with asyncio.timeout(30):
            async for new in self.news:
                self.signs.append(type(new).__name__)
                fresh: list[Event] = []
                if isinstance(new, Arrived):
                    self.events += new.events
                    self.facts += new.facts
                    fresh = list(new.facts if facts else new.events)
                if type(new).__name__ == kind or any(event.kind == kind for event in fresh):
                    return


async def _new(daemon: Daemon, folder: Path, name: str, task: str = "") -> str:
    async with await daemon.client() as client:
        return (await client.request(NewSession(cwd=str(folder), name=name, task=task))).session


async def test_it_comes_back_after_a_crash_with_its_cursors(daemon: Daemon, tmp_path: Path) -> None:
    session = await _new(daemon, tmp_path, "one", "talk on")
    feed = Feed(daemon.paths, position=0, sessions={session: 0})
    async with contextlib.aclosing(feed.news()) as news:
        reader = Reader(news)
        await reader.until("text.streamed")
        assert feed.connected
        await daemon.kill(signal.SIGKILL)
        await reader.until("Disconnected")
        assert not feed.connected
        # It starts a daemon itself: this one did not say goodbye.
        await reader.until("Connected")
        await reader.until("model.failed")  # what was cut; then it is asked again
    async with await daemon.client() as client:
        daemon.pid = client.welcome.pid
    seqs = [event.seq for event in reader.events]
    assert seqs == list(range(1, len(seqs) + 1))
    fact_seqs = [event.seq for event in reader.facts]
    assert fact_seqs == sorted(set(fact_seqs))
    assert feed.cursors == {session: seqs[-1]}


async def test_a_daemon_that_was_stopped_is_waited_for_and_not_started(
    daemon: Daemon, tmp_path: Path
) -> None:
    feed = Feed(daemon.paths, position=0)
    async with contextlib.aclosing(feed.news()) as news:
        reader = Reader(news)
        await reader.until("Connected")
        await daemon.stop()
        with pytest.raises(DaemonError, match="not connected"):
            await reader.until("Disconnected")
            await feed.request(ListSessions())
        await reader.until("Disconnected")
        await daemon.begin()
        await reader.until("Connected")
        await _new(daemon, tmp_path, "one")
        await reader.until("session.opened", facts=True)


async def test_silence_is_a_lost_connection(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SILENCE_S", 0.3)
    feed = Feed(daemon.paths, position=0)
    async with contextlib.aclosing(feed.news()) as news:
        reader = Reader(news)
        await reader.until("Arrived")
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(10):
                new = await anext(news)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        assert new == Disconnected("the daemon is silent")
        assert isinstance(await anext(news), Connected)


async def test_a_session_can_be_followed_later_and_from_its_beginning(
    daemon: Daemon, tmp_path: Path
) -> None:
    one = await _new(daemon, tmp_path, "one", "talk on")
    feed = Feed(daemon.paths, position=0, sessions={one: 0})
    async with contextlib.aclosing(feed.news()) as news:
        reader = Reader(news)
        await reader.until("text.streamed")
        two = await _new(daemon, tmp_path, "two", "hello")
        await reader.until("turn.ended", facts=True)
        assert two not in {event.session for event in reader.events}
        feed.follow(two)
        await reader.until("turn.ended")
        feed.unfollow(one)
        async with await daemon.client() as client:
            await client.request(Stop(session="one"))
            await client.request(RenameSession(session="two", name="three"))
        await reader.until("session.renamed")
        for session in (one, two):
            seqs = [event.seq for event in reader.events if event.session == session]
            assert seqs == list(range(1, len(seqs) + 1))
            facts = [event.seq for event in reader.facts if event.session == session]
            assert facts == sorted(set(facts))
        positions = {event.position for event in reader.facts}
        assert len(positions) == len(reader.facts)


async def test_two_feeds_see_the_same(daemon: Daemon, tmp_path: Path) -> None:
    session = await _new(daemon, tmp_path, "one", "hello")
    readers: list[Reader] = []
    for _ in range(2):
        feed = Feed(daemon.paths, sessions={session: 0})
        async with contextlib.aclosing(feed.news()) as news:
            readers.append(Reader(news))
            await readers[-1].until("turn.ended")
    one, two = ([event.hash for event in reader.events] for reader in readers)
    shorter = min(len(one), len(two))
    assert one[:shorter] == two[:shorter]
    assert shorter > 5
