"""Work that is waited for: several at once, or one that is done whoever waits for it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar, cast

from mato.daemon.log import logger
from mato_sessions.errors import MatoError

T = TypeVar("T")


async def carried(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is done to its end as one of `tasks` when nobody waits for it."""
    outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def carry() -> None:
        try:
            result = await work
        except Exception as error:
            if not outcome.done():
                outcome.set_exception(error)
            elif not isinstance(error, MatoError):
                logger.exception("a request whose client has gone went wrong")
        else:
            if not outcome.done():
                outcome.set_result(result)
        finally:
            outcome.cancel()

    tasks.create_task(carry())
    return await outcome


async def together(work: Sequence[Awaitable[T]]) -> list[T]:
    """All results in order, when all are done; then the first error there was."""
    results: list[Any] = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("list[T]", results)
