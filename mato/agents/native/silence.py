"""A model that says nothing: after a while that is told, and in the end it is given up.

Measured here, beside the agent, so that it holds for every kind of model and also where the
model's own process hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from mato.models.base import ASKED, ModelFault
from mato_sessions.events.agent import Limits, silent

TOLD_S = (10, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds of silence at which it is told: each time is a fact in the journal, so few."""
BEHIND_S = 5.0
"""So much later a model's own client gives up a silent endpoint."""
_GRACE_S = 0.2
_SILENT = "the model is silent"


class Silence:
    """Watches one answer. `tell` is given what is waited for and since when.

    Time counts between `listen` and `heard`: what the agent itself does with a chunk (waiting for
    the journal) is no silence of the model.
    """

    def __init__(
        self,
        limits: Limits,
        tell: Callable[[str], Awaitable[None]],
        told_s: Sequence[float] = TOLD_S,
    ) -> None:
        self._limits = limits
        self._tell = tell
        self._told_s = told_s
        self._begun = False
        self._what = _SILENT
        self._since: float | None = None
        self._told = 0

    def listen(self) -> None:
        """From now on the model is waited for."""
        self._since = asyncio.get_running_loop().time()
        self._told = 0

    def heard(self, waits: str | None) -> None:
        """Something came: what the answer waits for, or (None) a piece of the answer itself."""
        self._since = None
        self._begun = self._begun or waits is None
        self._what = _SILENT if waits in (None, ASKED) else waits

    async def keep(self, reading: Coroutine[Any, Any, None]) -> None:
        """Read the answer, for as long as it is not silent for too long.

        Raises:
            ModelFault: timeout, when it was. What `reading` raises goes through.
        """
        failure: Exception | None = None
        async with asyncio.TaskGroup() as group:
            scope = asyncio.timeout(None)
            watching = group.create_task(self._watch(scope))
            try:
                async with scope:
                    await reading
            except TimeoutError as error:
                failure = self._fault() if scope.expired() else error
            except Exception as error:
                # Raised again below: from inside, the group would wrap it.
                failure = error
            finally:
                watching.cancel()
        if failure is not None:
            raise failure

    @property
    def _limit_s(self) -> float:
        return self._limits.silence_s if self._begun else self._limits.first_chunk_s

    async def _watch(self, scope: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        over: float | None = None
        while True:
            # Who is not listening now begins later than now, so nothing is due before this.
            since = loop.time() if self._since is None else self._since
            step_s = self._told_s[self._told] if self._told < len(self._told_s) else self._limit_s
            await asyncio.sleep(max(0.0, since + min(step_s, self._limit_s) - loop.time()))
            if self._since is None:
                continue
            silent_s = loop.time() - self._since
            if silent_s >= self._limit_s:
                if over == self._since:
                    scope.reschedule(loop.time())
                    return
                # It may be this process that was stopped: then what came meanwhile is read now.
                over = self._since
                await asyncio.sleep(_GRACE_S)
                continue
            passed = sum(silent_s >= told_s for told_s in self._told_s)
            if passed > self._told:
                self._told = passed
                await self._tell(silent(self._what, self._told_s[passed - 1]))

    def _fault(self) -> ModelFault:
        name = "silence_s" if self._begun else "first_chunk_s"
        where = " in the middle of its answer" if self._begun else ""
        return ModelFault(
            "timeout",
            f"the model was silent for {self._limit_s:g} s{where} (limits.{name})",
        )
