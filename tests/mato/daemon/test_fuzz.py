"""Frames that no client of ours would send, by the thousand: the daemon answers or hangs up."""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mato.client.connection import Client
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato_sessions.errors import UsageError
from tests.mato.daemon.frames import LAST, METHODS, Frames, framed, types_of

SOAK = os.environ.get("MATO_SOAK") == "1"
TIMES = 60 if SOAK else 1
CONNECTIONS = 160
"""Of about 20 frames each."""
PATIENCE_S = 60.0
"""For what a daemon answers at once."""
SEED = os.environ.get("MATO_SEED", "1")
ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.fault, pytest.mark.timeout(7200 if SOAK else 180)]


async def prepare(daemon: Daemon, folder: Path) -> dict[str, tuple[str, ...]]:
    """Sessions that talk, wait for a yes and have changed a file; gives the names of all that."""
    async with await daemon.client() as client:
        talking = await client.request(m.NewSession(cwd=str(folder), name="one", task="talk on"))
        asking = await client.request(
            m.NewSession(cwd=str(folder), name="two", task="save it", mode="ask")
        )
        changed = await client.request(
            m.NewSession(cwd=str(folder), name="three", task="save it", mode="edit")
        )
        await client.request(m.Wait(session=asking.session, until="blocked", timeout_s=PATIENCE_S))
        await client.request(m.Wait(session=changed.session, until="ended", timeout_s=PATIENCE_S))
        [waiting] = (await client.request(m.Inbox())).calls
        standing = await client.request(m.LookAtFolder(cwd=str(folder)))
    made = (talking, asking, changed)
    return {
        "": ("one", "two", "three", "hello", "coder", str(folder)),
        "session": (*(each.session for each in made), "one", "two", "three"),
        "agent": (*(each.agents[0].id for each in made), "coder", "", "", ""),
        "turn": (*changed.turns, *talking.turns, ""),
        "call": (waiting.call, "c-"),
        "cwd": (str(folder), str(folder / "missing"), str(folder.parent)),
        "digest": (standing.digest,),
        "files": ("note.txt", "readme.md", "../out"),
        "task": ("hello", "talk on", "save it"),
        "text": ("hello", "talk on", "save it"),
    }


class Attack:
    """Sends frames over one connection after the other, and keeps what was answered."""

    def __init__(self, daemon: Daemon, frames: Frames) -> None:
        self._daemon = daemon
        self._frames = frames
        self.sent = 0
        self.codes: Counter[int] = Counter()
        """Of the answers: 0 for a result."""
        self.silent = 0
        """Connections on which good requests were not answered in time."""

    async def connection(self, number: int) -> None:
        """One client's life: a bad hello, or good requests and then what breaks the protocol."""
        reader, writer = await asyncio.open_unix_connection(str(self._daemon.paths.socket))
        frames = self._frames
        if number % 5 == 0:
            self.sent += 2
            writer.write(frames.bad_hello() + frames.request())
        else:
            many = [frames.request() for _ in range(22)]
            garbage = [frames.garbage() for _ in range(1 + number % 3)]
            self.sent += len(many) + len(garbage)
            writer.write(frames.hello() + b"".join(many) + framed(LAST))
            await self._read(reader)
            writer.write(b"".join(garbage))
        try:
            writer.write_eof()
            await self._read(reader)
        except OSError:
            pass  # it has hung up already
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Until the daemon hangs up, or has answered the last one."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    (size,) = struct.unpack(">I", await reader.readexactly(4))
                    payload = await reader.readexactly(size)
                    if payload[:1] == b"J" and self._take(json.loads(payload[1:])):
                        return
        except (EOFError, ConnectionError):
            return
        except TimeoutError:
            self.silent += 1

    def _take(self, answer: Mapping[str, Any]) -> bool:
        if "error" in answer or "result" in answer:
            self.codes[answer.get("error", {}).get("code", 0)] += 1
        return answer.get("id") == "last"


async def found(daemon: Daemon, attack: Attack) -> list[str]:
    """What has gone wrong in the daemon."""
    said: list[str] = []
    if attack.silent:
        said.append(f"{attack.silent} connections were not answered in time")
    if failures := attack.codes[-32603]:
        said.append(f"the daemon failed inside {failures} times")
    log = await asyncio.to_thread(daemon.paths.log.read_text)
    if (at := log.find("Traceback")) >= 0:
        said.append(log[at : at + 3000])
    async with await daemon.client() as client:
        status = await client.request(m.Status())
        if (status.pid, status.epoch) != (daemon.pid, 1):
            said.append("it is another daemon now")
    return said


async def begin(client: Client, request: m.NewSession) -> m.NewSessionResult:
    """Open a session, once nothing is being ended any more: that may outlast who wanted it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await client.request(request)
            except UsageError as error:
                if "ask again in a moment" not in str(error):
                    raise


@pytest.mark.parametrize("part", range(TIMES))
async def test_a_daemon_outlives_thousands_of_hostile_frames(
    daemon: Daemon, folder: Path, part: int
) -> None:
    print(f"to run this again: MATO_SEED={SEED}")
    attack = Attack(daemon, Frames(f"{SEED}-{part}", await prepare(daemon, folder)))
    for number in range(CONNECTIONS):
        await attack.connection(number)
    print(f"{attack.sent} frames, answered {dict(attack.codes)}")
    assert await found(daemon, attack) == []
    assert {0, -32602, -32600, -32700, 2, 3} <= set(attack.codes), "some came to where it is judged"
    async with await daemon.client() as client:
        new = await begin(client, m.NewSession(cwd=str(folder), task="hello"))
        asked = m.Wait(session=new.session, until="ended", timeout_s=PATIENCE_S)
        assert (await client.request(asked)).reasons == {"coder": "end_turn"}


@pytest.mark.parametrize("method", METHODS)
def test_most_frames_get_past_the_types_of_their_method(method: str) -> None:
    """Else only the decoder would be tried."""
    assert types_of(Frames(SEED, {"": ("one",)}), method, 60) >= 15


async def test_a_daemon_that_fails_inside_is_found(
    tmp_path: Path, folder: Path, model: str
) -> None:
    """The control: parameters that cannot be read are its own fault there."""
    env = {"MATO_MODEL": model, "PYTHONPATH": str(ROOT)}
    async with running(tmp_path / "home", env, module="tests.mato.daemon.breaking") as daemon:
        attack = Attack(daemon, Frames(SEED, await prepare(daemon, folder)))
        for number in range(1, 5):
            await attack.connection(number)
        assert await found(daemon, attack)
