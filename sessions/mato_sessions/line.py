"""Who waits to be written, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from mato_sessions.batch import Wanted
from mato_sessions.errors import JournalError
from mato_sessions.events import Event

BATCH_BYTES = 1 << 20


class Request:
    """What one caller waits for."""

    def __init__(self, wanted: Wanted, urgent: bool) -> None:
        self.wanted = wanted
        self.urgent = urgent
        self.done: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()

    def finish(self, outcome: list[Event] | JournalError) -> None:
        if self.done.done():
            return
        if isinstance(outcome, JournalError):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class Line:
    """Requests in their order, and how much they are together until they are written.

    Only `take` may be called from the connection's thread, while the loop waits for it.
    """

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()
        self.count = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._requests)

    def put(self, request: Request) -> None:
        self._requests.append(request)
        self._weigh(request, 1)

    def take(self, most: int) -> list[Request]:
        """The first, and those behind it up to `most` events and the bytes of a batch."""
        batch: list[Request] = []
        count = size = 0
        while self._requests:
            wanted = self._requests[0].wanted
            count += len(wanted.events)
            size += wanted.size
            if batch and (count > most or size > BATCH_BYTES):
                break
            batch.append(self._requests.popleft())
        return batch

    def put_back(self, batch: Sequence[Request]) -> None:
        """What was taken last, before all others again."""
        self._requests.extendleft(reversed(batch))

    def written(self, batch: Sequence[Request]) -> None:
        """What was taken is on disk and weighs nothing any more."""
        for request in batch:
            self._weigh(request, -1)

    def empty(self) -> list[Request]:
        """All of them."""
        every = list(self._requests)
        self._requests.clear()
        return every

    def _weigh(self, request: Request, sign: int) -> None:
        self.count += sign * len(request.wanted.events)
        self.size += sign * request.wanted.size
