"""The program of an ACP agent while it runs: started when it is needed, answered, and ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from acp.exceptions import RequestError

from mato.agents.acp import raw
from mato.agents.acp.house import House
from mato.agents.acp.past import Past
from mato.agents.acp.permit import Permits
from mato.agents.acp.program import Program
from mato.agents.acp.start import Begun, Start
from mato.agents.acp.turn import Scribe
from mato.agents.base import Given
from mato.agents.streams import Streams
from mato_sessions.errors import MatoError
from mato_sessions.events.agent import LaunchSpec

_TOLD_S = (0, 5, 10, 30, 60, 120)
"""Seconds of a start at which it is told."""


class Running:
    """One program at a time. Its tasks live in the group that `enter` is given."""

    def __init__(
        self,
        spec: LaunchSpec,
        given: Given,
        start: Start,
        scribe: Scribe,
        permits: Permits,
        streams: Streams,
        past: Past,
    ) -> None:
        self._spec = spec
        self._given = given
        self._start = start
        self._scribe = scribe
        self._permits = permits
        self._streams = streams
        self._past = past
        self._house: House | None = None
        self._starting: asyncio.Task[Begun | MatoError] | None = None
        self._group: asyncio.TaskGroup | None = None
        self.program: Program | None = None
        """The newest, which may have ended by itself."""

    def enter(self, group: asyncio.TaskGroup) -> None:
        """From now on programs can be started."""
        self._group = group

    async def get(self) -> Begun:
        """The program with its session, started where it does not run.

        Raises:
            MatoError: it could not be started.
        """
        if self.program is not None and not self.program.dead.is_set():
            return Begun(self.program, "")
        if self._starting is None:
            await self.end()
            assert self._group is not None
            self._starting = self._group.create_task(self._begin(self._group))
        # A turn that is stopped leaves the start alone: the next one needs it too.
        starting = self._starting
        outcome = await asyncio.shield(starting)
        if self._starting is starting:
            self._starting = None
        if isinstance(outcome, MatoError):
            raise outcome
        return outcome

    async def settle(self) -> None:
        """A turn is over: end the commands that it left, and a program that has died."""
        if self._house is not None:
            await self._house.clear()
        if self.program is not None and self.program.dead.is_set():
            await self.end()

    async def end(self) -> None:
        """End the program with everything that it has started. Idempotent."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.cancel()
            await asyncio.wait([starting])
        program, self.program = self.program, None
        house, self._house = self._house, None
        if house is not None:
            await house.clear()
        if program is not None:
            await program.end()

    async def _begin(self, group: asyncio.TaskGroup) -> Begun | MatoError:
        names = self._spec.env_names
        self._house = House(
            self._given, self._scribe, self._permits, self._streams, names, group.create_task
        )
        telling = group.create_task(self._tell())
        try:
            begun = await self._start.begin(
                self._spec, self._given, self._scribe, self._past, self._answer, group.create_task
            )
        except MatoError as error:
            return error
        finally:
            telling.cancel()
        self.program = begun.program
        self._past.foreign, self._past.connected = begun.program.foreign, True
        return begun

    async def _tell(self) -> None:
        """Say what is waited for while a start takes its time."""
        waited = 0
        for at in _TOLD_S:
            await asyncio.sleep(at - waited)
            waited = at
            since = f" (since {at} s)" if at else ""
            await self._scribe.show("starting", f"starts {Path(self._spec.argv[0]).name}{since}")

    async def _answer(self, method: str, params: object, notification: bool) -> Any:
        """Answer a request of the program."""
        if notification:
            return None
        if method == "session/request_permission":
            return await self._permits.request(raw.mapping(params))
        if method.startswith(("fs/", "terminal/")) and self._house is not None:
            return await self._house.answer(method, raw.mapping(params))
        raise RequestError.method_not_found(method)
