"""Runs blocking work on files off the loop, and turns refusals into data for the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from mato.tools.base import ToolError
from mato_sessions.errors import PathRefused

_THREADS = ThreadPoolExecutor(8, thread_name_prefix="mato-files")
_LIMIT_S = 30.0
_STOP_S = 1.0

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


async def off_loop(
    work: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs
) -> Answer:
    """The result of `work`, done in a thread.

    Cancelling waits up to a second for the thread, so that nothing is written after the call has
    ended.

    Raises:
        ToolError: a path was refused, or the file system did not answer within 30 s.
    """
    job = _THREADS.submit(lambda: work(*args, **named))
    future = asyncio.wrap_future(job)
    try:
        done, _ = await asyncio.wait({future}, timeout=_LIMIT_S)
    except asyncio.CancelledError:
        if not job.cancel():  # a thread has it: what it does is soon done, and then known
            await asyncio.wait({future}, timeout=_STOP_S)
            future.add_done_callback(_forgotten)
        raise
    if not done:
        future.add_done_callback(_forgotten)
        raise ToolError(f"the file system did not answer within {_LIMIT_S:.0f} s; try again later")
    try:
        return future.result()
    except PathRefused as error:
        raise ToolError(str(error)) from error


def _forgotten(late: asyncio.Future[Any]) -> None:
    """Take notice of an outcome that nobody waits for any more, so that it is not logged."""
    if not late.cancelled():
        late.exception()
