"""Sessions at work in a real daemon that is killed at any instant, and what was seen of them.

The effect log is a file to which the models' shell commands append their MATO_CALL; it is written
by those commands alone, so it says what happened, whatever the journal says.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from random import Random

import msgspec

from mato.client.connection import Client
from mato.processes import MARKER
from mato.protocol import methods as m
from mato.testing.daemon import Daemon
from mato.testing.invariants import Acked, Effect, Evidence
from mato_sessions.catalog import Catalog, PendingCall, SessionSummary
from mato_sessions.codec import unpack
from mato_sessions.errors import DaemonError, MatoError
from mato_sessions.events import (
    AgentStateChanged,
    Event,
    PermissionAsked,
    ToolProposed,
    TurnEnded,
    TurnPrompted,
)
from mato_sessions.projection import fold
from mato_sessions.rows import COLUMNS, as_event

AGENTS = ("one", "two")
KINDS_OF_TASKS = 4
LATEST_S = 1.5
"""A kill comes no later than that after the beginning of its daemon's work."""
ROUND_S = 60.0
"""Longer than everything between two kills may take on a busy machine."""


def script(chance: Random, log: Path, left: str, *, spawns: bool = False) -> str:
    """A scripted model's tasks (`task 0 of one` …): reads, writes, edits and commands by chance.

    Some commands leave a process `sleep LEFT` behind. With `spawns` answers to these also start
    agents, for errands (`errand 0 of one` …) of the same sort.
    """
    answers: list[dict[str, object]] = []
    kinds = ("task", "errand") if spawns else ("task",)
    for kind, task in itertools.product(kinds, range(KINDS_OF_TASKS)):
        for agent in AGENTS:
            when, results = f"{kind} {task} of {agent}", 0
            for _ in range(chance.randrange(1, 4)):
                calls = _calls(chance, f"{agent}-{kind}.txt", log, left)
                if spawns and kind == "task":
                    calls += [_spawning(chance, agent) for _ in range(chance.randrange(3))]
                text = "I look and act. " * chance.randrange(1, 4)
                answers.append({"when": when, "after": results, "text": text, "calls": calls})
                results += len(calls)
            answers.append({"when": when, "after": results, "text": "That is all."})
    return json.dumps({"tokens_per_second": 400, "answer": answers})


def _calls(chance: Random, file: str, log: Path, left: str) -> list[dict[str, object]]:
    content = "one\ntwo\n" + "x" * chance.randrange(200)
    kinds: tuple[Callable[[], dict[str, object]], ...] = (
        lambda: {"name": "list", "arguments": {"path": "."}},
        lambda: {"name": "write", "arguments": {"path": file, "content": content}},
        lambda: {
            "name": "edit",
            "arguments": {"path": file, "old_text": "two", "new_text": "three"},
        },
        lambda: {"name": "read", "arguments": {"path": file}},
        lambda: {"name": "shell", "arguments": {"command": _command(chance, log, left)}},
    )
    weights = (1, 2, 2, 1, 6)
    return [kind() for kind in chance.choices(kinds, weights, k=chance.randrange(1, 4))]


def _spawning(chance: Random, agent: str) -> dict[str, object]:
    task = f"errand {chance.randrange(KINDS_OF_TASKS)} of {agent}"
    return {"name": "spawn", "arguments": {"agent": "coder", "task": task}}


def _command(chance: Random, log: Path, left: str) -> str:
    before = chance.choice(("", "sleep 0.03; ", f"setsid sleep {left} & "))
    return f"{before}echo ${MARKER} >> {log}; sleep 0.0{chance.randrange(10)}; echo done"


class Eyes:
    """A client that notes everything it is given, and goes on where it was after each kill."""

    def __init__(self) -> None:
        self.seen: list[Acked] = []
        self.events: list[Event] = []
        self._heads: dict[str, int] = {}
        self._came = asyncio.Event()

    async def look(self, daemon: Daemon, session: str) -> None:
        """Follow a session until the daemon goes."""
        self._heads.setdefault(session, 0)
        with suppress(DaemonError):
            async with await daemon.client("eyes") as client:
                await client.request(m.Subscribe(sessions={session: self._heads[session]}))
                async for frame in client.frames():
                    for raw in frame.events:
                        self._note(unpack(raw))
                    self._came.set()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self.seen.append(Acked.of(event))
        self._heads[event.session] = event.seq

    async def until(self, reached: Callable[[], bool]) -> None:
        """Returns once `reached()` holds; looked at whenever something came."""
        while not reached():
            self._came.clear()
            await self._came.wait()

    def head(self, session: str) -> int:
        """How far it has seen a session."""
        return self._heads.get(session, 0)


class Ordeal:
    """A daemon that is killed again and again, and all the evidence."""

    def __init__(
        self, daemon: Daemon, chance: Random, folder: Path, log: Path, profile: str = ""
    ) -> None:
        self._profile = profile
        self._daemon = daemon
        self._chance = chance
        self._folder = folder
        self._log = log
        self._eyes = {"first": Eyes(), "second": Eyes()}
        self._rounds = 0
        self.kills = 0
        self.prompted: set[str] = set()
        """Turns whose prompt was acknowledged."""
        self._listed: tuple[SessionSummary, ...] = ()
        self._position = 0

    async def round(self) -> None:
        """A session begins its work, the daemon is killed, and the next one ends the work."""
        self._rounds += 1
        (place := self._folder / f"project{self._rounds}").mkdir()
        async with await self._daemon.client() as client:
            wishes = tuple(m.AgentWish(name=name, profile=self._profile) for name in AGENTS)
            new = m.NewSession(cwd=str(place), agents=wishes, mode="full")
            session = (await client.request(new)).session
            async with self._watched(session), asyncio.TaskGroup() as asking:
                for agent in AGENTS:
                    asking.create_task(self._prompt(client, session, agent))
                await self._instant()
                await self._kill()
        await self._daemon.begin()
        while self._chance.random() < 0.25:
            async with self._watched(session):
                await self._instant()
                await self._kill()
            await self._daemon.begin()
        async with self._watched(session), asyncio.timeout(ROUND_S):
            await self._to_the_end(session)

    async def _prompt(self, client: Client, session: str, agent: str) -> None:
        text = f"task {self._chance.randrange(KINDS_OF_TASKS)} of {agent}"
        with suppress(DaemonError):
            prompt = m.Prompt(session=session, agent=agent, text=text)
            self.prompted.add((await client.request(prompt)).turn)

    async def _kill(self) -> None:
        self.kills += 1
        await self._daemon.kill()

    async def _instant(self) -> None:
        """Any instant of the work: after so many events or so much time, and a little later."""
        eyes = self._eyes["first"]
        enough = len(eyes.events) + self._chance.randrange(1, 70)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, LATEST_S)):
                await eyes.until(lambda: len(eyes.events) >= enough)
        await asyncio.sleep(self._chance.random() * 0.03)

    @asynccontextmanager
    async def _watched(self, session: str) -> AsyncGenerator[None]:
        """Both clients follow the session, until the daemon goes or this is left."""
        async with asyncio.TaskGroup() as watching:
            tasks = [
                watching.create_task(eyes.look(self._daemon, session))
                for eyes in self._eyes.values()
            ]
            yield
            for task in tasks:
                task.cancel()

    async def _to_the_end(self, session: str) -> None:
        """Answer what waits until every turn has ended and both clients have seen that."""
        async with await self._daemon.client() as client, asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer(client))
            wait = m.Wait(session=session, until="ended", timeout_s=ROUND_S)
            await client.request(wait)
            answering.cancel()
            head = (await client.request(m.Events(session=session, limit=1))).head
            for eyes in self._eyes.values():
                await eyes.until(lambda eyes=eyes: eyes.head(session) >= head)
            listing = await client.request(m.ListSessions())
            self._listed, self._position = listing.sessions, listing.position

    async def _answer(self, client: Client) -> None:
        """Decide what waits whenever somebody is asked; let go on what went in circles."""
        eyes = self._eyes["first"]
        answered = 0

        def asked_since() -> bool:
            return any(_is_for_people(each) for each in eyes.events[answered:])

        while True:
            answered = len(eyes.events)
            for call in (await client.request(m.Inbox())).calls:
                with suppress(MatoError):  # the other question's answer may have ended its turn
                    await client.request(self._decision(call))
            await client.request(m.Resume())
            await eyes.until(asked_since)

    def _decision(self, call: PendingCall) -> m.Answer:
        """What somebody says to a call that waits; mostly to one that a kill cut off."""
        decision = self._chance.choice(call.decisions) if call.question == "recovery" else None
        allowed = decision == "again" if decision else self._chance.random() < 0.7
        return m.Answer(call=call.call, allowed=allowed, rule="by chance", decision=decision)

    # ---------------------------------------------------------------- evidence

    def evidence(self) -> Evidence:
        """What was seen from outside. The daemon has ended."""
        events = self.events()
        keys = {
            event.body.call: event.body.key
            for event in events
            if isinstance(event.body, ToolProposed)
        }
        effects: list[Effect] = []
        attempts: Counter[str] = Counter()
        for call in self._log.read_text().split() if self._log.exists() else ():
            attempts[call] += 1
            effects.append(Effect(call, keys.get(call, call), attempts[call]))
        known = [event for event in events if event.position <= self._position]
        return Evidence(
            journal=self._daemon.paths.journal,
            acked=self._eyes["first"].seen,
            effects=effects,
            seen={name: eyes.seen for name, eyes in self._eyes.items()},
            resumed={"listing": msgspec.msgpack.encode(self._listed)},
            replayed={"listing": msgspec.msgpack.encode(tuple(fold(Catalog(), known).sessions()))},
        )

    def events(self) -> list[Event]:
        """The whole journal, position ascending."""
        with closing(sqlite3.connect(self._daemon.paths.journal)) as connection:
            return [as_event(row) for row in connection.execute(f"{COLUMNS} ORDER BY e.position")]

    def open_turns(self) -> list[str]:
        """What was acknowledged or begun and has no end."""
        events = self.events()
        started = {event.turn for event in events if isinstance(event.body, TurnPrompted)}
        ended = [event.turn for event in events if isinstance(event.body, TurnEnded)]
        lost = [f"prompt {turn} was acknowledged and is not there" for turn in
                sorted(self.prompted - started)]  # fmt: skip
        return lost + [f"turn {turn} ended {ended.count(turn)} times" for turn in
                       sorted(started, key=str) if ended.count(turn) != 1]  # fmt: skip


def _is_for_people(event: Event) -> bool:
    """Whether somebody is asked, or a turn is paused because it goes in circles."""
    body = event.body
    paused = isinstance(body, AgentStateChanged) and body.evidence.startswith("paused: ")
    return paused or isinstance(body, PermissionAsked)


def living(home: Path, left: str) -> list[str]:
    """Processes of a daemon with that home, and of what its commands left behind."""
    mine = f"MATO_HOME={home}".encode()
    found: list[str] = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0")
            variables = (place / "environ").read_bytes().split(b"\0")
            if int(place.name) != os.getpid() and (
                mine in variables or words[:2] == [b"sleep", left.encode()]
            ):
                found.append(f"{place.name} {b' '.join(words).decode(errors='replace')}")
    return found
