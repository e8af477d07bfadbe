"""Requests to the daemon, as commands make them: what it refuses becomes one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from mato.protocol.methods import Profiles, ProfileSummary, Request
from mato_panes.feed import Link
from mato_sessions.catalog import AgentSummary
from mato_sessions.errors import MatoError, ReadOnly


class Asking:
    """One workspace's requests."""

    def __init__(self, link: Link, refused: Callable[[str], None]) -> None:
        """`refused` shows a sentence to the person."""
        self._link = link
        self._refused = refused
        self._profiles: dict[str, tuple[ProfileSummary, ...]] = {}

    async def answer(self, request: Request) -> Any:
        """The daemon's answer; None where it refused."""
        try:
            return await self._link.request(request)
        except MatoError as error:
            self._refused(str(error))
            return None

    async def quietly(self, request: Request) -> Any:
        """The daemon's answer, for what no person has asked for.

        Raises:
            MatoError: it refused.
        """
        return await self._link.request(request)

    async def accepted(self, request: Request) -> bool:
        """Whether the daemon did it, for requests whose answer is empty."""
        try:
            await self._link.request(request)
        except MatoError as error:
            self._refused(str(error))
            return False
        return True

    async def send(self, request: Request) -> None:
        """Have it done; a refusal is shown, and nothing else follows from it."""
        await self.accepted(request)

    async def keep(self, request: Request) -> None:
        """As `send`; but that a daemon which is only looked at keeps nothing is no news."""
        try:
            await self._link.request(request)
        except ReadOnly:
            return
        except MatoError as error:
            self._refused(str(error))

    async def restart(self) -> None:
        """Have the daemon replaced by one of this Mato."""
        try:
            await self._link.restart()
        except MatoError as error:
            self._refused(str(error))

    async def profiles(self, cwd: str) -> tuple[ProfileSummary, ...]:
        """What can be started in the folder."""
        found = await self.answer(Profiles(cwd=cwd))
        if found is not None:
            self._profiles[cwd] = found.profiles
            for why in found.broken:
                self._refused(why)
        return self._profiles.get(cwd, ())

    async def environment_of(self, agent: AgentSummary, cwd: str) -> dict[str, str]:
        """What the agent's profile asks a client to hand over, of what this terminal has."""
        known = self._profiles.get(cwd) or await self.profiles(cwd)
        return environment(
            name for profile in known if profile.name == agent.profile for name in profile.env
        )


def environment(names: Iterable[str]) -> dict[str, str]:
    """Those of the variables that this terminal has."""
    return {name: os.environ[name] for name in names if name in os.environ}
