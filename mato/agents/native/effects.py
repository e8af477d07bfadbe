"""What the step machine commands is done here: asking models, running tools, waiting.

Each effect is a task of the agent's TaskGroup and gives its outcome back as an input.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, assert_never

import msgspec

from mato.agents.around import Around
from mato.agents.native import tooling
from mato.agents.native.answering import Answering
from mato.agents.native.silence import BEHIND_S
from mato.agents.native.steps import (
    AlarmRang,
    AskModel,
    AskPerson,
    AwaitWork,
    CancelWork,
    Input,
    LookAtWorld,
    Looked,
    ModelWaits,
    QuestionFailed,
    QuestionReady,
    RetryDue,
    RunTool,
    SetAlarm,
    ToolDone,
    Wake,
    WorkGone,
)
from mato.agents.streams import Streams
from mato.models.base import Message, ModelRequest
from mato.models.keys import for_tools, keys, secrets
from mato.models.sources import Models
from mato.permissions.taint import Taint
from mato.tools.base import Registry, Tool, ToolError
from mato.tools.workspace import Workspace
from mato_sessions.clock import Clock
from mato_sessions.errors import JournalError, MatoError
from mato_sessions.events import FileCheckpointed
from mato_sessions.events.agent import Limits
from mato_sessions.ids import Ids
from mato_sessions.redact import Redactor

_log = logging.getLogger(__name__)
_LEAVE_S = 5.0
"""How long cancelled work is waited for. Tools promise 2 s; what still runs then is left behind."""

Effect = AskModel | Wake | AskPerson | RunTool | LookAtWorld | CancelWork | AwaitWork | SetAlarm


class Means(msgspec.Struct, frozen=True):
    """What an agent is given of the world."""

    models: Models
    registry: Registry
    workspace: Workspace
    clock: Clock
    ids: Ids
    env: Callable[[], Mapping[str, str]]
    redactor: Redactor
    env_names: tuple[str, ...]
    """The variables that commands get, besides those that every command needs."""
    seen: Callable[[], Taint] = Taint
    """What the agent has seen so far."""

    def environment(self) -> Mapping[str, str]:
        """The agent's environment now; its keys are kept out of everything from here on."""
        env = self.env()
        for value in secrets(env):
            self.redactor.hold(value)
        return env


class Head(msgspec.Struct, frozen=True):
    """What is the same in all requests of an agent, besides its tools."""

    system: str
    parameters: dict[str, Any]
    limits: Limits


class Effects:
    """The work of one agent. `messages` makes the messages from seqs, `put` takes the outcomes.

    `checkpoints` are the files that calls of the history had kept before they wrote, by call.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        around: Means,
        head: Head,
        streams: Streams,
        messages: Callable[[Sequence[int]], tuple[Message, ...]],
        put: Callable[[Input], Awaitable[None]],
        checkpoints: Mapping[str, FileCheckpointed],
    ) -> None:
        self._checkpoints = checkpoints
        self._group = group
        self._around = around
        self._head = head
        self._streams = streams
        self._messages = messages
        self._put = put
        self._raw: dict[str, str] = {}
        # Arguments of the newest answer's calls as they came; those in the journal are redacted.
        self._asking = asyncio.Lock()
        # Previews are made one after the other: people are asked in the order of the calls.
        self._work: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        # Of the work: what only waits or looks, so that nothing is lost when it is dropped.
        self._alarm: asyncio.Task[None] | None = None

    def execute(self, command: Effect, turn: str) -> None:
        """Begin what a command says; `turn` is the running one."""
        match command:
            case AskModel():
                self._start(self._ask_model(command, turn))
            case Wake(request=request, attempt=attempt, after_s=after_s):
                self._idle.add(self._start(self._wake(request, attempt, after_s)))
            case AskPerson():
                self._idle.add(self._start(self._preview(command)))
            case RunTool():
                self._start(self._run_tool(command, turn))
            case LookAtWorld():
                self._idle.add(self._start(self._look(command)))
            case CancelWork():
                self._group.create_task(self._leave(_cancelled(self._work), _LEAVE_S))
            case AwaitWork():
                work = self._work - _cancelled(self._idle)
                self._group.create_task(self._leave(work, None))
            case SetAlarm(at_us=at_us):
                self.quiet()
                if at_us is not None:
                    self._alarm = self._group.create_task(self._ring(at_us))
            case _:
                assert_never(command)

    def quiet(self) -> None:
        """No alarm any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _start(self, effect: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(effect)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(self._idle.discard)
        return task

    @property
    def _now(self) -> int:
        return self._around.clock.mono_us()

    def _tool(self, name: str) -> Tool:
        tool = self._around.registry.get(name)
        if tool is None:
            raise RuntimeError(f"a call of {name!r} was let through, which is no tool")
        return tool

    async def _ask_model(self, command: AskModel, turn: str) -> None:
        around = self._around
        request = ModelRequest(
            request=f"{command.request}/{command.attempt}",
            choice=command.choice,
            system=self._head.system,
            tools=around.registry.schemas(),
            messages=self._messages(command.seqs),
            parameters=self._head.parameters,
            env=keys(around.environment()),
            first_s=self._head.limits.first_chunk_s + BEHIND_S,
            stall_s=self._head.limits.silence_s + BEHIND_S,
        )

        async def waits(text: str) -> None:
            await self._put(ModelWaits(command.request, command.attempt, text, self._now))

        answering = Answering(
            self._streams,
            around.clock,
            around.ids,
            turn,
            command.request,
            command.attempt,
            waits,
            self._head.limits,
        )
        outcome = await answering.read(around.models, request)
        self._raw = answering.raw
        await self._put(outcome)

    async def _wake(self, request: str, attempt: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._put(RetryDue(request, attempt, self._now))

    async def _ring(self, at_us: int) -> None:
        await asyncio.sleep(max(0, at_us - self._now) / 1_000_000)
        await self._put(AlarmRang(self._now))

    async def _preview(self, command: AskPerson) -> None:
        async with self._asking:
            await self._put(await self._question(command))

    async def _question(self, command: AskPerson) -> QuestionReady | QuestionFailed:
        call, tool = command.call, self._tool(command.name)
        try:
            arguments = self._around.registry.parse(tool, self._raw.get(call, command.arguments))
            preview = await tool.preview(arguments, self._around.workspace)
        except JournalError:
            raise
        except (ToolError, MatoError) as error:
            return QuestionFailed(call, str(error), self._now)
        except Exception as error:
            _log.exception("the preview of %s failed", tool.name)
            message = f"{tool.name} failed inside: {type(error).__name__}: {error}"
            return QuestionFailed(call, message, self._now)
        return QuestionReady(call, preview, self._now)

    async def _run_tool(self, command: RunTool, turn: str) -> None:
        around = self._around
        given = Around(
            command.call,
            command.attempt,
            turn,
            around.workspace,
            for_tools(around.environment(), around.env_names),
            around.seen(),
            self._streams,
        )
        raw = self._raw.get(command.call, command.arguments)
        tool = self._tool(command.name)
        body = await tooling.run(tool, around.registry, raw, given, command.attempt, around.clock)
        await self._streams.drain()
        await self._put(ToolDone(body, self._now))

    async def _look(self, command: LookAtWorld) -> None:
        around = self._around
        tool = self._tool(command.name)
        checkpoint = self._checkpoints.get(command.call)
        found = await tooling.look(
            tool, around.registry, command, checkpoint, around.workspace, self._streams.sink
        )
        await self._put(Looked(command.call, found, self._now))

    async def _leave(self, work: set[asyncio.Task[None]], within_s: float | None) -> None:
        if work:
            await asyncio.wait(work, timeout=within_s)
        await self._streams.drain()
        await self._put(WorkGone(self._now))


def _cancelled(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    cancelled = set(tasks)
    for task in cancelled:
        task.cancel()
    return cancelled
