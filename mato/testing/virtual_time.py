"""An event loop whose time is a number: it jumps to the next timer as soon as nothing is ready.

Hours pass in milliseconds, and nothing that runs on it depends on the machine: there are no
threads (`run_in_executor` runs its work at once), no sockets, and tasks have hashes by the order in
which they were made, so that sets of tasks are walked in the same order every time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")

_LATE_S = 1e-6


class Stalled(RuntimeError):
    """Nothing is ready and no timer is set, but somebody still waits."""


class _Task(asyncio.Task[Any]):
    """A task that is found at the same place of a set in every run."""

    def __init__(self, number: int, *args: Any, **named: Any) -> None:
        self._number = number
        super().__init__(*args, **named)

    def __hash__(self) -> int:
        return self._number


class _Skip(selectors.SelectSelector):
    """Waits for no file: it lets the time pass that it was told to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stalled("everything waits for something that nothing will bring")
        if timeout > 0:
            # Like any clock a little too far: else rounding could leave a timer due for ever.
            self.now_s += timeout + _LATE_S
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the head of this file. Time begins at 0."""

    def __init__(self) -> None:
        self._skip = _Skip()
        super().__init__(self._skip)
        self._made = 0
        self.set_task_factory(self._make)

    def time(self) -> float:
        return self._skip.now_s

    def run_in_executor(
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do the work at once; only its result comes a step later, as from a thread."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _make(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any] | Any,
        context: Context | None = None,
    ) -> _Task:
        self._made += 1
        return _Task(self._made, work, loop=loop, context=context)


class VirtualClock:
    """A `mato_sessions.clock.Clock` of a machine on that loop."""

    def __init__(self, loop: VirtualLoop, wall_us: int = 1_700_000_000_000_000) -> None:
        self._loop = loop
        self._wall_us = wall_us
        self._boots = 1
        self._booted_s = loop.time()

    def wall_us(self) -> int:
        return self._wall_us + int(self._loop.time() * 1_000_000)

    def mono_us(self) -> int:
        return int((self._loop.time() - self._booted_s) * 1_000_000)

    def boot(self) -> str:
        return f"boot{self._boots}"

    def jump(self, delta_us: int) -> None:
        """Let the wall clock alone jump, as NTP or a person does."""
        self._wall_us += delta_us

    def reboot(self) -> None:
        """Another boot: the monotonic clock begins again."""
        self._boots += 1
        self._booted_s = self._loop.time()
