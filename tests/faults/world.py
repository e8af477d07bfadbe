"""The world around simulated agents: tools whose effects are remembered, and a moody model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    Fault,
    Finish,
    FinishChunk,
    ModelChoice,
    ModelFault,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
    ToolSchema,
    Usage,
    WaitChunk,
)
from mato.testing.invariants import Effect
from mato.tools.base import Surroundings, Tool, ToolError, ToolResult
from mato.tools.registry import Registry, flat_schema
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import PlanItem, PlanUpdated, RecoveryPolicy

SECRET = "kagi-9f31c2a4d7b05e68"
"""A value that is kept out of the journal; some calls have it among their arguments."""

MISTAKE = "a mistake of the tool's own"
"""What a tool raises now and then that it should not."""


class World:
    """What outlives every crash: places, and the effects that tools had, in the order they began.

    What a cancelled tool still does on its way out, when its machine has gone, never happened.
    """

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.effects: list[Effect] = []
        self.started: dict[str, int] = {}
        """Call → its newest attempt whose start was said to be on disk."""
        self.places: dict[str, bytes] = {}
        self.gone: Callable[[], bool] = lambda: False
        """Whether the machine that would act now has gone."""

    def begin(self, call: str) -> None:
        """The effect of a call begins."""
        if self.gone():
            raise asyncio.CancelledError
        self.effects.append(Effect(call, call, self.started.get(call, 0)))

    def put(self, place: str, content: bytes) -> None:
        """Change a place, at once and whole."""
        if self.gone():
            raise asyncio.CancelledError
        self.places[place] = content

    def duration_s(self) -> float:
        """How long something takes: mostly short, now and then very long."""
        pick = self.chance.random()
        return 0.0 if pick < 0.2 else pick if pick < 0.9 else self.chance.uniform(5, 300)


class Errand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    place: Annotated[str, Meta(min_length=1, description="What it is about.")]
    note: Annotated[str, Meta(description="Anything.")] = ""


class SimulatedTool:
    """A tool of the world; see `mato.tools.base.Tool`."""

    name: ClassVar[str]
    description: ClassVar[str] = "Act on a place of the world."
    Arguments: ClassVar[type[msgspec.Struct]] = Errand
    action: ClassVar[Action]
    policy: ClassVar[RecoveryPolicy]

    def __init__(self, world: World) -> None:
        self._world = world

    def title(self, arguments: Errand) -> str:
        return f"{self.name} {arguments.place}"

    def resource(self, arguments: Errand) -> str:
        return arguments.place

    async def preview(self, arguments: Errand, workspace: Any) -> str:
        await asyncio.sleep(self._world.duration_s() / 10)
        if self._world.chance.random() < 0.05:
            raise ToolError("this cannot be done")
        return f"{self.name} would change {arguments.place}"

    async def run(self, arguments: Errand, around: Surroundings) -> ToolResult:
        world, chance = self._world, self._world.chance
        if self.action == "write":
            before = world.places.get(_place(arguments))
            await around.checkpoint(arguments.place, before, 0o644, arguments.note.encode())
        if self.action == "note":
            await around.record(PlanUpdated(items=(PlanItem(arguments.place, "pending"),)))
        world.begin(around.call)
        for number in range(chance.randrange(4)):
            await asyncio.sleep(world.duration_s() / 4)
            around.emit(f"line {number} of {around.call}\n" * chance.randrange(1, 30))
        await asyncio.sleep(world.duration_s())
        if chance.random() < 0.1:
            raise ToolError("the world did not like it")
        if chance.random() < 0.02:
            raise ValueError(MISTAKE)
        if self.action == "write":
            world.put(_place(arguments), arguments.note.encode())
        content = "done " * (4000 if chance.random() < 0.05 else 3)  # sometimes a blob of its own
        output = await around.blob(content.encode()) if chance.random() < 0.1 else None
        return ToolResult(content=content, summary="done", output=output)


def _place(arguments: Errand) -> str:
    return arguments.place.removeprefix("./")


class Observe(SimulatedTool):
    name, action, policy = "observe", "read", "idempotent"


class Remember(SimulatedTool):
    name, action, policy = "remember", "note", "idempotent"


class Change(SimulatedTool):
    name, action, policy = "change", "write", "probe"

    async def probe(
        self, arguments: Errand, workspace: Any, before: bytes | None
    ) -> ToolResult | Literal["absent", "unclear"]:
        await asyncio.sleep(self._world.duration_s() / 10)
        now = self._world.places.get(_place(arguments))
        if now == before:
            return "absent"
        return ToolResult(content="done") if now == arguments.note.encode() else "unclear"


class Act(SimulatedTool):
    name, action, policy = "act", "execute", "ask"


class Toolbox(Registry):
    """The tools of the world, with the real parsing of arguments."""

    def __init__(self, world: World) -> None:
        self._tools: dict[str, Tool] = {
            kind.name: kind(world) for kind in (Observe, Remember, Change, Act)
        }
        self._schemas = tuple(
            ToolSchema(tool.name, tool.description, flat_schema(tool.Arguments))
            for tool in self._tools.values()
        )


_FAULTS: tuple[Fault, ...] = (
    "rate_limit", "server", "timeout", "cut", "unreachable", "process", "context",
)  # fmt: skip


class MoodyModel:
    """Answers by chance: long and short, with calls good and bad, cut off, stalled, refused."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def get(self, choice: ModelChoice) -> MoodyModel:
        return self

    async def __aenter__(self) -> MoodyModel:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        return None

    async def close(self) -> None:
        """Nothing is held."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        chance = self._chance
        if chance.random() < 0.1:
            yield WaitChunk("queued behind 2")
            await asyncio.sleep(chance.uniform(0, 5))
            yield WaitChunk("")
        chunks = list(self._chunks(request))
        fault = chance.choice(_FAULTS) if chance.random() < 0.12 else None
        stop = chance.randrange(len(chunks)) if fault else len(chunks)
        pause_s = chance.choice((0.0, 0.01, 0.1, 0.7))
        for number, chunk in enumerate(chunks):
            if number == stop:
                break
            await asyncio.sleep(pause_s * chance.random())
            yield chunk
        if fault == "timeout":
            await asyncio.sleep(request.stall_s)
        if fault is not None:
            raise ModelFault(fault, f"by chance: {fault}", chance.choice((None, 0.5, 20.0)))

    def _chunks(self, request: ModelRequest) -> list[Chunk]:
        chance = self._chance
        results = 0
        for message in reversed(request.messages):
            if message.role == "user":
                break
            results += message.role == "tool"
        chunks: list[Chunk] = []
        if chance.random() < 0.3:
            chunks += [ReasoningChunk(f"because {number} ") for number in range(4)]
        length = chance.choice((1, 3, 12)) if chance.random() < 0.95 else 60
        chunks += [TextChunk(f"word{number} " * 20) for number in range(length)]
        calls = chance.randrange(1, 4) if chance.random() > results / 5 else 0
        for index in range(calls):
            chunks += self._call(index)
        finish: Finish = "tool_calls" if calls else "stop"
        if chance.random() < 0.03:
            finish = chance.choice(("length", "refusal"))
        usage = Usage(input=100, output=10 * len(chunks), cost_usd=0.001)
        return [*chunks, FinishChunk(finish, usage)]

    def _call(self, index: int) -> list[Chunk]:
        chance = self._chance
        name = chance.choice(("observe", "remember", "change", "change", "act", "act"))
        place = chance.choice(("north", "south", "./north"))
        raw = msgspec.json.encode({"place": place, "note": f"note {chance.random()}"}).decode()
        mood = chance.random()
        if mood < 0.04:
            raw = raw[:-5]
        elif mood < 0.06:
            name = "imagine"
        elif mood < 0.12:
            raw = msgspec.json.encode({"place": place, "note": SECRET}).decode()
        return [ArgumentsChunk(index, name, raw[at : at + 16]) for at in range(0, len(raw), 16)]
