"""A restart of the daemon, as clients live through it: waited for, come back from, nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from mato.client import feed as feeds
from mato.client.feed import Arrived, Connected, Disconnected, Feed, News, delay_s
from mato.protocol import methods as m
from mato.testing.daemon import Daemon
from mato_sessions.codec import from_json_line
from mato_sessions.entries import AnyEntry
from mato_sessions.events import Event
from mato_sessions.transcript import Transcript


class Watcher:
    """A client that keeps what it is given, as a workspace does."""

    def __init__(self, daemon: Daemon, session: str) -> None:
        self.feed = Feed(daemon.paths, position=0, sessions={session: 0})
        self.events: list[Event] = []
        self.transcripts: dict[str, Transcript] = {}
        self.epochs: list[int] = []
        self.lost: list[Disconnected] = []

    async def until(self, news: AsyncGenerator[News], kind: str) -> None:
        """Read on until such an event comes."""
        async with asyncio.timeout(60):
            async for new in news:
                match new:
                    case Connected(welcome=welcome):
                        self.epochs.append(welcome.epoch)
                    case Disconnected():
                        self.lost.append(new)
                    case Arrived():
                        self._take(new)
                        if any(event.kind == kind for event in new.events):
                            return

    def _take(self, new: Arrived) -> None:
        self.events += new.events
        for event in new.events:
            if event.agent is not None:
                self._of(event.agent).apply(event)
        for piece in new.pieces:
            self._of(piece.agent).delta(piece)

    def _of(self, agent: str) -> Transcript:
        return self.transcripts.setdefault(agent, Transcript(agent))


def shown(transcript: Transcript) -> list[AnyEntry]:
    """What a person reads; how often an entry has grown is no part of it."""
    return [msgspec.structs.replace(entry, revision=0) for entry in transcript.entries]


def restart(daemon: Daemon) -> None:
    command = [sys.executable, "-m", "mato", "daemon", "restart"]
    subprocess.run(command, env=daemon.env, check=True, timeout=60, capture_output=True)


async def test_a_feed_lives_through_a_restart_while_an_agent_streams(
    daemon: Daemon, tmp_path: Path
) -> None:
    async with await daemon.client() as client:
        new = m.NewSession(cwd=str(tmp_path), name="one", task="talk on")
        session = (await client.request(new)).session
    watcher = Watcher(daemon, session)
    async with contextlib.aclosing(watcher.feed.news()) as news:
        await watcher.until(news, "text.streamed")
        async with asyncio.TaskGroup() as tasks:
            restarting = tasks.create_task(asyncio.to_thread(restart, daemon))
            marking = tasks.create_task(_mark(daemon, restarting))
            await watcher.until(news, "session.renamed")
            await marking
    assert watcher.epochs == [1, 2]
    assert watcher.lost
    assert all(lost.restarts for lost in watcher.lost)
    assert "the daemon restarts" in watcher.lost[0].reason
    async with await daemon.client() as client:
        page = await client.request(m.Events(session=session))
    recorded = [from_json_line(line.encode()) for line in page.lines][: len(watcher.events)]
    assert [event.hash for event in watcher.events] == [event.hash for event in recorded]
    assert {event.epoch for event in recorded} == {1, 2}
    for agent, seen in watcher.transcripts.items():
        told = Transcript(agent)
        for event in recorded:
            if event.agent == agent:
                told.apply(event)
        assert shown(seen) == shown(told)


async def _mark(daemon: Daemon, restarted: asyncio.Task[None]) -> None:
    """End what streams, then leave a mark that comes last."""
    await restarted
    async with await daemon.client() as client:
        daemon.pid = client.welcome.pid
        await client.request(m.Stop(session="one"))
        await client.request(m.Wait(session="one", until="ended", timeout_s=30))
        await client.request(m.RenameSession(session="one", name="two"))


async def test_a_successor_that_was_announced_and_does_not_come_is_started(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SUCCESSOR_S", 0.5)
    feed = Feed(daemon.paths, position=0)
    async with contextlib.aclosing(feed.news()) as news, asyncio.timeout(60):
        assert isinstance(await anext(news), Connected)
        async with await daemon.client() as client:
            await client.request(m.Shutdown(restart=True))
        async for new in news:
            if isinstance(new, Connected):
                assert new.welcome.epoch == 2
                break
    async with await daemon.client() as client:
        daemon.pid = client.welcome.pid


def test_the_next_try_comes_soon_at_first_and_never_much_later() -> None:
    delays = [delay_s(tenth / 10) for tenth in range(3000)]
    assert max(delays[:60]) <= 0.25
    assert min(delays) >= 0.1
    assert delays == sorted(delays)
    assert delays[-1] == 5.0
