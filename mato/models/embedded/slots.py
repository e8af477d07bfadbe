"""Who may generate: a fixed number of slots and a line in front of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

WAITING_LIMIT = 64


@dataclass(slots=True)
class Slot:
    """A place in the model's memory that one request at a time uses."""

    number: int
    prefix: str = ""
    """Key of the prompt prefix that it holds; empty when nothing is in it."""
    conversation: tuple[str, ...] = ()
    """What it was last used for, message by message: the next request of the same conversation
    finds most of its prompt already read."""


class Full(Exception):
    """The line is at its limit."""


@dataclass(slots=True, eq=False)
class _Waiting:
    turn: asyncio.Future[Slot]
    conversation: tuple[str, ...]
    moved: Callable[[int], None]
    place: int = field(default=0)


class Slots:
    """Hands slots out, first come first served."""

    def __init__(self, count: int) -> None:
        self._free = [Slot(number) for number in range(count)]
        self._line: deque[_Waiting] = deque()

    @asynccontextmanager
    async def take(
        self, conversation: tuple[str, ...], moved: Callable[[int], None]
    ) -> AsyncGenerator[Slot]:
        """A slot for as long as the block runs; of the free ones, that which knows most of it.

        `moved` is called with the number of requests that must end before this one begins,
        whenever that changes.

        Raises:
            Full: too many wait already.
        """
        slot = await self._next(conversation, moved)
        try:
            yield slot
        finally:
            self._give(slot)

    async def _next(self, conversation: tuple[str, ...], moved: Callable[[int], None]) -> Slot:
        if self._free:
            best = max(self._free, key=lambda one: _common(one.conversation, conversation))
            self._free.remove(best)
            return best
        if len(self._line) >= WAITING_LIMIT:
            raise Full
        waiting = _Waiting(asyncio.get_running_loop().create_future(), conversation, moved)
        self._line.append(waiting)
        self._tell()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self._give(waiting.turn.result())
            elif waiting in self._line:
                self._line.remove(waiting)
                self._tell()
            raise

    def _give(self, slot: Slot) -> None:
        while self._line:
            waiting = self._line.popleft()
            self._tell()
            # Cancelled, but its task has not run yet to take itself out of the line.
            if not waiting.turn.done():
                waiting.turn.set_result(slot)
                return
        self._free.append(slot)

    def _tell(self) -> None:
        for at, waiting in enumerate(self._line, start=1):
            if waiting.place != at:
                waiting.place = at
                waiting.moved(at)


def _common(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
