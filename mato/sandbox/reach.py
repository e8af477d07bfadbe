"""Connects to hosts of a list and to no others, at the address that was looked at."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence

from mato.config import hosts
from mato.config.hosts import Allowed, Host

_LIMIT_S = 20.0
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Refused(Exception):
    """The list does not have it. The message is one line for a model and for people."""


class Reach:
    """What a list lets through; for a proxy and for whatever fetches by itself."""

    def __init__(self, allowed: Allowed, resolve: Resolve | None = None) -> None:
        """`resolve` gives the addresses of a name; None: as the machine does."""
        self.allowed = allowed
        self._resolve = resolve or _resolved

    def admit(self, name: str, port: int) -> Host:
        """The host in its one form.

        Raises:
            Refused: it is not in the list.
        """
        found = hosts.normal(name)
        if found is None:
            raise Refused(f"{name[:80]!r} is no host")
        host = Host(found, port)
        if host not in self.allowed.hosts:
            raise Refused(f"{host.says()} is not among the hosts that are allowed")
        return host

    async def connect(self, host: Host) -> Streams:
        """A connection to an admitted host.

        Raises:
            Refused: its name leads to an address that is not of the wide network.
            OSError, TimeoutError: it cannot be reached.
        """
        async with asyncio.timeout(_LIMIT_S):
            literal = hosts.address(host.name)
            found = [host.name] if literal else await self._resolve(host.name, host.port)
            sound = [each for each in found if self._sound(each)]
            if not sound:
                where = ", ".join(found[:3]) or "nowhere"
                raise Refused(
                    f"{host.says()} leads to {where}, which is no public address; list "
                    "that one too if it is meant"
                )
            # By the address itself: a name that is asked again may lead elsewhere.
            failed: OSError | None = None
            for each in sound:
                try:
                    return await asyncio.open_connection(each, host.port)
                except OSError as error:
                    failed = error
            raise failed or OSError("nothing to connect to")

    def _sound(self, text: str) -> bool:
        number = hosts.address(text)
        if number is None:
            return False
        return hosts.public(number) or str(number) in self.allowed.addresses()


async def _resolved(name: str, port: int) -> Sequence[str]:
    """By the system, in a thread that nobody waits for at the end of the process."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(found: Sequence[str], failed: OSError | None) -> None:
        if answer.done():
            return
        if failed is None:
            answer.set_result(found)
        else:
            answer.set_exception(failed)

    def ask() -> None:
        found: list[str] = []
        failed: OSError | None = None
        try:
            infos = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except OSError as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is over, and nobody asks any more
            loop.call_soon_threadsafe(settle, found, failed)

    threading.Thread(target=ask, name="mato-resolver", daemon=True).start()
    return await answer
