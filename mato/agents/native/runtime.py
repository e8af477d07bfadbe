"""The local runtime of native agents: executes the step machine's commands and journals its facts.

One loop owns the state and takes inputs one at a time: it journals what a step records, steps with
the events, and starts effects (model, tools, questions) as tasks of the agent's own TaskGroup,
which give their outcome back as inputs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from mato.agents.base import Sink
from mato.agents.native import conversation, prompt, tooling
from mato.agents.native.answering import Answering
from mato.agents.native.machine import step
from mato.agents.native.state import State, fold
from mato.agents.native.stepping import Setup
from mato.agents.native.steps import (
    AlarmRang,
    AskModel,
    AskPerson,
    Begin,
    CancelCame,
    CancelWork,
    CloseCame,
    Command,
    Input,
    LookCame,
    PersonAnswered,
    PromptCame,
    QuestionFailed,
    QuestionReady,
    Ready,
    ReconfigureCame,
    Record,
    Refuse,
    RetryDue,
    RunTool,
    SetAlarm,
    SuspendCame,
    ToolDone,
    Wake,
    WorkGone,
)
from mato.agents.native.streams import Streams
from mato.models.base import ModelChoice, ModelRequest
from mato.models.keys import keys, secrets
from mato.models.sources import Models
from mato.permissions.policy import decide
from mato.tools.base import Registry, ToolError
from mato.tools.workspace import Workspace
from mato_sessions.clock import Clock
from mato_sessions.errors import MatoError, UnknownName, UsageError
from mato_sessions.events import (
    AgentExited,
    BlobRef,
    Event,
    ModelAsked,
    TextStreamed,
    ToolFinished,
    TurnEnded,
    TurnPrompted,
    TurnReturned,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block
from mato_sessions.ids import Ids, TurnId
from mato_sessions.redact import Redactor

_INBOX = 1024
"""Inputs that may wait; whoever gives one more waits."""
_ENDED = "the agent has ended; start another one"
_LEAVE_S = 5.0
"""How long cancelled work is waited for. Tools promise 2 s; what still runs then is left behind."""

_Item = tuple[Input | Event, asyncio.Future[bool] | None]
"""The future is set when all that follows at once is journaled; of a cancel, at the turn's end."""


def _first(failures: BaseExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class NativeAgent:
    """An agent of Mato's own, living in this process (see `mato.agents.base.Agent`).

    With `history` (the session's events so far) it takes up where the journal ends: a turn that
    was cut is ended as interrupted, nothing of it is run again. `env` gives the agent's current
    environment; it is asked for anew for each request and each tool.
    """

    def __init__(
        self,
        spec: LaunchSpec,
        sink: Sink,
        models: Models,
        registry: Registry,
        workspace: Workspace,
        clock: Clock,
        ids: Ids,
        env: Callable[[], Mapping[str, str]],
        redactor: Redactor,
        trusted_instructions: str = "",
        history: Sequence[Event] = (),
    ) -> None:
        self._spec = spec
        self._sink = sink
        self._models = models
        self._registry = registry
        self._workspace = workspace
        self._clock = clock
        self._ids = ids
        self._env = env
        self._redactor = redactor
        self._system = prompt.system(spec, trusted_instructions)
        self._system_ref: BlobRef | None = None
        self._state = State(ModelChoice(spec.model, spec.base_url, spec.model_source), spec.mode)
        self._events: dict[int, Event] = {}
        for event in history:
            if event.agent == sink.agent:
                self._state = fold(self._state, event)
                self._keep(event)
                if isinstance(event.body, ModelAsked):
                    self._system_ref = event.body.system
        self._setup: Setup | None = None
        self._streams = Streams(sink, clock, redactor, self._journaled)
        self._inbox: asyncio.Queue[_Item] = asyncio.Queue(_INBOX)
        self._raw: dict[str, str] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.Task[None] | None = None
        self._starts: dict[str, asyncio.Future[None]] = {}
        self._ends: list[asyncio.Future[bool]] = []
        self._over = asyncio.Event()

    # ---------------------------------------------------------------- what the daemon asks

    async def prompt(self, blocks: Sequence[Block]) -> TurnId:
        """See `Agent.prompt`."""
        if not conversation.text_of(blocks).strip():
            raise UsageError("the prompt is empty; write what is to be done")
        turn = self._ids.turn()
        self._refuse_when_over()
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starts[turn] = started
        try:
            await self._put(PromptCame(turn, tuple(blocks), self._now))
            await started
        finally:
            self._starts.pop(turn, None)
        return turn

    async def cancel(self) -> bool:
        """See `Agent.cancel`."""
        return await self._ask(CancelCame(self._now))

    async def answer(self, call: str, allowed: bool, rule: str) -> None:
        """See `Agent.answer`."""
        turn = self._state.turn
        found = turn.open(call) if turn else None
        if found is None or found.status != "waiting":
            raise UnknownName(
                f"no call {call!r} is waiting here; `mato inbox` lists those that are"
            )
        await self._ask(PersonAnswered(call, allowed, rule, self._now))

    async def reconfigure(self, choice: ModelChoice | None, mode: Mode | None) -> None:
        """See `Agent.reconfigure`."""
        await self._ask(ReconfigureCame(choice, mode, self._now))

    async def looked(self) -> None:
        """See `Agent.looked`."""
        await self._ask(LookCame(self._now))

    async def close(self, reason: str) -> None:
        """See `Agent.close`."""
        if not self._over.is_set():
            await self._put(CloseCame(reason, self._now))
            await self._over.wait()

    async def suspend(self) -> None:
        """See `Agent.suspend`; `run` returns then."""
        if not self._over.is_set():
            await self._put(SuspendCame(self._now))
            await self._over.wait()

    # ---------------------------------------------------------------- the loop

    async def run(self) -> None:
        """See `Agent.run`. Returns after `close` or `suspend`."""
        try:
            async with asyncio.TaskGroup() as group:
                journaling = group.create_task(self._streams.run())
                await self._live(group)
                journaling.cancel()
                self._set_alarm(group, None)
        except* Exception as failures:
            # One fault ends the agent; the others are its consequences.
            raise _first(failures) from failures
        finally:
            self._over.set()
            waiting = [*self._starts.values(), *self._ends]
            while not self._inbox.empty():
                waiting += [done for done in (self._inbox.get_nowait()[1],) if done is not None]
            for future in waiting:
                if not future.done():
                    future.set_exception(UsageError(_ENDED))

    async def _live(self, group: asyncio.TaskGroup) -> None:
        await self._prepare()
        await self._take(group, Begin(self._now))
        await self._take(group, Ready(self._now))
        while not self._state.exited and not (self._state.suspended and not self._in_turn):
            item, done = await self._inbox.get()
            await self._take(group, item)
            if done is None:
                continue
            if isinstance(item, CancelCame) and self._in_turn:
                self._ends.append(done)
            elif not done.done():
                done.set_result(False)

    async def _prepare(self) -> None:
        if self._system_ref is not None:
            # Byte-identical for the session's life, whatever the newer Mato's own text says.
            self._system = (await self._sink.read_blob(self._system_ref)).decode()
        self._hold_secrets()
        self._system = self._redactor.text(self._system)
        schemas = self._registry.schemas()
        self._setup = Setup(
            system=await self._sink.blob(self._system.encode()),
            tools=await self._sink.blob(prompt.tools(schemas)),
            parameters={},
            limits=self._spec.limits,
            inspect=lambda call: tooling.inspect(self._registry, call),
            decide=decide,
        )

    async def _take(self, group: asyncio.TaskGroup, fact: Input | Event) -> None:
        """Step with a fact and with everything that follows from it at once."""
        if self._setup is None:
            raise RuntimeError("the agent is not prepared")
        line: deque[Command] = deque()
        self._state, commands = step(self._setup, self._state, fact)
        line.extend(commands)
        while line:
            command = line.popleft()
            if isinstance(command, Record):
                # Redacted here too: from these events the model's messages are made.
                bodies = [self._redactor.body(body)[0] for body in command.bodies]
                events = await self._sink.record(*bodies, turn=command.turn, cause=command.cause)
                for event in events:
                    self._keep(event)
                    self._state, commands = step(self._setup, self._state, event)
                    line.extend(commands)
                    self._tell(event)
            else:
                self._execute(group, command)

    def _execute(self, group: asyncio.TaskGroup, command: Command) -> None:
        match command:
            case AskModel():
                self._start(group, self._ask_model(command))
            case Wake(request=request, attempt=attempt, after_s=after_s):
                self._start(group, self._wake(request, attempt, after_s))
            case AskPerson(call=call):
                self._start(group, self._preview(call))
            case RunTool():
                self._start(group, self._run_tool(command))
            case CancelWork():
                work = set(self._work)
                for task in work:
                    task.cancel()
                group.create_task(self._leave(work))
            case SetAlarm(at_us=at_us):
                self._set_alarm(group, at_us)
            case Refuse(turn=turn, message=message):
                self._fail_start(turn, UsageError(message))
            case Record():
                raise RuntimeError("records are taken in the loop")

    def _start(self, group: asyncio.TaskGroup, effect: Coroutine[Any, Any, None]) -> None:
        task = group.create_task(effect)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _set_alarm(self, group: asyncio.TaskGroup, at_us: int | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if at_us is None else group.create_task(self._ring(at_us))

    # ---------------------------------------------------------------- effects

    async def _ask_model(self, command: AskModel) -> None:
        turn = self._turn
        env = self._hold_secrets()
        request = ModelRequest(
            request=f"{command.request}/{command.attempt}",
            choice=command.choice,
            system=self._system,
            tools=self._registry.schemas(),
            messages=conversation.messages(self._events[seq] for seq in command.seqs),
            parameters=self._parameters,
            env=keys(env),
        )
        # Only what the conversation still needs stays in memory.
        self._events = {seq: self._events[seq] for seq in self._state.thread.needed}
        answering = Answering(
            self._streams, self._clock, self._ids, turn, command.request, command.attempt
        )
        outcome = await answering.read(self._models, request)
        self._raw = answering.raw
        await self._put(outcome)

    async def _wake(self, request: str, attempt: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._put(RetryDue(request, attempt, self._now))

    async def _ring(self, at_us: int) -> None:
        await asyncio.sleep(max(0, at_us - self._now) / 1_000_000)
        await self._put(AlarmRang(self._now))

    async def _preview(self, call: str) -> None:
        turn = self._state.turn
        found = turn.open(call) if turn else None
        tool = self._registry.get(found.proposed.name) if found else None
        if tool is None:
            return
        try:
            arguments = self._registry.parse(tool, self._raw[call])
            preview = await tool.preview(arguments, self._workspace)
        except (ToolError, MatoError) as error:
            await self._put(QuestionFailed(call, str(error), self._now))
        else:
            await self._put(QuestionReady(call, preview, self._now))

    async def _run_tool(self, command: RunTool) -> None:
        turn = self._turn
        tool = self._registry.get(command.name)
        if tool is None:
            raise RuntimeError(f"a call of {command.name!r} was started, which is no tool")
        around = tooling.Around(
            command.call, command.attempt, turn, self._workspace, self._env(), self._streams
        )
        raw = self._raw[command.call]
        body = await tooling.run(tool, self._registry, raw, around, command.attempt, self._clock)
        await self._streams.drain()
        await self._put(ToolDone(body, self._now))

    async def _leave(self, work: set[asyncio.Task[None]]) -> None:
        if work:
            await asyncio.wait(work, timeout=_LEAVE_S)
        await self._streams.drain()
        await self._put(WorkGone(self._now))

    # ---------------------------------------------------------------- small parts

    @property
    def _now(self) -> int:
        return self._clock.mono_us()

    @property
    def _parameters(self) -> dict[str, Any]:
        return {} if self._setup is None else self._setup.parameters

    @property
    def _turn(self) -> str:
        return "" if self._state.turn is None else self._state.turn.turn

    @property
    def _in_turn(self) -> bool:
        return self._state.turn is not None or bool(self._state.claimed)

    def _hold_secrets(self) -> Mapping[str, str]:
        env = self._env()
        for value in secrets(env):
            self._redactor.hold(value)
        return env

    def _keep(self, event: Event) -> None:
        if conversation.matters(event):
            self._events[event.seq] = event

    async def _journaled(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event.body, TextStreamed):
                self._keep(event)
                await self._inbox.put((event, None))

    async def _put(self, fact: Input) -> None:
        await self._inbox.put((fact, None))

    async def _ask(self, fact: Input) -> bool:
        self._refuse_when_over()
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        await self._inbox.put((fact, done))
        return await done

    def _refuse_when_over(self) -> None:
        if self._over.is_set():
            raise UsageError(_ENDED)

    def _tell(self, event: Event) -> None:
        """Wake whoever waits for this event."""
        match event.body:
            case TurnPrompted():
                started = self._starts.get(event.turn or "")
                if started is not None and not started.done():
                    started.set_result(None)
            case TurnReturned(reason=reason):
                error = UsageError(f"the prompt was returned: {reason}")
                self._fail_start(event.turn or "", error)
            case TurnEnded():
                for ended in self._ends:
                    if not ended.done():
                        ended.set_result(True)
                self._ends.clear()
            case ToolFinished(call=call):
                self._raw.pop(call, None)
            case AgentExited():
                self._over.set()
            case _:
                pass

    def _fail_start(self, turn: str, error: MatoError) -> None:
        started = self._starts.get(turn)
        if started is not None and not started.done():
            started.set_exception(error)
