"""The local runtime of native agents: executes the step machine's commands and journals its facts.

One loop owns the state and takes inputs one at a time: it journals what a step records, steps with
the events, and starts effects (model, tools, questions) as tasks of the agent's own TaskGroup,
which give their outcome back as inputs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from mato.agents.base import Sink, TakeUp
from mato.agents.native import conversation, prompt, tooling
from mato.agents.native.effects import Effects, Head, Means
from mato.agents.native.machine import step
from mato.agents.native.state import FOR_PEOPLE, State, fold
from mato.agents.native.stepping import Setup
from mato.agents.native.steps import (
    Begin,
    CancelCame,
    CloseCame,
    Command,
    HaltCame,
    Input,
    LookCame,
    PersonAnswered,
    PromptCame,
    Ready,
    ReconfigureCame,
    Record,
    Refuse,
    ResumeCame,
    SuspendCame,
    UndoneCame,
)
from mato.agents.native.waiters import ENDED, Waiters, check_answer
from mato.agents.streams import Streams
from mato.models.base import Message, ModelChoice
from mato.models.sources import Models
from mato.permissions.desk import Policy
from mato.tools.base import Registry
from mato.tools.workspace import Workspace
from mato_sessions.clock import Clock
from mato_sessions.errors import UnknownName, UsageError
from mato_sessions.events import (
    BlobRef,
    Event,
    FileCheckpointed,
    ModelAsked,
    PermissionGranted,
    TextStreamed,
    TurnEnded,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.permission import Decision
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block, StopReason
from mato_sessions.ids import Ids, TurnId
from mato_sessions.redact import Redactor

_INBOX = 1024
"""Inputs that may wait; whoever gives one more waits."""

_Item = tuple[Input | Event, asyncio.Future[bool] | None]
"""The future is set when all that follows at once is journaled; of a cancel, at the turn's end. It
says whether there was a turn to cancel, or a call that waited for the answer."""


def _first(failures: BaseExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class NativeAgent:
    """An agent of Mato's own, living in this process (see `mato.agents.base.Agent`).

    With `history` (the session's events so far) it takes up where the journal ends: it goes on in
    the middle of a turn that was cut, as `take_up` says. `env` gives the agent's current
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
        take_up: TakeUp | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._policy = policy or Policy()
        self._take_up = take_up or TakeUp()
        self._checkpoints: dict[str, FileCheckpointed] = {}
        self._sink = sink
        self._clock = clock
        self._ids = ids
        self._redactor = redactor
        self._limits = spec.limits
        self._means = Means(
            models, registry, workspace, clock, ids, env, redactor, spec.env_names,
            lambda: self._state.taint | self._policy.seen,
        )  # fmt: skip
        self._system = prompt.system(spec, trusted_instructions)
        self._system_ref: BlobRef | None = None
        self._state = State(ModelChoice(spec.model, spec.base_url, spec.model_source), spec.mode)
        self._events: dict[int, Event] = {}
        for event in history:
            if event.agent == sink.agent:
                self._state = fold(self._state, event)
                self._keep(event)
                match event.body:
                    case ModelAsked(system=system):
                        self._system_ref = system
                    case FileCheckpointed() as checkpoint:
                        # The first: what was there before any attempt.
                        self._checkpoints.setdefault(checkpoint.call, checkpoint)
                    case TurnEnded():
                        self._checkpoints.clear()
                    case _:
                        pass
        self._forget()
        self._streams = Streams(sink, clock, redactor, self._journaled)
        self._inbox: asyncio.Queue[_Item] = asyncio.Queue(_INBOX)
        self._waiters = Waiters()

    # ---------------------------------------------------------------- what the daemon asks

    async def prompt(self, blocks: Sequence[Block]) -> TurnId:
        """See `Agent.prompt`."""
        if not conversation.text_of(blocks).strip():
            raise UsageError("the prompt is empty; write what is to be done")
        turn = self._ids.turn()
        self._refuse_when_over()
        with self._waiters.start(turn) as started:
            await self._put(PromptCame(turn, tuple(blocks), self._now))
            await started
        return turn

    async def cancel(self, reason: StopReason = "cancelled", detail: str = "") -> bool:
        """See `Agent.cancel`."""
        return await self._ask(CancelCame(self._now, reason, detail))

    async def answer(
        self,
        call: str,
        allowed: bool,
        rule: str,
        decision: Decision | None = None,
        granted: PermissionGranted | None = None,
    ) -> None:
        """See `Agent.answer`."""
        if self._state.paused:
            raise UsageError(f"the agent is paused: {self._state.paused}")
        turn = self._state.turn
        found = turn.open(call) if turn else None
        if found is not None:
            check_answer(found, allowed, decision)
        if not await self._ask(PersonAnswered(call, allowed, rule, self._now, decision, granted)):
            raise UnknownName(
                f"call {call!r} has just been answered, or its turn has ended; `mato inbox` lists "
                "those that wait"
            )

    async def halt(self, reason: StopReason, why: str) -> None:
        """See `Agent.halt`."""
        await self._put(HaltCame(why, self._now))

    async def reconfigure(self, choice: ModelChoice | None, mode: Mode | None) -> None:
        """See `Agent.reconfigure`."""
        await self._ask(ReconfigureCame(choice, mode, self._now))

    async def looked(self) -> None:
        """See `Agent.looked`."""
        await self._ask(LookCame(self._now))

    async def undone(self, turn: str, files: Sequence[str]) -> None:
        """See `Agent.undone`."""
        await self._ask(UndoneCame(turn, tuple(files), self._now))

    async def close(self, reason: str) -> None:
        """See `Agent.close`."""
        if not self._waiters.over.is_set():
            await self._put(CloseCame(reason, self._now))
            await self._waiters.over.wait()

    async def resume(self) -> bool:
        """See `Agent.resume`."""
        paused = bool(self._state.paused)
        await self._ask(ResumeCame(self._now))
        return paused

    async def suspend(self, *, drain: bool = False) -> None:
        """See `Agent.suspend`; `run` returns then."""
        if not self._waiters.over.is_set():
            await self._put(SuspendCame(self._now, drain))
            await self._waiters.over.wait()

    # ---------------------------------------------------------------- the loop

    async def run(self) -> None:
        """See `Agent.run`. Returns after `close` or `suspend`."""
        try:
            async with asyncio.TaskGroup() as group:
                journaling = group.create_task(self._streams.run())
                await self._live(group)
                journaling.cancel()
        except* Exception as failures:
            # One fault ends the agent; the others are its consequences.
            raise _first(failures) from failures
        finally:
            waiting: list[asyncio.Future[bool]] = []
            while not self._inbox.empty():
                waiting += [done for done in (self._inbox.get_nowait()[1],) if done is not None]
            self._waiters.end(waiting, suspended=self._state.suspended)

    async def _live(self, group: asyncio.TaskGroup) -> None:
        head = await self._prepare()
        means = self._means
        effects = Effects(
            group, means, head, self._streams, self._messages, self._put, self._checkpoints
        )
        schemas = means.registry.schemas()
        setup = Setup(
            system=await self._sink.blob(head.system.encode()),
            tools=await self._sink.blob(prompt.tools(schemas)),
            parameters=head.parameters,
            limits=self._limits,
            inspect=lambda call: tooling.inspect(means.registry, call),
            decide=self._policy.decide,
        )
        await self._take(setup, effects, Begin(self._now, self._take_up))
        await self._take(setup, effects, Ready(self._now))
        while not self._state.exited and not self._state.quiet:
            item, done = await self._inbox.get()
            # Of two who answer at once the second has to be told that it came too late.
            answered = isinstance(item, PersonAnswered) and self._waits(item.call)
            await self._take(setup, effects, item)
            if done is None:
                continue
            if isinstance(item, CancelCame) and self._in_turn:
                self._waiters.ends.append(done)
            elif not done.done():
                done.set_result(answered)
        effects.quiet()

    async def _prepare(self) -> Head:
        system = self._system
        if self._system_ref is not None:
            # Byte-identical for the session's life, whatever the newer Mato's own text says.
            system = (await self._sink.read_blob(self._system_ref)).decode()
        self._means.environment()
        return Head(self._redactor.text(system), {}, self._limits)

    async def _take(self, setup: Setup, effects: Effects, fact: Input | Event) -> None:
        """Step with a fact and with everything that follows from it at once."""
        line: deque[Command] = deque()
        self._state, commands = step(setup, self._state, fact)
        line.extend(commands)
        while line:
            command = line.popleft()
            if isinstance(command, Record):
                # Redacted here too: from these events the model's messages are made.
                bodies = [self._redactor.body(body)[0] for body in command.bodies]
                events = await self._sink.record(*bodies, turn=command.turn, cause=command.cause)
                for event in events:
                    self._keep(event)
                    self._state, commands = step(setup, self._state, event)
                    line.extend(commands)
                    self._waiters.tell(event)
            elif isinstance(command, Refuse):
                self._waiters.refuse(command.turn, UsageError(command.message))
            else:
                turn = self._state.turn
                effects.execute(command, "" if turn is None else turn.turn)

    # ---------------------------------------------------------------- small parts

    @property
    def _now(self) -> int:
        return self._clock.mono_us()

    @property
    def _in_turn(self) -> bool:
        return self._state.turn is not None or bool(self._state.claimed)

    def _waits(self, call: str) -> bool:
        turn = self._state.turn
        found = turn.open(call) if turn else None
        return found is not None and found.status in FOR_PEOPLE

    def _messages(self, seqs: Sequence[int]) -> tuple[Message, ...]:
        made = conversation.messages(self._events[seq] for seq in seqs)
        self._forget()
        return made

    def _forget(self) -> None:
        """Only what the conversation still needs stays in memory."""
        self._events = {seq: self._events[seq] for seq in self._state.thread.needed}

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
        if self._waiters.over.is_set():
            raise UsageError(ENDED)
