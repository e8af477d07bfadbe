"""Mato's side of the process that holds one MCP connection: started on first need, ended when idle.

Whatever a server or its process does ends at worst this connection; the next call opens another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, NamedTuple

import msgspec

from mato.mcp.pins import Offers
from mato.mcp.wire import (
    LIMIT_BYTES,
    Answer,
    Ask,
    Broken,
    Data,
    Drop,
    FromProcess,
    Method,
    Open,
    Opened,
    Text,
)
from mato.rpc import framing
from mato_sessions.errors import DaemonError

_log = logging.getLogger(__name__)
IDLE_S = 10 * 60.0
"""A server that nobody has asked for so long is ended."""
_OVERDUE_S = 5.0
"""How much longer than the process' own limit an answer is waited for."""
_START_S = 90.0
_LEAVE_S = 6.0
"""For the process to end its server in good order, which may take the SDK four seconds."""

_decoder: msgspec.msgpack.Decoder[FromProcess] = msgspec.msgpack.Decoder(FromProcess)
_encoder = msgspec.msgpack.Encoder()


class ServerFault(Exception):
    """The server cannot be asked, or did not do it; one sentence, which may be a stranger's."""


class Child(NamedTuple):
    """A started process, and what ends it and all that it started."""

    process: asyncio.subprocess.Process
    end: Callable[[], Awaitable[None]]
    """Idempotent; returns when it is gone."""


class Connection:
    """One agent's connection to one server. Its tasks live in `group`, which the caller owns.

    `start` starts the process and tells what to open; `agreed` are the offers that a person agreed
    to: a server that offers anything else is not asked. None: nobody agreed to anything yet, and
    what is offered is for `offers` to tell.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[tuple[Child, Open]]],
        agreed: Offers | None,
        group: asyncio.TaskGroup,
        idle_s: float = IDLE_S,
    ) -> None:
        self.name = name
        self._start = start
        self._agreed = agreed
        self._group = group
        self._idle_s = idle_s
        self._opening = asyncio.Lock()
        self._line: _Line | None = None
        self._closed = False

    async def offers(self) -> Offers:
        """What the server offers, as it says now.

        Raises:
            ServerFault: it is not reached.
        """
        return (await self._open()).offers

    async def ask(
        self,
        method: Method,
        name: str = "",
        arguments: dict[str, Any] | None = None,
        within_s: float = 60.0,
    ) -> tuple[Text | Data, ...]:
        """The server's answer.

        Raises:
            ServerFault: there is none, or it says that it failed.
        """
        line = await self._open()
        return await line.ask(method, name, arguments or {}, within_s)

    async def close(self) -> None:
        """End the server and its process. Idempotent."""
        self._closed = True
        async with self._opening:
            line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _open(self) -> _Line:
        async with self._opening:
            if self._closed:
                raise ServerFault(f"{self.name} is closed: its agent has ended")
            if self._line is None or self._line.over:
                self._line = await self._connect()
            return self._line

    async def _connect(self) -> _Line:
        try:
            child, opening = await self._start()
        except OSError as error:
            raise ServerFault(f"{self.name} cannot be started: {error}") from error
        line = _Line(self.name, child, self._idle_s)
        self._group.create_task(line.live())
        try:
            await line.open(opening)
            if self._agreed is not None and (differs := self._agreed.changed(line.offers)):
                more = f" (and {len(differs) - 1} more)" if len(differs) > 1 else ""
                raise ServerFault(
                    f"{self.name} offers other tools than a person agreed to: {differs[0]}{more}; "
                    f"`mato mcp pin {self.name}` shows the difference and asks"
                )
        except BaseException:
            await line.close()
            raise
        return line


class _Line:
    """One process from its start to its end."""

    def __init__(self, name: str, child: Child, idle_s: float) -> None:
        self._name = name
        self._child = child
        self._idle_s = idle_s
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._opened: asyncio.Future[Offers] = asyncio.get_running_loop().create_future()
        self._why = "its process ended"
        self._said: deque[str] = deque(maxlen=3)
        self._ended = asyncio.Event()
        self._leaving = False
        self._idle: asyncio.TimerHandle | None = None

    @property
    def over(self) -> bool:
        """Whether it takes no more asks."""
        return self._leaving or self._ended.is_set()

    @property
    def offers(self) -> Offers:
        """What the server offers; known once `open` has returned."""
        return self._opened.result()

    async def open(self, opening: Open) -> None:
        """Returns when the server is there."""
        self._send(opening)
        try:
            async with asyncio.timeout(_START_S):
                await asyncio.shield(self._opened)
        except TimeoutError:
            raise ServerFault(f"{self._name} was not ready after {_START_S:g} s") from None
        self._rest()

    async def ask(
        self, method: Method, name: str, arguments: dict[str, Any], within_s: float
    ) -> tuple[Text | Data, ...]:
        if self.over:
            raise ServerFault(f"{self._name}: {self._why}")
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._send(Ask(number, method, name, arguments, within_s))
        try:
            async with asyncio.timeout(within_s + _OVERDUE_S):
                found = await answer
        except TimeoutError:
            await self.close()
            raise ServerFault(f"{self._name} does not answer any more; it is ended") from None
        except asyncio.CancelledError:
            self._send(Drop(number))
            raise
        finally:
            self._waiting.pop(number, None)
            self._rest()
        if found.failed:
            said = " ".join(part.text for part in found.parts if isinstance(part, Text))
            raise ServerFault(f"{self._name}: {found.failed}{': ' * bool(said)}{said}")
        return found.parts

    async def close(self) -> None:
        """End it in good order, or else without. Idempotent."""
        self._hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._ended.wait()
        await self._child.end()
        await self._ended.wait()

    async def live(self) -> None:
        """Read what it says until it has ended; nothing that goes wrong leaves this task."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._drain())
                await self._read()
        except Exception:
            _log.exception("reading from the MCP server %s failed", self._name)
        finally:
            self._leaving = True
            await asyncio.shield(self._child.end())
            if self._idle is not None:
                self._idle.cancel()
            fault = ServerFault(f"{self._name}: {self._why}")
            for future in (self._opened, *self._waiting.values()):
                if not future.done():
                    future.set_exception(fault)
            self._opened.exception() if not self._opened.cancelled() else None
            self._ended.set()

    async def _read(self) -> None:
        stream = self._child.process.stdout
        while stream is not None:
            try:
                frame = _decoder.decode(await framing.read(stream, LIMIT_BYTES))
            except (EOFError, ConnectionError):
                break
            except (DaemonError, msgspec.MsgspecError) as error:
                self._why = f"its process does not keep to the wire ({error})"
                break
            match frame:
                case Opened(offers=offers):
                    if not self._opened.done():
                        self._opened.set_result(offers)
                case Answer(number=number):
                    waiting = self._waiting.get(number)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(frame)
                case Broken(why=why):
                    self._why = why[:2000]
                    break
        self._hang_up()

    async def _drain(self) -> None:
        stream = self._child.process.stderr
        while stream is not None:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the reader's limit; what is in the buffer is dropped
                continue
            if not line:
                return
            _log.info("mcp %s: %s", self._name, line.decode(errors="replace").rstrip()[:1000])

    def _rest(self) -> None:
        if not self._waiting and not self.over and self._idle is None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_s, self._hang_up)

    def _send(self, frame: msgspec.Struct) -> None:
        stream = self._child.process.stdin
        if stream is not None and not stream.is_closing():
            stream.write(framing.pack(_encoder.encode(frame)))

    def _hang_up(self) -> None:
        """The end of its input is what ends it in good order."""
        self._leaving = True
        if self._child.process.stdin is not None:
            self._child.process.stdin.close()
