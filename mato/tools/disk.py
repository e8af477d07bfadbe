"""Runs blocking work on files off the loop, and gives up threads that a file system holds.

A dead network mount holds a thread in the kernel for as long as it likes, and nothing frees it.
Such a thread is left behind: another takes its place, and it does not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from mato.tools.base import ToolError
from mato_sessions.errors import PathRefused

_LIMIT_S = 30.0
_STOP_S = 1.0
_MOST_LOST = 64
"""Threads of a crew that may hang; with so many the file system is not tried any more."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class _Job:
    """A piece of work on its way through a thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()
        self.lost = False
        """Given up while a thread had it."""


class Crew:
    """At most `most` threads at work, those that hang not counted; none while nothing is to do.

    Work that is cancelled is waited for `stop_s`, work that nobody cancels `limit_s`.
    """

    def __init__(
        self, name: str, most: int, *, limit_s: float = _LIMIT_S, stop_s: float = _STOP_S
    ) -> None:
        self._name = name
        self._most = most
        self._limit_s = limit_s
        self._stop_s = stop_s
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._working = 0
        self._lost = 0

    async def run(
        self, work: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs
    ) -> Answer:
        """The result of `work`, done in a thread. What it raises goes through.

        Raises:
            PathRefused: the file system does not answer.
        """
        job = self._submit(lambda: work(*args, **named))
        future = asyncio.wrap_future(job.future)
        try:
            done, _ = await asyncio.wait({future}, timeout=self._limit_s)
        except asyncio.CancelledError:
            if not job.future.cancel():  # what a thread has is soon done, and then known
                await asyncio.wait({future}, timeout=self._stop_s)
                self._give_up(job)
                future.add_done_callback(_forgotten)
            raise
        if not done:
            self._give_up(job)
            future.add_done_callback(_forgotten)
            raise PathRefused(
                f"the file system did not answer within {self._limit_s:g} s; try again later"
            )
        return future.result()

    def _submit(self, work: Callable[[], Any]) -> _Job:
        job = _Job(work)
        with self._lock:
            if self._lost >= _MOST_LOST:
                raise PathRefused(
                    f"{self._lost} accesses to files hang; a file system has stopped answering"
                )
            self._waiting.append(job)
            self._staff()
        return job

    def _staff(self) -> None:
        if self._waiting and self._working < self._most:
            self._working += 1
            # Not those of concurrent.futures: the interpreter waits for them when it ends.
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _give_up(self, job: _Job) -> None:
        with self._lock:
            if job.future.cancel():
                return  # it has not begun, nor will it
            if not job.future.done() and not job.lost:
                job.lost = True
                self._lost += 1
                self._working -= 1
                self._staff()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._working -= 1
                    return
                job = self._waiting.popleft()
                begun = job.future.set_running_or_notify_cancel()
            if begun and self._do(job):
                return

    def _do(self, job: _Job) -> bool:
        """Do a job; True when this thread has been replaced meanwhile."""
        result: Any = None
        failure: BaseException | None = None
        try:
            result = job.work()
        except BaseException as error:
            # Whatever it is belongs to whoever waits for it, in the other thread.
            failure = error
        with self._lock:
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)
            if job.lost:
                self._lost -= 1
            return job.lost


_FILES = Crew("mato-files", 8)
on_disk = _FILES.run
"""See `Crew.run`, for all short work on files."""


async def off_loop(
    work: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs
) -> Answer:
    """The result of a tool's `work`, done in a thread.

    Cancelling waits up to a second for the thread, so that nothing is written after the call has
    ended.

    Raises:
        ToolError: a path was refused, or the file system did not answer within 30 s.
    """
    try:
        return await on_disk(work, *args, **named)
    except PathRefused as error:
        raise ToolError(str(error)) from error


def _forgotten(late: asyncio.Future[Any]) -> None:
    """Take notice of an outcome that nobody waits for any more, so that it is not logged."""
    if not late.cancelled():
        late.exception()
