"""Agents whose budget is used up are paused before they ask their model again, and say why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from mato.daemon.branch import Branch
from mato.daemon.budgets import Budgets
from mato_sessions.errors import MatoError
from mato_sessions.events import AgentStateChanged, Event, TurnPrompted, UsageReported

_COUNT = (UsageReported, TurnPrompted, AgentStateChanged)
"""After these a budget may be used up, or its time may begin to run."""
_LOOK_S = 0.5
"""How often is looked, while a turn runs whose time counts."""


class Halting:
    """`run` is a branch of the daemon. It sleeps while nothing is used that counts."""

    def __init__(self, budgets: Budgets, living: Callable[[str], Branch | None]) -> None:
        self._budgets = budgets
        self._living = living
        self._used = asyncio.Event()

    def follow(self, events: Sequence[Event]) -> None:
        """Take in facts; the budgets' figures have them already."""
        if any(isinstance(event.body, _COUNT) for event in events):
            self._used.set()

    async def run(self) -> None:
        """Pause whose budget is used up, until cancelled."""
        while True:
            self._used.clear()
            for agent, used in self._budgets.used_up():
                if (branch := self._living(agent)) is not None:
                    with suppress(MatoError):  # it has ended meanwhile, and uses nothing more
                        await branch.ask(
                            lambda living, used=used: living.halt(used.reason, used.detail)
                        )
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S if self._budgets.timed else None):
                    await self._used.wait()
