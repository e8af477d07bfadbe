"""One simulated history: agents, people, a moody world and a machine that crashes, all from a seed.

Real are the step machine, the runtime, the supervisor, the bus, a client's subscription, the
journal with its writer, and all folds. Simulated are time, the disk, models, tools and people.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import reduce
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from mato.agents.native.state import State
from mato.agents.native.state import fold as refold
from mato.models.base import ModelChoice
from mato.testing.invariants import Acked, Evidence, check
from mato.testing.virtual_time import VirtualClock, VirtualLoop
from mato_sessions.catalog import Catalog
from mato_sessions.errors import MatoError
from mato_sessions.events import (
    AgentSpawned,
    AgentStateChanged,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    ToolFailed,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
)
from mato_sessions.ids import Ids
from mato_sessions.projection import fold
from mato_sessions.rows import COLUMNS, as_event
from mato_sessions.transcript import Transcript
from tests.faults.machine import SESSION, Lost, Machine, Moment, Variant, known
from tests.faults.virtual_disk import Disk
from tests.faults.world import MISTAKE

T = TypeVar("T")

MOMENTS = (
    "turn.prompted", "model.asked", "text.streamed", "model.answered", "tool.proposed",
    "permission.asked", "permission.answered", "tool.started", "tool.started",
    "file.checkpointed", "tool.finished", "tool.failed", "tool.unknown", "turn.ended",
)  # fmt: skip
"""Facts at which machines like to go."""
BUSY_S = 240.0
"""How long people are about, virtually; afterwards somebody only answers what waits."""
PATIENCE_S = 6 * 3600.0
"""After so long whatever is not over will never be."""


def _replay(events: Sequence[Event]) -> State:
    """What a runtime would know that was taken up from these events of its agent."""
    mode = next(event.body.spec.mode for event in events if isinstance(event.body, AgentSpawned))
    return reduce(refold, events, State(ModelChoice("moody"), mode))


class Simulation:
    """A history. `play` it on a `VirtualLoop`, then ask what was wrong with it."""

    def __init__(self, seed: int, folder: Path, loop: VirtualLoop, variant: Variant) -> None:
        self.seed = seed
        self.journal = folder / "journal.db"
        self.variant = variant
        self.world = variant.world(self.chance("world"))
        self.clock = VirtualClock(loop)
        self.ids = Ids(self.clock.wall_us, self.chance("ids").randbytes)
        self.acked: list[Acked] = []
        self.seen: list[Acked] = []
        self.prompted: set[str] = set()
        """Turns of prompts that were acknowledged."""
        self.transcripts: dict[str, bytes] = {}
        """What the client had made of each agent's events when its daemon went."""
        self.clean: bool | None = None
        """Whether the daemon before ended in good order; None: that cannot be told, or none did."""
        self.wrong: list[str] = []
        self.crashes = 0
        self.agents = [f"a-{number}" for number in range(self.chance("size").randrange(1, 4))]
        self.resumed: dict[str, bytes] = {}
        """What the last daemon had in memory at its end."""
        self._machine: Machine | None = None
        self._up = asyncio.Event()

    def chance(self, of: str) -> Random:
        """Luck of its own for each part, so that one does not disturb another."""
        return Random(f"{self.seed}/{of}")

    # ---------------------------------------------------------------- the machine's lives

    async def play(self) -> None:
        """Live through everything, crashes and all, until nothing is open any more."""
        chance = self.chance("crashes")
        async with asyncio.TaskGroup() as people:
            answering = people.create_task(self._answer())
            busy = [people.create_task(self._prompt(agent)) for agent in self.agents]
            busy.append(people.create_task(self._meddle()))
            for _ in range(chance.randrange(5)):
                await self._live(chance)
            machine = self._boot()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.wait(busy)
                    while not machine.work.done() and machine.open_work():  # noqa: ASYNC110
                        await asyncio.sleep(1)
            except TimeoutError:
                self.wrong.append(f"not over after {PATIENCE_S} s: {machine.open_work()}")
            await self._down(machine, orderly=True)
            answering.cancel()
        self.resumed |= machine.states()

    def _boot(self, ends_at: int | None = None, moment: Moment | None = None) -> Machine:
        resumes = self.chance(f"boot {self.crashes}").random() < 0.85
        disk = Disk(self.chance(f"disk {self.crashes}"), ends_at)
        machine = Machine(self, disk, moment, resumes=resumes)
        self.world.gone = machine.disk.gone.is_set
        self._machine = machine
        return machine

    async def _live(self, chance: Random) -> None:
        """A daemon's life to a crash at any moment, or to an orderly end."""
        pick = chance.random()
        within_s = BUSY_S / 2
        if pick < 0.25:
            machine = self._boot(ends_at=1 + int(chance.expovariate(1 / 100)))
        elif pick < 0.65:
            kind, nth = chance.choice(MOMENTS), chance.randrange(1, 4)
            machine = self._boot(moment=Moment(kind, nth, chance.randrange(1, 10)))
        else:
            machine = self._boot()
            within_s = chance.uniform(0, BUSY_S / 2)
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await machine.disk.gone.wait()
        await self._down(machine, orderly=chance.random() < 0.3)
        if chance.random() < 0.3:
            self.clock.reboot()
        if chance.random() < 0.5:
            self.clock.jump(int(chance.uniform(-7200, 7200) * 1_000_000))
        await asyncio.sleep(chance.uniform(0, 5))

    async def _down(self, machine: Machine, orderly: bool) -> None:
        self._machine = None
        self._up.clear()
        self.crashes += 1
        if orderly:
            await machine.stop()
        if not machine.work.done():
            machine.disk.go()
        await machine.die()

    @property
    def reached(self) -> int:
        """How far the client has seen the session; as it is the only one, also its position."""
        return self.seen[-1].seq if self.seen else 0

    def serves(self) -> None:
        """The machine can be asked."""
        self._up.set()

    async def _ask(self, question: Callable[[Machine], Coroutine[Any, Any, T]]) -> T:
        """What the daemon that runs now (or next) answers.

        Raises:
            Lost: it went first. Whether it did what was asked nobody knows.
            MatoError: its answer.
        """
        while (machine := self._machine) is None or not machine.ready:
            self._up.clear()
            await self._up.wait()
        return await machine.answer(question(machine))

    # ---------------------------------------------------------------- people

    async def _prompt(self, agent: str) -> None:
        chance = self.chance(f"prompts {agent}")

        async def one(text: str) -> None:
            with suppress(Lost, MatoError):
                turn = await self._ask(lambda it: it.agents.prompt(SESSION, agent, text))
                self.prompted.add(turn)

        async with asyncio.TaskGroup() as sent:
            for number in range(chance.randrange(1, 6)):
                await asyncio.sleep(chance.uniform(0, BUSY_S / 3))
                sent.create_task(one(f"{agent}, do the {number}th thing"))

    async def _answer(self) -> None:
        chance = self.chance("answers")
        while True:
            await asyncio.sleep(chance.expovariate(1 / 8))
            with suppress(Lost, MatoError):
                await self._ask(lambda it: it.decide(chance))

    async def _meddle(self) -> None:
        """Stops, other modes, looks."""
        chance = self.chance("meddling")
        until = asyncio.get_running_loop().time() + BUSY_S
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(chance.expovariate(1 / 20))
            agent = chance.choice(self.agents)
            pick = chance.random()
            with suppress(Lost, MatoError):
                if pick < 0.2:
                    await self._ask(lambda it, of=agent: it.agents.stop([it.agent(of)]))
                elif pick < 0.6:
                    mode = chance.choice(("read", "ask", "edit", "full"))
                    await self._ask(lambda it, of=agent, to=mode: it.each(
                        of, lambda living: living.reconfigure(None, to)
                    ))  # fmt: skip
                else:
                    await self._ask(lambda it, of=agent: it.each(of, lambda each: each.looked()))
            if chance.random() < 0.2:
                self.clock.jump(int(chance.uniform(-7200, 7200) * 1_000_000))

    # ---------------------------------------------------------------- the end

    def hear(self, context: Mapping[str, Any]) -> None:
        """Take what the loop reports: futures of machines that have gone, or a fault."""
        error = context.get("exception")
        if error is not None and not isinstance(error, MatoError | sqlite3.Error | OSError):
            self.wrong.append(f"{context['message']}: {error!r}")

    def judge(self) -> list[str]:
        """Everything that was wrong; empty: the history was good."""
        events = self.events()
        replayed: dict[str, bytes] = {"catalog": fold(Catalog(), events).snapshot()}
        for agent in self.agents:
            mine = [event for event in events if event.agent == agent]
            replayed[f"transcript {agent}"] = fold(Transcript(agent), mine).snapshot()
            if f"runtime {agent}" in self.resumed:
                replayed[f"runtime {agent}"] = known(_replay(mine))
        evidence = Evidence(
            journal=self.journal,
            acked=self.acked,
            effects=self.world.effects,
            seen={"client": self.seen},
            resumed=self.resumed,
            replayed=replayed,
        )
        return [*self.wrong, *check(evidence), *self._turns(events), *_faults(events)]

    def _turns(self, events: Sequence[Event]) -> list[str]:
        wrong: list[str] = []
        started = [event.turn for event in events if isinstance(event.body, TurnPrompted)]
        ended = [event.turn for event in events if isinstance(event.body, TurnEnded)]
        queued = {event.turn for event in events if isinstance(event.body, TurnQueued)}
        returned = {event.turn for event in events if isinstance(event.body, TurnReturned)}
        if sorted(started) != sorted(ended):
            wrong.append(f"turns that started {started} and that ended {ended} differ")
        if lost := self.prompted - set(started):
            wrong.append(f"prompts were acknowledged and never started: {sorted(lost)}")
        if lost := queued - set(started) - returned:
            wrong.append(f"queued prompts neither started nor came back: {sorted(lost)}")
        return wrong

    def events(self) -> list[Event]:
        """The whole journal, position ascending."""
        with closing(sqlite3.connect(self.journal)) as connection:
            rows = connection.execute(f"{COLUMNS} ORDER BY e.position")
            return [as_event(row) for row in rows]


def _faults(events: Iterable[Event]) -> Iterator[str]:
    """Requests asked once too often, and failures that no part of the world had in mind."""
    asked: set[tuple[str, int]] = set()
    answered: set[str] = set()
    for event in events:
        match event.body:
            case ModelAsked(request=request, attempt=attempt):
                if request in answered or (request, attempt) in asked:
                    yield f"the request {request} was asked again in attempt {attempt}"
                asked.add((request, attempt))
            case ModelAnswered(request=request):
                answered.add(request)
            case ToolFailed(message=said) if "failed inside" in said and MISTAKE not in said:
                yield f"a tool of the simulation is broken: {said}"
            case AgentStateChanged(evidence=said) if "itself failed" in said:
                yield f"an agent failed by itself: {said}"
            case ModelFailed(message=said) if "client failed" in said:
                yield f"the model of the simulation is broken: {said}"
            case _:
                pass


def simulate(seed: int, folder: Path, variant: Variant | None = None) -> Simulation:
    """Play the history of a seed in an empty folder."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        simulation = Simulation(seed, folder, loop, variant or Variant())
        loop.set_exception_handler(lambda _, context: simulation.hear(context))
        loop.run_until_complete(simulation.play())
        loop.run_until_complete(loop.shutdown_asyncgens())
        return simulation
    finally:
        if left := asyncio.all_tasks(loop):  # it failed: its own error is told, not their loss
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=PATIENCE_S))
        asyncio.set_event_loop(None)
        loop.close()
