"""A machine in virtual time: one daemon's life from its start to its crash or orderly end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar

import msgspec

from mato.agents.base import Sink, TakeUp
from mato.agents.native.runtime import NativeAgent
from mato.agents.native.state import State
from mato.bus import Bus
from mato.config.budget import Budget
from mato.daemon import launch
from mato.daemon.launch import Made
from mato.daemon.subscription import Subscription
from mato.daemon.supervisor import Supervisor
from mato.permissions.desk import Policy
from mato.permissions.grants import Standing
from mato.processes import ChildRecords
from mato.protocol.frames import EventFrame
from mato.protocol.methods import Subscribe
from mato.testing.invariants import Acked
from mato.testing.virtual_time import VirtualClock
from mato.tools.spawn import Spawner
from mato_sessions.catalog import AgentSummary
from mato_sessions.codec import unpack
from mato_sessions.events import AgentSpawned, Body, Draft, Event, SessionOpened, ToolStarted
from mato_sessions.events.agent import LaunchSpec, Limits
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from mato_sessions.transcript import Transcript
from tests.faults.virtual_disk import Disk
from tests.faults.world import SECRET, MoodyModel, Toolbox, World

T = TypeVar("T")

SESSION = "s-simulated"
_DYING_S = 60.0
_FRAMES = msgspec.msgpack.Decoder(EventFrame)


class Lost(Exception):
    """The machine went before it answered."""


class Variant:
    """How agents are made. Negative controls override one of these, wrongly."""

    world: type[World] = World

    def sink(self, sink: Sink, world: World) -> Sink:
        """Where an agent's facts go."""
        return sink

    def history(self, events: Sequence[Event]) -> list[Event]:
        """What an agent is told of the journal when it is taken up."""
        return list(events)


class Moment(msgspec.Struct):
    """When a machine is to go: while the journal is given the `nth` fact of that kind."""

    kind: str
    nth: int
    operations: int
    """Of the disk, from then on; few of them, so that some come before the commit."""

    def comes(self, bodies: Sequence[Body]) -> bool:
        """Whether it is now."""
        here = sum(body.kind == self.kind for body in bodies)
        self.nth -= here
        return here > 0 and 0 >= self.nth > -here


class Outside(Protocol):
    """What outlives machines: the file, the world, the time, and what people have seen."""

    journal: Path
    variant: Variant
    world: World
    clock: VirtualClock
    ids: Ids
    agents: list[str]
    acked: list[Acked]
    seen: list[Acked]
    transcripts: dict[str, bytes]
    clean: bool | None
    wrong: list[str]
    crashes: int

    @property
    def reached(self) -> int: ...

    def chance(self, of: str) -> Random: ...

    def serves(self) -> None: ...


class Machine:
    """A machine from its start to its end, with one daemon and one client on it.

    `resumes` False: what was open stays paused until somebody lets it go on.
    """

    def __init__(
        self, of: Outside, disk: Disk, moment: Moment | None, *, resumes: bool = True
    ) -> None:
        self._moment = moment
        self._resumes = resumes
        self._of = of
        self.disk = disk
        self.ready = False
        self.agents: Supervisor
        self.models = MoodyModel(of.chance(f"model {of.crashes}"))
        self.toolbox = contextlib.nullcontext()
        self.clock = of.clock
        self._stopping = asyncio.Event()
        self._requests: dict[asyncio.Task[Any], None] = {}
        self._living: dict[str, NativeAgent] = {}
        self._journal: Journal
        self._bus: Bus
        self._transcripts = {agent: Transcript(agent) for agent in of.agents}
        for agent, data in of.transcripts.items():
            self._transcripts[agent].restore(data)
        self.work = asyncio.create_task(self._run())

    async def _run(self) -> None:
        of = self._of
        self._redactor = Redactor()
        self._redactor.hold(SECRET)
        # A crash in the middle of the opening, as of the stop, may fall on both sides of its mark.
        clean, of.clean = of.clean, None
        async with Journal.open(
            of.journal, clock=of.clock, redactor=self._redactor, make=self.disk.connection
        ) as self._journal:
            if clean is not None and clean == self._journal.unclean:
                of.wrong.append(f"the journal says unclean: {self._journal.unclean}")
            of.clean = False
            self._bus = Bus(self._journal.position)
            records = ChildRecords(of.journal.parent / "children", self._journal.epoch)
            async with Supervisor.open(
                self._journal, self._bus, records, self, resumes=self._resumes
            ) as self.agents:
                if self.agents.roster.catalog.session(SESSION) is None:
                    await self.agents.record(*self._opening())
                async with asyncio.TaskGroup() as client:
                    request = Subscribe(sessions={SESSION: of.reached})
                    subscription = Subscription(self._journal, self._bus, request, self._show)
                    watching = client.create_task(subscription.run())
                    self.ready = True
                    of.serves()
                    await self._stopping.wait()
                    chance = of.chance(f"stop {of.crashes}")
                    if chance.random() < 0.3:
                        await self.agents.drain(chance.uniform(0, 30))
                    await self.agents.suspend()
                    of.clean = None
                    # The only session, so its seq is the position. Time costs nothing here.
                    while of.reached < self._journal.position:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                    watching.cancel()

    def _opening(self) -> list[Draft]:
        chance = self._of.chance("opening")
        opened = SessionOpened(name="s", cwd="/", mode="ask", trusted=False, mato="0")
        drafts = [Draft(session=SESSION, body=opened)]
        for agent in self._of.agents:
            spec = LaunchSpec(
                "coder",
                "moody",
                mode=chance.choice(("ask", "edit", "full")),
                limits=Limits(model_calls=8, wall_s=chance.choice((None, 900.0))),
            )
            body = AgentSpawned(name=agent, agent_kind="native", spec=spec)
            drafts.append(Draft(session=SESSION, agent=agent, body=body))
        return drafts

    # ---------------------------------------------------------------- a launcher to the supervisor

    async def make(
        self,
        journal: Journal,
        sink: Sink,
        env: Callable[[], Mapping[str, str]],
        take_up: TakeUp,
        standing: Callable[[], Standing],
        spawner: Callable[[LaunchSpec], Spawner],
    ) -> Made:
        """See `mato.daemon.launch.Launcher.make`."""
        of = self._of
        spawned, history = await launch._history(journal, SESSION, sink.agent)
        agent = NativeAgent(
            spawned.spec,
            Notary(of.variant.sink(sink, of.world), self),
            self.models,
            Toolbox(of.world),
            of.world,
            of.clock,
            of.ids,
            env,
            self._redactor,
            history=of.variant.history(history),
            take_up=take_up,
            policy=Policy(standing=standing),
        )
        self._living[sink.agent] = agent
        return Made(agent, lambda: None)

    def missing(self, source: str, env: Mapping[str, str]) -> str:
        """See `Launcher.missing`."""
        return ""

    async def budget(self) -> Budget:
        """See `Launcher.budget`."""
        return Budget()

    def hold_secrets(self, env: Mapping[str, str]) -> None:
        """See `Launcher.hold_secrets`."""

    # ---------------------------------------------------------------- what people see and ask

    def given(self, bodies: Sequence[Body]) -> None:
        """An agent gives these to the journal."""
        if self._moment is not None and self._moment.comes(bodies):
            self.disk.goes_within(self._moment.operations)

    def note(self, events: Sequence[Event]) -> None:
        """An agent was told that these are on disk."""
        if self.disk.gone.is_set():
            return
        for event in events:
            self._of.acked.append(Acked.of(event))
            if isinstance(event.body, ToolStarted):
                self._of.world.started[event.body.call] = event.body.attempt

    async def _show(self, frame: bytes) -> None:
        await asyncio.sleep(0.001)
        if self.disk.gone.is_set():
            return
        for raw in _FRAMES.decode(frame).events:
            event = unpack(raw)
            self._of.seen.append(Acked.of(event))
            if event.agent is not None:
                self._transcripts[event.agent].apply(event)

    async def answer(self, question: Coroutine[Any, Any, T]) -> T:
        """What comes of a request.

        Raises:
            Lost: the machine went first.
        """
        task = asyncio.create_task(question)
        self._requests[task] = None
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            del self._requests[task]
        if task.cancelled() or self.disk.gone.is_set():
            raise Lost
        return task.result()

    async def each(self, agent: str, question: Callable[[Any], Awaitable[T]]) -> T:
        """What an agent answers."""
        return await self.agents.branch(SESSION, agent).ask(question)

    def agent(self, agent: str) -> AgentSummary:
        """An agent as listings show it."""
        found = self.agents.roster.catalog.agent(agent)
        assert found is not None
        return found[1]

    async def decide(self, chance: Random) -> None:
        """Answer one of the calls that wait, or let what is paused go on."""
        pending = self.agents.roster.catalog.pending()
        if chance.random() < 0.1 or not pending:
            session = self.agents.roster.catalog.session(SESSION)
            assert session is not None
            await self.agents.resume(session, session.agents)
            return
        call = chance.choice(pending)
        decision = chance.choice(call.decisions) if call.question == "recovery" else None
        allowed = decision == "again" if decision else chance.random() < 0.8
        await self.each(call.agent, lambda it: it.answer(call.call, allowed, "by chance", decision))

    def open_work(self) -> list[str]:
        """What is not over."""
        if not self.ready:
            return ["the daemon is not up"]
        session = self.agents.roster.catalog.session(SESSION)
        assert session is not None
        return [
            f"{agent.id} is {agent.state} ({agent.evidence})"
            for agent in session.agents
            if agent.turn or agent.queued or agent.state in ("starting", "working", "blocked")
        ]

    def states(self) -> dict[str, bytes]:
        """What is in memory, by name."""
        names = {"catalog": self.agents.roster.catalog.snapshot()}
        for agent, living in self._living.items():
            names[f"runtime {agent}"] = known(living._state)
        for agent, transcript in self._transcripts.items():
            names[f"transcript {agent}"] = transcript.snapshot()
        return names

    # ---------------------------------------------------------------- the end

    async def stop(self) -> None:
        """End in good order, unless the machine goes meanwhile."""
        self._stopping.set()
        going = asyncio.create_task(self.disk.gone.wait())
        await asyncio.wait(
            [self.work, going], timeout=_DYING_S, return_when=asyncio.FIRST_COMPLETED
        )
        going.cancel()

    async def die(self) -> None:
        """Lose everything that is in memory; what still runs on its way out changes nothing."""
        tasks = [self.work, *self._requests]
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=_DYING_S)
        if left:
            self._of.wrong.append(f"would not end: {left}")
        error = None if self.work.cancelled() else self.work.exception()
        if error is not None and not self.disk.gone.is_set():
            raise error
        if not self.disk.gone.is_set():
            self._of.clean = True
        for agent, transcript in self._transcripts.items():
            self._of.transcripts[agent] = transcript.snapshot()


class Notary:
    """Notes what an agent is told to be on disk; see `mato.agents.base.Sink`."""

    def __init__(self, sink: Sink, machine: Machine) -> None:
        self._sink = sink
        self._machine = machine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        self._machine.given(bodies)
        events = await self._sink.record(*bodies, turn=turn, cause=cause)
        self._machine.note(events)
        return events


def known(state: State) -> bytes:
    """What a runtime knows, without marks of what it is about to do."""
    known = (
        state.mode,
        state.thread,
        state.turn is None,
        state.queue,
        state.recorded,
        state.exited,
    )
    return msgspec.msgpack.encode(known)
