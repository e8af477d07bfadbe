"""Ending every process from outside of the daemon: its loop may be busy, or its process stopped.

The daemon is asked all the same: it says what has ended, and lets nothing begin meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

from mato.config.paths import Paths
from mato.processes import end_recorded
from mato_sessions.errors import MatoError

T = TypeVar("T")

PATIENCE_S = 0.2
"""How long the daemon has for its answer, before its children are ended without it."""


def end_processes(paths: Paths) -> tuple[int, ...]:
    """Kill all that any daemon here has started, by what it has on record; blocks up to 0.8 s."""
    return end_recorded(paths.children)


async def insist(paths: Paths, answer: Awaitable[T]) -> T:
    """The daemon's answer, whose children are ended without it where that takes long.

    Raises:
        MatoError: as the daemon answered.
    """
    refusal: MatoError | None = None
    result: T | None = None
    async with asyncio.TaskGroup() as both:
        ending = both.create_task(_end_later(paths))
        try:
            result = await answer
        except MatoError as error:  # as it is: what leaves the group would be a group
            refusal = error
        ending.cancel()
    if refusal is not None:
        raise refusal
    return cast("T", result)


async def _end_later(paths: Paths) -> None:
    await asyncio.sleep(PATIENCE_S)
    await asyncio.to_thread(end_processes, paths)
