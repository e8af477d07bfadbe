"""One daemon, one writer: races for the lock, daemons that wake up too late, old children."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest

from mato.client.connection import Client
from mato.client.start import start
from mato.processes import ChildRecords, identity, same_process
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato.testing.invariants import Acked, Evidence, check
from mato_sessions.codec import from_json_line, unpack

pytestmark = [pytest.mark.fault, pytest.mark.timeout(7200)]

SOAK = os.environ.get("MATO_SOAK") == "1"
RACES = 200 if SOAK else 3
RACERS = 6 if SOAK else 4
ZOMBIES = 20 if SOAK else 1

SCRIPT = """
[[answer]]
when = "talk on"
text = "on and "
for_s = 120.0
tokens_per_second = 100.0
"""

WRITER = Path(__file__).with_name("writing.py")


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    """A daemon that has not begun."""
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    return Daemon(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"})


def alive(daemon: Daemon) -> list[psutil.Process]:
    """The living processes of this home."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("MATO_HOME") == str(daemon.home):
                found.append(process)
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


async def record(client: Client, session: str) -> list[Acked]:
    """Everything that the daemon says is in the journal of a session."""
    page = await client.request(m.Events(session=session))
    return [Acked.of(from_json_line(line.encode())) for line in page.lines]


# ---------------------------------------------------------------- the lock


async def test_of_daemons_that_start_at_once_one_serves_and_the_journal_has_one_writer(
    daemon: Daemon,
) -> None:
    chance = random.Random(seed := os.environ.get("MATO_SEED", "1"))
    print(f"MATO_SEED={seed}")
    acked: list[Acked] = []
    try:
        for epoch in range(1, RACES + 1):
            delays = [chance.choice((0, 0, chance.random() / 5)) for _ in range(RACERS)]
            begun = await asyncio.gather(*(_begin(daemon, delay) for delay in delays))
            assert sorted(begun) == [False] * (RACERS - 1) + [True]
            async with await daemon.client() as client:
                daemon.pid = client.welcome.pid
                assert client.welcome.epoch == epoch
                gone, _ = psutil.wait_procs(
                    [process for process in alive(daemon) if process.pid != daemon.pid], timeout=10
                )
                assert [process.pid for process in alive(daemon)] == [daemon.pid], gone
                new = m.NewSession(cwd=str(daemon.home), name=f"race-{epoch}")
                session = (await client.request(new)).session
                acked += await record(client, session)
            await (daemon.kill() if chance.random() < 0.7 else daemon.stop())
    finally:
        await daemon.stop()
    assert check(Evidence(journal=daemon.paths.journal, acked=acked)) == []


async def _begin(daemon: Daemon, delay_s: float) -> bool:
    await asyncio.sleep(delay_s)
    return await asyncio.to_thread(start, daemon.paths, daemon.env)


# ---------------------------------------------------------------- daemons that come back


async def test_a_daemon_that_was_frozen_is_killed_before_its_successor_opens_the_journal(
    daemon: Daemon,
) -> None:
    seen: dict[str, list[Acked]] = {}
    acked: list[Acked] = []
    try:
        await daemon.begin()
        for epoch in range(1, ZOMBIES + 1):
            async with await daemon.client() as watching, await daemon.client() as client:
                new = m.NewSession(cwd=str(daemon.home), name=f"z-{epoch}", task="talk on")
                session = (await client.request(new)).session
                acked += await record(client, session)
                await watching.request(m.Subscribe(sessions={session: 0}))
                seen[session] = await _streamed(watching, pieces=10)
                frozen = identity(daemon.pid)
                assert frozen is not None
                os.kill(frozen.pid, signal.SIGSTOP)
                await daemon.begin()
            assert daemon.pid != frozen.pid
            assert not same_process(frozen.pid, frozen.started), "it lives on beside its successor"
            with suppress(ProcessLookupError):  # it may still wait to be collected
                os.kill(frozen.pid, signal.SIGCONT)
            async with await daemon.client() as client:
                assert client.welcome.epoch == epoch + 1
                acked += await record(client, session)
                await client.request(m.Kill(session=session))
    finally:
        await daemon.stop()
    evidence = Evidence(journal=daemon.paths.journal, acked=acked, seen=seen)
    assert check(evidence) == []


async def _streamed(client: Client, pieces: int) -> list[Acked]:
    """What a client is given until so much has been streamed."""
    given: list[Acked] = []
    heard = 0
    async for frame in client.frames():
        given += [Acked.of(unpack(raw)) for raw in frame.events]
        heard += len(frame.pieces)
        if heard >= pieces:
            return given
    raise AssertionError("frames end by an error")


class Writing:
    """A process that writes into a journal without asking for its lock (see `writing.py`)."""

    def __init__(self, journal: Path, *, fenced: bool = True) -> None:
        mode = "fenced" if fenced else "unfenced"
        self.process = subprocess.Popen(
            [sys.executable, str(WRITER), str(journal), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.epoch = int(self._line())
        except ValueError:
            self.close()
            raise

    def order(self, name: str) -> None:
        """Let it write an event, whenever it reads this."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()

    def answer(self) -> Acked | str:
        """The event as it was acknowledged, or the name of the error."""
        words = self._line().split()
        if len(words) == 1:
            return words[0]
        session, seq, digest = words
        return Acked(session, int(seq), bytes.fromhex(digest))

    def write(self, name: str) -> Acked | str:
        self.order(name)
        return self.answer()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        """End it; it may be frozen."""
        with self.process:
            self.process.kill()


def zombie(journal: Path, *, fenced: bool, others: int = 1) -> tuple[list[Acked | str], list[str]]:
    """A writer is frozen, succeeded, and woken up: all answers, and what the checker says."""
    with ExitStack() as ending:
        old = Writing(journal, fenced=fenced)
        ending.callback(old.close)
        answers = [old.write("before")]
        os.kill(old.process.pid, signal.SIGSTOP)
        old.order("too late")
        for number in range(others):
            new = Writing(journal)
            ending.callback(new.close)
            assert new.epoch == old.epoch + number + 1
            answers.append(new.write(f"successor {number}"))
        os.kill(old.process.pid, signal.SIGCONT)
        answers.append(old.answer())
    acked = [answer for answer in answers if isinstance(answer, Acked)]
    return answers, check(Evidence(journal=journal, acked=acked))


@pytest.mark.parametrize("others", [1, 2])
def test_a_writer_that_was_succeeded_while_frozen_is_fenced_off(
    tmp_path: Path, others: int
) -> None:
    for number in range(ZOMBIES):
        journal = tmp_path / f"{number}.db"
        answers, broken = zombie(journal, fenced=True, others=others)
        assert broken == []
        assert answers[-1] == "JournalFenced"
        assert [isinstance(answer, Acked) for answer in answers] == [True] * (others + 1) + [False]
        assert names(journal) == ["before", *(f"successor {n}" for n in range(others))]


def test_without_the_fence_the_checker_sees_two_writers(tmp_path: Path) -> None:
    answers, broken = zombie(tmp_path / "journal.db", fenced=False)
    assert isinstance(answers[-1], Acked), "the broken variant does write"
    assert [sentence for sentence in broken if "epoch 1 comes after 2" in sentence]


def names(journal: Path) -> Sequence[str]:
    """What was written, in its order."""
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT data FROM body ORDER BY position").fetchall()
    return [json.loads(data)["name"] for (data,) in rows]


# ---------------------------------------------------------------- old children

CHILD = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print(inner.pid, flush=True)
time.sleep(300)
"""


@pytest.fixture
def trees() -> Iterator[list[tuple[int, int]]]:
    """Two children, each with a child of its own: (pid, pid of its child)."""
    started: list[subprocess.Popen[str]] = []
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(child)
    pairs: list[tuple[int, int]] = []
    for child in started:
        assert child.stdout is not None
        pairs.append((child.pid, int(child.stdout.readline())))
    try:
        yield pairs
    finally:
        for child in started:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            with child:
                pass


async def test_what_a_dead_epoch_left_has_ended_before_its_successor_serves(
    daemon: Daemon, trees: list[tuple[int, int]]
) -> None:
    (leader, inner), (stranger, other) = trees
    births = {pid: psutil.Process(pid) for pid in (leader, inner, stranger, other)}
    await daemon.begin()
    await daemon.kill()
    left = ChildRecords(daemon.paths.children, epoch=1)
    left.started(leader, "a model")
    left.started(stranger, "its number was given to somebody else")
    (wrong,) = daemon.paths.children.glob(f"1-{stranger}-*")
    begun = wrong.stem.rpartition("-")[2]
    wrong.write_text(wrong.read_text().replace(f'"started":{begun}', '"started":7'))
    assert '"started":7' in wrong.read_text()

    async with running(daemon.home, daemon.env) as successor:
        async with await successor.client() as client:
            assert client.welcome.epoch == 2
        statuses = {pid: _status(process) for pid, process in births.items()}
        assert statuses[leader] in ("gone", psutil.STATUS_ZOMBIE)
        assert statuses[inner] in ("gone", psutil.STATUS_ZOMBIE)
        assert statuses[stranger] == statuses[other] == psutil.STATUS_SLEEPING
        assert not list(successor.paths.children.iterdir())


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return "gone"
