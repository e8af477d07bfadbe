"""An ACP agent as the daemon knows it: prompts in, one turn at a time, through a program's life.

The program is started when it is needed and ended with the agent. One that dies, or does not end
its turn when it is asked to, is started anew with the next prompt and takes up its session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from mato.agents.acp.exchange import Brake, Exchange
from mato.agents.acp.past import Past
from mato.agents.acp.permit import Answer, Permits, refuse_unless_permission
from mato.agents.acp.running import Running
from mato.agents.acp.start import Start
from mato.agents.acp.translate import Translator
from mato.agents.acp.turn import Scribe
from mato.agents.base import Given
from mato.agents.streams import Streams
from mato.models.base import ModelChoice
from mato_sessions.errors import DaemonError, MatoError, UsageError
from mato_sessions.events import (
    AgentExited,
    AgentReconfigured,
    Body,
    Event,
    PermissionGranted,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    TurnUndone,
)
from mato_sessions.events.agent import AgentState, LaunchSpec
from mato_sessions.events.permission import Decision
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block, StopReason
from mato_sessions.ids import TurnId

_QUICK_S = 0.4
"""The same when the agent itself, or its daemon, is ended."""
_SUSPEND_S = 1.0
_QUEUE = 100
_ENDED = "the agent has ended; `mato new` starts another one"
_LATER = "the daemon is stopping; the next one goes on with what is queued"
_CUT = (
    "the daemon ended in the middle of it; what the agent had done by then is done. Tell it how to "
    "go on"
)


class AcpAgent:
    """See `mato.agents.base.Agent`. `start` makes its programs."""

    def __init__(self, spec: LaunchSpec, given: Given, start: Start) -> None:
        self._spec = spec
        self._given = given
        self._past = Past().take(e for e in given.history if e.agent == given.sink.agent)
        self._mode: Mode = self._past.mode or spec.mode
        self._streams = Streams(given.sink, given.clock, given.redactor, _nothing)
        root = str(given.workspace.root)
        self._scribe = Scribe(given, self._streams, Translator(given.ids.call, root), self._past)
        self._permits = Permits(given, self._scribe, root, lambda: self._mode)
        self._running = Running(
            spec, given, start, self._scribe, self._permits, self._streams, self._past
        )
        self._queue: deque[tuple[TurnId, tuple[Block, ...]]] = deque()
        self._starts: dict[str, asyncio.Future[None]] = {}
        self._some = asyncio.Event()
        self._exchange = Exchange(given, self._scribe, self._permits, self._running, spec.flags)
        self._brake = Brake()
        self._between = asyncio.Event()
        """No turn runs."""
        self._between.set()
        self._closing: str | None = None
        self._quiet = False
        self._paused = ""
        self._over = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._warming: asyncio.Task[None] | None = None

    # ---------------------------------------------------------------- what the daemon asks

    async def prompt(self, blocks: Sequence[Block]) -> TurnId:
        """See `Agent.prompt`."""
        if not "".join(block.text for block in blocks).strip():
            raise UsageError("the prompt is empty; write what is to be done")
        self._refuse_when_over()
        if self._paused:
            raise UsageError(f"the agent is paused: {self._paused}")
        if len(self._queue) >= _QUEUE:
            raise UsageError(f"{_QUEUE} prompts wait already; let some of them start first")
        turn = self._given.ids.turn()
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starts[turn] = started
        self._queue.append((turn, tuple(blocks)))
        try:
            if len(self._queue) > 1 or not self._between.is_set():
                queued = TurnQueued(blocks=tuple(blocks))
                await self._given.sink.record(queued, turn=turn)
            self._some.set()
            await started
        finally:
            self._starts.pop(turn, None)
        return turn

    async def cancel(self, reason: StopReason = "cancelled", detail: str = "") -> bool:
        """See `Agent.cancel`; a program that does not obey within `GRACE_S` is ended."""
        self._refuse_when_over()
        await self._give_back("the agent was stopped")
        if self._between.is_set():
            return False
        self._brake.ending = self._brake.ending or (reason, detail)
        self._brake.stop.set()
        await self._between.wait()
        return True

    async def answer(
        self,
        call: str,
        allowed: bool,
        rule: str,
        decision: Decision | None = None,
        granted: PermissionGranted | None = None,
    ) -> None:
        """See `Agent.answer`."""
        refuse_unless_permission(decision)
        self._permits.answer(call, Answer(allowed, rule, granted))

    async def resume(self) -> bool:
        """See `Agent.resume`."""
        paused, self._paused = bool(self._paused), ""
        if paused:
            await self._scribe.show("idle", "resumed")
            self._some.set()
        return paused

    async def halt(self, reason: StopReason, why: str) -> None:
        """See `Agent.halt`; nobody can say when a program asks its model next."""
        await self.cancel(reason, why)

    async def reconfigure(self, choice: ModelChoice | None, mode: Mode | None) -> None:
        """See `Agent.reconfigure`. The model is one of the program's own."""
        if mode is not None and mode != self._mode:
            self._mode = mode
            await self._given.sink.record(AgentReconfigured(mode=mode))
        if choice is not None:
            await self.configure("model", choice.model)

    async def configure(self, option: str, value: str) -> None:
        """Choose a value for something that the program offers.

        Raises:
            UsageError: it does not run, offers no such thing, or refuses.
        """
        program = self._running.program
        if program is None or program.dead.is_set():
            raise UsageError("its program does not run now; send a prompt first, then choose again")
        offer = self._scribe.translator.offer
        found = offer.option(option)
        if found is None:
            names = ", ".join(each.option for each in offer.whole().options) or "none"
            raise UsageError(f"this agent has no option {option!r}; there are: {names}")
        choice = next((c for c in found.choices if value in (c.value, c.name)), None)
        if choice is None:
            names = ", ".join(each.value for each in found.choices)
            raise UsageError(f"{found.name} cannot be {value!r}; there are: {names}")
        older = offer.modes is not None and found.option == offer.modes.option
        switch = {each.value for each in found.choices} == {"true", "false"}
        chosen = choice.value == "true" if switch else choice.value
        result = await program.choose(found.option, chosen, mode=older)
        if older:
            result = {"modes": {"currentModeId": choice.value, "availableModes": [
                {"id": each.value, "name": each.name, "description": each.description}
                for each in found.choices
            ]}}  # fmt: skip
        if (offered := offer.session(result)) is not None:
            await self._scribe.write([offered])

    async def looked(self) -> None:
        """See `Agent.looked`."""
        if (self._scribe.shown or self._past.state) == "done" and self._between.is_set():
            await self._scribe.show("idle", "seen")

    async def undone(self, turn: str, files: Sequence[str]) -> None:
        """See `Agent.undone`; the program sees for itself what is in its files."""
        await self._given.sink.record(TurnUndone(files=tuple(files)), turn=turn)

    async def close(self, reason: str) -> None:
        """See `Agent.close`."""
        if self._over.is_set():
            return
        self._closing = reason
        self._brake.cut, self._brake.grace_s = False, _QUICK_S
        self._brake.ending = self._brake.ending or ("cancelled", f"the agent was ended: {reason}")
        self._brake.stop.set()
        self._some.set()
        await self._over.wait()

    async def suspend(self, *, drain: bool = False) -> None:
        """See `Agent.suspend`. The program ends with the daemon, so its turn is cut."""
        if self._over.is_set():
            return
        self._quiet = True
        if not drain:
            self._brake.cut, self._brake.grace_s = True, _SUSPEND_S
            self._brake.stop.set()
        self._some.set()
        await self._over.wait()

    # ---------------------------------------------------------------- its life

    async def run(self) -> None:
        """See `Agent.run`."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._running.enter(group)
                self._running.enter(group)
                journaling = group.create_task(self._streams.run())
                await self._live()
                journaling.cancel()
        except* Exception as failures:
            raise _first(failures) from failures
        finally:
            self._over.set()
            self._between.set()
            await self._end_program()
            for each in self._starts.values():
                if not each.done():
                    why = DaemonError(_LATER) if self._quiet else UsageError(_ENDED)
                    each.set_exception(why)

    async def _live(self) -> None:
        await self._take_up()
        while self._closing is None and not self._quiet:
            self._some.clear()
            if self._queue and not self._paused:
                turn, blocks = self._queue.popleft()
                await self._one_turn(turn, blocks)
            else:
                await self._some.wait()
        if self._closing is not None:
            await self._give_back("the agent was ended")
        await self._end_program()
        await self._scribe.evidence.keep()
        await self._streams.drain()
        if self._closing is not None:
            await self._scribe.show("stopped", self._closing)
            await self._given.sink.record(AgentExited(reason=self._closing))

    async def _take_up(self) -> None:
        past, how = self._past, self._given.take_up
        cut = past.turn
        if cut:
            self._scribe.turn = cut
            await self._scribe.record(*past.ends(_CUT))
        self._queue.extend((TurnId(turn), blocks) for turn, blocks in past.queue.items())
        if how.how == "end":
            await self._give_back("its agent failed before its turn")
        elif how.how == "pause" and self._queue:
            self._paused = how.why
            await self._scribe.show("blocked", f"paused: {how.why}")
            return
        if self._queue or self._closing is not None or self._quiet:
            return
        if cut or not past.connected:
            if not cut and past.state in ("failed", "done"):
                return
            assert self._group is not None
            state: AgentState = "done" if cut else "idle"
            evidence = "turn ended: interrupted" if cut else "ready"
            self._warming = self._group.create_task(self._warm_up(state, evidence))

    async def _warm_up(self, then: AgentState, evidence: str) -> None:
        """Start the program before anybody needs it: what it offers is known then."""
        try:
            await self._running.get()
        except MatoError as error:
            then, evidence = "failed", str(error)
        await self._scribe.evidence.keep()
        if self._between.is_set() and not self._queue:
            await self._scribe.show(then, evidence)

    async def _end_program(self) -> None:
        warming, self._warming = self._warming, None
        if warming is not None:
            warming.cancel()
            await asyncio.wait([warming])
        await self._running.end()

    # ---------------------------------------------------------------- turns

    async def _one_turn(self, turn: TurnId, blocks: tuple[Block, ...]) -> None:
        self._between.clear()
        self._brake.release()
        self._scribe.turn, self._scribe.live = turn, True
        try:
            busy = (
                [] if self._running.program is None else self._scribe.showing("working", "prompted")
            )
            await self._scribe.record(TurnPrompted(blocks=blocks), *busy)
            if (started := self._starts.get(turn)) is not None and not started.done():
                started.set_result(None)
            reason, detail = await self._exchange.through(blocks, self._brake)
            if self._brake.cut:
                return  # open: the next daemon closes it
            state = "failed" if reason == "failed" else "done"
            shown: list[Body] = []
            if self._closing is None and not self._queue:
                evidence = f"turn ended: {reason}{': ' * bool(detail)}{detail}"
                shown = self._scribe.showing(state, evidence)
            await self._scribe.record(TurnEnded(reason=reason, detail=detail), *shown)
        finally:
            self._permits.over = True
            self._scribe.live = False
            self._between.set()

    async def _give_back(self, reason: str) -> None:
        queue, self._queue = list(self._queue), deque()
        for turn, _ in queue:
            await self._given.sink.record(TurnReturned(reason=reason), turn=turn)
            if (started := self._starts.get(turn)) is not None and not started.done():
                started.set_exception(UsageError(f"the prompt was returned: {reason}"))

    def _refuse_when_over(self) -> None:
        if self._over.is_set() or self._closing is not None:
            raise UsageError(_ENDED)


async def _nothing(events: Sequence[Event]) -> None:
    """Stretches that were journaled change nothing here."""


def _first(failures: BaseExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
