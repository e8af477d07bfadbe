"""Requests that nobody answers: after a time, the daemon rejects them, and says so on record."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from mato.config.load import load
from mato.config.paths import Paths
from mato.daemon.log import logger
from mato.daemon.roster import Roster
from mato.daemon.supervisor import Supervisor
from mato.tools.disk import on_disk
from mato_sessions.catalog import PendingCall
from mato_sessions.clock import Clock
from mato_sessions.errors import ConfigError, JournalError, MatoError
from mato_sessions.events import Event, PermissionAsked
from mato_sessions.events.permission import TIMED_OUT
from mato_sessions.journal import Journal

LOOK_S = 60.0
"""While something waits, the config is read again so often, and a failed answer given again."""


async def configured_s(paths: Paths) -> float:
    """The time-out as the config is now; 0: never.

    Raises:
        ConfigError: of the config.
    """
    return (await on_disk(load, paths, os.environ)).permissions.timeout_s


async def reject(agents: Supervisor, call: PendingCall) -> None:
    """Answer for the person who did not."""
    branch = agents.branch(call.session, call.agent)
    await branch.ask(lambda living: living.answer(call.call, False, TIMED_OUT))


class Timeouts:
    """`run` is a branch of the daemon. It sleeps while nothing waits.

    What a daemon's end cut off waits for ever: whether it took effect only a person can find out.
    """

    def __init__(
        self,
        journal: Journal,
        roster: Roster,
        clock: Clock,
        read: Callable[[], Awaitable[float]],
        reject: Callable[[PendingCall], Awaitable[None]],
    ) -> None:
        """`read` gives the time in seconds, 0 for ever."""
        self._journal = journal
        self._roster = roster
        self._clock = clock
        self._read = read
        self._reject = reject
        self._timeout_s = 0.0
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Reject what has waited too long, until cancelled."""
        unfollow = self._journal.listen(self._follow)
        try:
            while True:
                self._asked.clear()
                await self._asleep(await self._look())
        finally:
            unfollow()

    async def _asleep(self, longest_s: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._asked.wait()

    def _follow(self, events: Sequence[Event]) -> None:
        if any(isinstance(event.body, PermissionAsked) for event in events):
            self._asked.set()

    async def _look(self) -> float | None:
        """Reject what is due; when to look again, None: when something is asked."""
        pending = [c for c in self._roster.catalog.pending() if c.question == "permission"]
        if not pending:
            return None
        try:
            self._timeout_s = await self._read()
        except ConfigError as error:
            logger.warning("the time-out of requests stays as it was: %s", error)
        if not self._timeout_s:
            return LOOK_S
        again_s = LOOK_S
        for call in pending:
            left_s = (call.at_us - self._clock.wall_us()) / 1e6 + self._timeout_s
            if left_s > 0:
                again_s = min(again_s, left_s)
                continue
            try:
                await self._reject(call)
            except JournalError:
                raise
            except MatoError as error:  # just answered, or its agent is paused
                logger.info("%s is not rejected: %s", call.call, error)
        return again_s
