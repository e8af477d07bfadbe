"""Native agents on a real journal: what is on disk is enough to ask again and to go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from mato.agents.base import Given
from mato.agents.factory import native
from mato.agents.native import conversation
from mato.agents.profile import load
from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    FinishChunk,
    Message,
    ModelChoice,
    ModelRequest,
    TextChunk,
    ToolSchema,
    Usage,
)
from mato.permissions.desk import Policy
from mato.testing.models import OneModel
from mato.tools.registry import Registry
from mato.tools.workspace import Workspace
from mato_sessions.clock import SystemClock
from mato_sessions.events import BlobRef, Body, Draft, Event, ModelAsked, SessionOpened
from mato_sessions.events.agent import Limits
from mato_sessions.events.turn import TextBlock
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.pieces import Piece
from mato_sessions.redact import Redactor

SECRET = "hunter2-hunter2-hunter2"


class JournalSink:
    """The plainest sink on a journal."""

    session = "s-1"
    agent = "a-1"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        return await self._journal.append(
            [
                Draft(session=self.session, body=body, agent=self.agent, turn=turn, cause=cause)
                for body in bodies
            ]
        )

    def piece(self, piece: Piece) -> None:
        assert SECRET not in piece.text

    async def blob(self, data: bytes) -> BlobRef:
        return await self._journal.blob(data)

    async def read_blob(self, ref: BlobRef) -> bytes:
        return await self._journal.read_blob(ref)

    def child_started(self, pid: int | None, purpose: str, marker: str = "") -> Callable[[], None]:
        return lambda: None


class Spy:
    """A model that reads a file, says what it is, and keeps what it was asked."""

    def __init__(self, hang: bool = False) -> None:
        self.requests: list[ModelRequest] = []
        self._hang = hang
        self.hanging = asyncio.Event()

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        if request.messages[-1].role == "user":
            yield TextChunk("I read ")
            if self._hang:
                self.hanging.set()
                await asyncio.Event().wait()
            yield TextChunk("it.")
            yield ArgumentsChunk(0, "read", '{"path": "env"}')
            yield FinishChunk("tool_calls", Usage(input=1, output=1))
        else:
            yield TextChunk(f"It says {SECRET}.")
            yield FinishChunk("stop", Usage(input=1, output=1))

    async def close(self) -> None:
        pass


async def rebuilt(
    journal: Journal, asked: ModelAsked
) -> tuple[str, tuple[ToolSchema, ...], tuple[Message, ...]]:
    """The request as anyone with the journal alone can make it."""
    events = {event.seq: event for event in await journal.events("s-1")}
    system = (await journal.read_blob(asked.system)).decode()
    tools = msgspec.json.decode(await journal.read_blob(asked.tools), type=tuple[ToolSchema, ...])
    return system, tools, conversation.messages(events[seq] for seq in asked.messages)


def noticed(journal: Journal, kind: str, times: int = 1) -> asyncio.Event:
    """Set when so many events of that kind have been journaled from now on."""
    happened = asyncio.Event()
    left = times

    def look(events: Sequence[Event]) -> None:
        nonlocal left
        left -= sum(event.kind == kind for event in events)
        if left <= 0:
            happened.set()

    journal.listen(look)
    return happened


async def live(
    journal: Journal,
    redactor: Redactor,
    folder: Path,
    model: Spy,
    act: Callable[[object], object],
) -> None:
    clock = SystemClock()
    spec = load().get("coder").launch(ModelChoice("spy", "", "test"), "full", str(folder), Limits())
    with Workspace(folder) as workspace:
        given = Given(
            sink=JournalSink(journal),
            workspace=workspace,
            registry=Registry(spec.tools),
            policy=Policy(),
            clock=clock,
            ids=Ids(clock.wall_us),
            redactor=redactor,
            env=lambda: {"OPENAI_API_KEY": SECRET},
            history=await journal.events("s-1"),
        )
        agent = native(spec, given, OneModel(model))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(agent.run())
            await act(agent)  # type: ignore[misc]
            running.cancel()


async def test_every_request_can_be_made_again_from_the_journal_alone(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "env").write_text(f"KEY={SECRET}\n")
    redactor = Redactor()
    clock = SystemClock()
    cut, whole = Spy(hang=True), Spy()

    async with Journal.open(tmp_path / "j.db", clock=clock, redactor=redactor) as journal:
        opened = SessionOpened(name="x", cwd=str(folder), mode="full", trusted=False, mato="0")
        await journal.append([Draft(session="s-1", body=opened)])

        async def cut_off(agent: object) -> None:
            journaled = noticed(journal, "text.streamed")
            await agent.prompt([TextBlock("what is in env?")])  # type: ignore[attr-defined]
            await cut.hanging.wait()
            await journaled.wait()

        await live(journal, redactor, folder, cut, cut_off)

    async with Journal.open(tmp_path / "j.db", clock=clock, redactor=redactor) as journal:

        async def go_on(agent: object) -> None:
            ended = noticed(journal, "turn.ended", times=2)
            await agent.prompt([TextBlock("go on")])  # type: ignore[attr-defined]
            await ended.wait()

        await live(journal, redactor, folder, whole, go_on)
        events = await journal.events("s-1")
        assert await journal.verify("s-1") is None
        asked = [event.body for event in events if isinstance(event.body, ModelAsked)]
        requests = cut.requests + whole.requests
        assert len(asked) == len(requests) == 5
        for body, request in zip(asked, requests, strict=True):
            system, tools, messages = await rebuilt(journal, body)
            assert system == request.system
            assert tools == request.tools
            assert messages == request.messages
            assert SECRET not in repr(request.messages)
        assert [m.text for m in whole.requests[0].messages] == ["what is in env?"]
        reasons = [e.body.reason for e in events if e.kind == "turn.ended"]  # type: ignore[attr-defined]
        assert reasons == ["end_turn", "end_turn"]
        assert len({body.system for body in asked}) == len({body.tools for body in asked}) == 1
        assert SECRET not in repr(events)
