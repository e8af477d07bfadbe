"""Agents of every kind around one real daemon, driven through its protocol as any client does.

A kind is a `Kind`: what it takes to say something, to call a tool that asks, and to hang. Each test
of the contract gets each kind in turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mato.client.connection import Client
from mato.processes import identity
from mato.protocol import methods as m
from mato.testing import strange_agent
from mato.testing.daemon import Daemon, running

STRANGE = Path(strange_agent.__file__)
LIMIT_S = 60.0


@dataclass
class Kind:
    """How one kind of agent is told what the contract needs."""

    name: str
    profile: str
    says: str
    """It says "hello there" and ends."""
    touches: str
    """It runs ``touch made`` after asking, and ends."""
    hangs: str
    """Its turn goes on until it is stopped."""
    dies: str = ""
    """Its program ends in the middle of the turn; "" where there is none."""
    resumes: bool = True
    """A turn that its daemon's end cut goes on."""
    model: Any = None
    env: dict[str, str] = field(default_factory=dict[str, str])


class Stage:
    """A session with one agent."""

    def __init__(self, daemon: Daemon, kind: Kind, folder: Path) -> None:
        self.daemon = daemon
        self.kind = kind
        self.folder = folder
        self.session = ""
        self.client: Client | None = None

    async def connect(self) -> None:
        if self.client is not None:
            await self.client.close()
        self.client = await self.daemon.client()

    async def ask(self, request: Any) -> Any:
        assert self.client is not None
        return await self.client.request(request)

    async def open(self, *, mode: str = "ask", **wish: Any) -> None:
        agent = m.AgentWish(profile=self.kind.profile, **wish)
        made = await self.ask(
            m.NewSession(cwd=str(self.folder), agents=(agent,), mode=mode, env=self.kind.env)
        )
        self.session = made.session

    async def open_as(self, profile: str) -> None:
        """A session with another agent."""
        agent = m.AgentWish(profile=profile)
        made = await self.ask(m.NewSession(cwd=str(self.folder), agents=(agent,)))
        self.session = made.session

    async def prompt(self, text: str) -> str:
        return (await self.ask(m.Prompt(session=self.session, text=text))).turn

    async def until(self, state: str, turn: str = "") -> m.WaitResult:
        return await self.ask(
            m.Wait(session=self.session, turn=turn, until=state, timeout_s=LIMIT_S)
        )

    async def turn(self, text: str, answer: bool | None = None) -> str:
        """The stop reason of a turn; a question in it gets `answer`."""
        turn = await self.prompt(text)
        if answer is not None:
            await self.until("blocked", turn)
            await self.answer(answer)
        ended = await self.until("ended", turn)
        return next(iter(ended.reasons.values()))

    async def answer(self, allowed: bool) -> None:
        for call in await self.ask_inbox():
            if call.session != self.session:
                continue
            await self.ask(m.Answer(call=call.call, allowed=allowed, rule="test"))

    async def stop(self) -> None:
        await self.ask(m.Stop(session=self.session))

    async def kill(self) -> None:
        await self.ask(m.Kill(session=self.session))

    async def ask_inbox(self) -> Any:
        return (await self.ask(m.Inbox())).calls

    async def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = await self.ask(m.Events(session=self.session, after=after, limit=2000))
            if not page.lines:
                return found
            found += [json.loads(line) for line in page.lines]

    async def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [event["body"] for event in await self.events() if event["kind"] == kind]

    async def wait_for(self, ready: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """All events, once they satisfy `ready`."""
        async with asyncio.timeout(LIMIT_S):
            # The daemon has no request that waits for any fact, and this one looks again.
            while not ready(events := await self.events()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return events

    async def text(self) -> str:
        """All that the agent has said."""
        return "".join(body.get("text", "") for body in await self.bodies("model.answered"))

    async def evidence(self) -> str:
        """Every message that went over the wire."""
        parts: list[str] = []
        for body in await self.bodies("evidence.kept"):
            parts.append((await self.ask(m.Blob(sha256=body["lines"]["sha256"]))).text)
        return "".join(parts)


def profile(daemon: Daemon, name: str, *flags: str, head: str = "") -> None:
    """A profile of the strange agent."""
    daemon.paths.profiles.mkdir(parents=True, exist_ok=True)
    command = " ".join([sys.executable, str(STRANGE), *flags])
    sees = [str(STRANGE), sys.prefix, sys.base_prefix]
    sandbox = f"sandbox = {{ read = {json.dumps(sees)} }}"
    text = f'+++\nkind = "acp"\ncommand = "{command}"\n{sandbox}\n{head}\n+++\n'
    (daemon.paths.profiles / f"{name}.md").write_text(text)


@asynccontextmanager
async def a_daemon(home: Path, env: dict[str, str] | None = None) -> AsyncIterator[Daemon]:
    """A daemon with the profile of the strange agent; nothing of it is left afterwards."""
    async with running(home, env) as daemon:
        profile(daemon, "strange")
        yield daemon
    assert not lingering(home), "a process was left behind"


@asynccontextmanager
async def on_stage(daemon: Daemon, folder: Path, kind: Kind) -> AsyncIterator[Stage]:
    """A client, and a folder for a session of its own."""
    folder.mkdir(parents=True)  # noqa: ASYNC240 - before anything runs
    (folder / "a.txt").write_text("a\n")
    stage = Stage(daemon, kind, folder)
    await stage.connect()
    try:
        yield stage
    finally:
        assert stage.client is not None
        await stage.client.close()


def lingering(home: Path) -> list[str]:
    """Processes that still work in the stage's folder."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            where = os.readlink(entry / "cwd")
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        process = identity(int(entry.name))
        if where.startswith(str(home / "work")) and process is not None and process.alive:
            found.append(words)
    return found


ACP = Kind(
    "acp", "strange", "say:hello_there", "call:execute:touch_made say:after", "hang", "die", False
)
