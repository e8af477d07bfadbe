"""A native agent on a real journal, with all that it is given by a daemon, but in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from mato.agents.base import Given, Sink
from mato.agents.factory import native
from mato.agents.native.runtime import NativeAgent
from mato.bus import Bus
from mato.daemon.sink import AgentSink
from mato.models.sources import Models
from mato.permissions.desk import Policy
from mato.processes import ChildRecords
from mato.testing.invariants import Acked, Effect, Evidence
from mato.tools.registry import NAMES, Registry
from mato.tools.workspace import Workspace
from mato_sessions.clock import SystemClock
from mato_sessions.events import AgentSpawned, Body, Draft, Event, SessionOpened
from mato_sessions.events.agent import LaunchSpec, Limits
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import TextBlock
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.pieces import Piece
from mato_sessions.projection import fold
from mato_sessions.redact import Redactor
from mato_sessions.transcript import Transcript

SESSION = "s-stage"
AGENT = "a-stage"


class Stage:
    """What an agent does, as it is acknowledged, shown and journaled. Made by `on_stage`."""

    def __init__(self, journal: Path, folder: Path) -> None:
        self.journal = journal
        self.folder = folder
        """The workspace."""
        self.agent: NativeAgent
        self.acked: list[Acked] = []
        self.events: list[Event] = []
        """As the journal published them."""
        self.shown = Transcript(AGENT)
        """As a person sees it who has watched from the beginning, live pieces included."""
        self._changed = asyncio.Event()

    def publish(self, *events: Event) -> None:
        """Take in committed events."""
        for event in events:
            self.events.append(event)
            self.shown.apply(event)
        self._changed.set()

    def piece(self, piece: Piece) -> None:
        """Take in a live piece."""
        self.shown.delta(piece)
        self._changed.set()

    def bodies(self, kind: str) -> list[Body]:
        """The bodies of that kind so far, oldest first."""
        return [event.body for event in self.events if event.kind == kind]

    async def until(self, reached: Callable[[], bool]) -> None:
        """Returns once that holds; looked at after each event and piece."""
        while not reached():
            self._changed.clear()
            await self._changed.wait()

    async def wait_for(self, kind: str, count: int = 1) -> Body:
        """The `count`-th body of that kind, as soon as it is journaled."""
        await self.until(lambda: len(self.bodies(kind)) >= count)
        return self.bodies(kind)[count - 1]

    async def turn(self, text: str) -> str:
        """Prompt, and wait for the end; gives the stop reason."""
        count = len(self.bodies("turn.ended"))
        await self.agent.prompt([TextBlock(text)])
        return getattr(await self.wait_for("turn.ended", count + 1), "reason", "")

    def evidence(self, *effects: Effect) -> Evidence:
        """For the one checker; also that what was shown is what can be replayed."""
        return Evidence(
            journal=self.journal,
            acked=self.acked,
            effects=effects,
            seen={"stage": [Acked.of(event) for event in self.events]},
            resumed={AGENT: _canonical(self.shown)},
            replayed={AGENT: _canonical(fold(Transcript(AGENT), self.events))},
        )


def _canonical(transcript: Transcript) -> bytes:
    """Its entries, without how often each was drawn."""
    return msgspec.json.encode([replace(entry, revision=0) for entry in transcript.entries])


class _Kept(AgentSink):
    """The daemon's sink, which tells the stage what was acknowledged and what was shown."""

    def __init__(self, stage: Stage, journal: Journal, bus: Bus, records: ChildRecords) -> None:
        super().__init__(SESSION, AGENT, journal, bus, records)
        self._stage = stage

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        events = await super().record(*bodies, turn=turn, cause=cause)
        self._stage.acked += [Acked.of(event) for event in events]
        return events

    def piece(self, piece: Piece) -> None:
        super().piece(piece)
        self._stage.piece(piece)


@asynccontextmanager
async def on_stage(
    home: Path,
    models: Models,
    *,
    mode: Mode = "full",
    limits: Limits | None = None,
    broken: Callable[[Sink], Sink] = lambda sink: sink,
) -> AsyncGenerator[Stage]:
    """An agent that lives, closed afterwards. `broken` puts something between it and its sink."""
    folder = home / "project"
    folder.mkdir(parents=True, exist_ok=True)
    clock, redactor = SystemClock(), Redactor()
    spec = LaunchSpec("coder", "scripted:x", mode=mode, cwd=str(folder), limits=limits or Limits())
    stage = Stage(home / "journal.sqlite3", folder)
    opened = SessionOpened(name="stage", cwd=str(folder), mode=mode, trusted=False, mato="test")
    spawned = AgentSpawned(name="coder", agent_kind="native", spec=spec)
    async with Journal.open(stage.journal, clock=clock, redactor=redactor) as journal:
        journal.listen(lambda events: stage.publish(*events))
        bus = Bus(journal.position)
        journal.listen(bus.publish)
        sink = _Kept(stage, journal, bus, ChildRecords(home / "children", journal.epoch))
        await journal.append([Draft(session=SESSION, body=opened)])
        await sink.record(spawned)
        with Workspace(folder) as workspace:
            given = Given(
                sink=broken(sink),
                workspace=workspace,
                registry=Registry(NAMES),
                policy=Policy(),
                clock=clock,
                ids=Ids(clock.wall_us),
                redactor=redactor,
                env=lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin"},
            )
            agent = stage.agent = native(spec, given, models)
            async with asyncio.TaskGroup() as group:
                group.create_task(agent.run())
                try:
                    yield stage
                finally:
                    await agent.close("the test is over")
