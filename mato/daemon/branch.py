"""One agent's branch: it lives here, fails here alone, and is started again from its history."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from mato.agents.base import Agent, Sink, TakeUp
from mato.daemon.launch import Made
from mato.daemon.log import logger
from mato_sessions.errors import (
    JournalError,
    JournalFenced,
    JournalStopped,
    MatoError,
    UsageError,
)
from mato_sessions.events import AgentStateChanged
from mato_sessions.events.turn import Block
from mato_sessions.ids import TurnId

T = TypeVar("T")

_LAST_WORD_S = 2.0

Start = Callable[[TakeUp], Awaitable[Made]]
"""Makes the agent anew from its journaled history; what is open there goes on as told."""


class Branch:
    """An agent that runs while somebody needs it.

    It is made on first use: a restart of the daemon with hundreds of sessions starts none of them.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        start: Start,
        tasks: asyncio.TaskGroup,
        take_up: Callable[[], TakeUp],
    ) -> None:
        self._take_up = take_up
        # Asked at the first start only: what an agent leaves open that failed by itself is ended,
        # or it would fail at the same place again.
        self._failed = False
        self._name = name
        self._sink = sink
        self._start = start
        self._tasks = tasks
        self._starting = asyncio.Lock()
        self._agent: Agent | None = None
        self._running: asyncio.Task[bool] | None = None

    @property
    def alive(self) -> bool:
        return self._running is not None and not self._running.done()

    async def ensure(self) -> Agent:
        """The living agent, started if need be."""
        async with self._starting:
            if self._agent is None or not self.alive:
                take_up = TakeUp("end") if self._failed else self._take_up()
                made = await self._start(take_up)
                self._agent = made.agent
                self._running = self._tasks.create_task(self._run(made), name=self._name)
            return self._agent

    async def prompt(self, blocks: Sequence[Block]) -> TurnId:
        """Start a turn, or queue one; see `Agent.prompt`."""
        agent = await self.ensure()
        return await self._while_alive(agent.prompt(blocks))

    async def ask(self, question: Callable[[Agent], Awaitable[T]]) -> T:
        """What the living agent answers, or why it does not any more."""
        agent = await self.ensure()
        return await self._while_alive(question(agent))

    async def suspend(self, *, drain: bool = False) -> None:
        """Begin nothing new and leave the turn open, as the daemon ends."""
        if self._agent is not None and self.alive:
            await self._while_alive(self._agent.suspend(drain=drain))

    async def cut(self) -> None:
        """End the branch without asking the agent; nothing more is journaled."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _while_alive(self, answer: Awaitable[T]) -> T:
        """`answer`, unless the agent ends before it comes: then nobody would ever give it."""
        running = self._running
        assert running is not None
        async with asyncio.TaskGroup() as both:
            asked = both.create_task(_outcome(answer))
            await asyncio.wait([asked, running], return_when=asyncio.FIRST_COMPLETED)
            # It may have ended because of this very request (close), and still be answering.
            if not asked.done() and not running.cancelled() and running.result():
                await asyncio.wait([asked], timeout=_LAST_WORD_S)
            asked.cancel()
        if asked.cancelled():
            raise UsageError(f"agent {self._name!r} has ended; `mato ls` shows its state")
        value, error = asked.result()
        if error is not None:
            raise error
        return cast("T", value)

    async def _run(self, made: Made) -> bool:
        """Let it live; True when it ended by itself and not by an error."""
        try:
            await made.agent.run()
            return True
        except (JournalStopped, JournalFenced) as error:
            # Nothing can be recorded any more; the daemon is ending for the same reason.
            logger.error("agent %s ended: %s", self._name, error)
            return False
        except Exception as error:
            logger.exception("agent %s failed", self._name)
            self._failed = True
            await self._record_failure(error)
            return False
        finally:
            made.close()
            if self._agent is made.agent:
                self._agent = None

    async def _record_failure(self, error: Exception) -> None:
        own = isinstance(error, MatoError)
        sentence = str(error) if own else f"{type(error).__name__}: {error}"
        evidence = f"the agent itself failed: {sentence[:300]}; a new prompt starts it again"
        try:
            await self._sink.record(AgentStateChanged(state="failed", evidence=evidence))
        except JournalError as lost:
            logger.error("agent %s: its failure is not on record: %s", self._name, lost)


async def _outcome(answer: Awaitable[T]) -> tuple[T | None, Exception | None]:
    """The result or the error as a value: an error must not end the group that waits for it."""
    try:
        return await answer, None
    except Exception as error:
        return None, error
