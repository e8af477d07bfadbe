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
from mato.client import quick
from mato.client.connection import Client
from mato.client.feed import Arrived, Connected, Disconnected, Feed, News, delay_s
from mato.protocol import methods as m
from mato.testing.daemon import Daemon
from mato_sessions.codec import from_json_line
from mato_sessions.entries import AnyEntry
from mato_sessions.errors import DaemonError
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
    command = [sys.executable, "-m", "mato", "daemon", "restart", "--now"]
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


async def test_a_wait_goes_on_at_the_successor_with_the_rest_of_its_time(
    daemon: Daemon, tmp_path: Path
) -> None:
    async with await daemon.client() as client:
        await client.request(m.NewSession(cwd=str(tmp_path), name="one"))
        params = {"session": "one", "until": "stopped", "timeout_s": 50}
        waiting = asyncio.create_task(
            asyncio.to_thread(quick.request, daemon.paths, "agent.wait", params)
        )
        async with asyncio.timeout(20):
            while (await client.request(m.Status())).clients < 1:
                pass
    await asyncio.to_thread(restart, daemon)
    async with await daemon.client() as client:
        daemon.pid = client.welcome.pid
        assert client.welcome.epoch == 2
        assert not waiting.done()
        await client.request(m.Kill(session="one"))
    assert (await waiting)["states"] == {"coder": "stopped"}


async def test_what_changes_something_is_not_asked_twice(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def restarts(_paths: object, method: str, *_: object) -> dict[str, object]:
        asked.append(method)
        raise quick._Restarts("the daemon said goodbye: the daemon restarts")

    monkeypatch.setattr(quick, "_understood", restarts)
    with pytest.raises(DaemonError, match="the daemon restarts"):
        quick.request(daemon.paths, "agent.prompt", {"session": "one", "text": "hello"})
    assert asked == ["agent.prompt"]


@pytest.mark.parametrize(
    ("way", "said"), [("restart", b"the daemon restarts; w"), ("kill -9", b"lost the daemon")]
)
async def test_mato_run_lives_through_the_end_of_a_daemon(
    daemon: Daemon, tmp_path: Path, way: str, said: bytes
) -> None:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mato", "run", "talk on", "--json"),
        env=daemon.env,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    lines: list[bytes] = []
    async with asyncio.timeout(60):
        while not lines or b"text.streamed" not in lines[-1]:
            lines.append(await running.stdout.readline())
        if way == "restart":
            await asyncio.to_thread(restart, daemon)
        else:
            await daemon.kill()
        async with await Client.connect(daemon.paths) as client:
            daemon.pid = client.welcome.pid
            assert client.welcome.epoch == 2
            (session,) = (await client.request(m.ListSessions())).sessions
            await client.request(m.Stop(session=session.id))
        rest, told = await running.communicate()
    events = [from_json_line(line) for line in [*lines, *rest.splitlines()]]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.epoch for event in events} == {1, 2}
    assert [event.kind for event in events].count("turn.ended") == 1
    assert said in told
    assert b"waiting for it" in told
    assert running.returncode == 7


async def test_mato_run_ends_with_a_sentence_where_the_daemon_is_stopped(
    daemon: Daemon, tmp_path: Path
) -> None:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mato", "run", "talk on", "--json"),
        env=daemon.env,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert running.stdout is not None
    async with asyncio.timeout(60):
        while b"text.streamed" not in await running.stdout.readline():
            pass
        await daemon.stop()
        _, said = await running.communicate()
    assert running.returncode == 4
    assert said.decode().splitlines() == ["mato: the daemon said goodbye: the daemon was stopped"]


def test_the_next_try_comes_soon_at_first_and_never_much_later() -> None:
    delays = [delay_s(tenth / 10) for tenth in range(3000)]
    assert max(delays[:60]) <= 0.25
    assert min(delays) >= 0.1
    assert delays == sorted(delays)
    assert delays[-1] == 5.0
