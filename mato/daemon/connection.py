"""One client's connection: the handshake, its requests side by side, its subscription."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import msgspec

from mato import __version__
from mato.daemon.log import logger
from mato.daemon.subscription import Subscription
from mato.protocol import faults
from mato.protocol.frames import HEARTBEAT_S, LIMIT_BYTES, Goodbye
from mato.protocol.methods import METHODS, Hello, Request, Subscribe, Welcome
from mato.protocol.version import PROTOCOL
from mato.rpc import framing, message
from mato_sessions.errors import DaemonError, MatoError, VersionMismatch

HELLO_S = 10.0
"""A connection that has not said hello by then is closed."""
DRAIN_S = 10.0
"""A client that takes nothing for so long is cut off; it can come back with its cursor."""
AT_ONCE = 256
"""Requests of one connection in work at the same time; one more is refused."""
_BUFFER_BYTES = 256 * 1024
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What comes of parameters that are JSON, but not what the method takes. Whether a text is UTF-8
is only seen when it is read."""

Send = Callable[[bytes], Awaitable[None]]


class Desk(Protocol):
    """Answers requests; what a connection knows of the rest of the daemon."""

    def welcome(self) -> Welcome: ...

    def clean(self, text: str) -> str:
        """`text` without secrets: a refusal repeats what it refuses."""
        ...

    async def answer(self, request: Request) -> Any:
        """The `Result` of this request.

        Raises:
            MatoError: what the client is told.
        """
        ...

    def subscription(self, request: Subscribe, send: Send) -> Subscription:
        """What streams events to `send` until it is cancelled."""
        ...


class _Ended(Exception):
    """The connection is over; the reason is for the log."""


class Connection:
    """Serves one client until it goes, breaks the protocol, or takes nothing any more."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, desk: Desk, peer: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._desk = desk
        self._name = f"pid {peer}"
        self._working = 0
        self._feed: asyncio.Task[None] | None = None
        self._stalled = False
        writer.transport.set_write_buffer_limits(high=_BUFFER_BYTES)

    async def serve(self) -> None:
        """Live until the end of the connection; an error in it ends nothing else."""
        reason = "closed"
        try:
            async with asyncio.timeout(HELLO_S):
                await self._shake_hands()
            async with asyncio.TaskGroup() as tasks:
                await self._read(tasks)
        except* (EOFError, ConnectionError, BrokenPipeError):
            pass
        except* (_Ended, DaemonError) as group:
            reason = _first(group)
        except* TimeoutError:
            reason = "no hello in time"
        finally:
            if self._stalled:
                self._writer.transport.abort()
            else:
                self._writer.close()
        if reason != "closed":
            logger.info("%s: %s", self._name, reason)

    async def goodbye(self, farewell: Goodbye) -> None:
        """Tell the client why the connection ends; who does not take it at once is not told."""
        try:
            async with asyncio.timeout(0.5):
                await self._send(message.notification("goodbye", farewell))
        except (TimeoutError, OSError, _Ended):
            return

    async def _shake_hands(self) -> None:
        incoming = await self._next()
        if incoming.method != Hello.method or incoming.id is None:
            error = faults.INVALID_REQUEST, "a connection begins with hello"
            await self._send(message.refusal(incoming.id, *error))
            raise _Ended("no hello")
        try:
            hello = msgspec.json.decode(incoming.params, type=Hello)
        except UNREADABLE as error:
            sentence = f"hello: {error}"
            await self._send(message.refusal(incoming.id, faults.INVALID_PARAMS, sentence))
            raise _Ended("a hello that cannot be read") from error
        self._name = f"{hello.client[:40]} ({self._name})"
        if hello.protocol != PROTOCOL:
            refused = VersionMismatch(
                f"this client (mato {hello.mato[:40]}) speaks protocol {hello.protocol}, "
                f"the daemon (mato {__version__}) speaks {PROTOCOL}; use one version, "
                "then `mato daemon restart`"
            )
            await self._send(message.refusal(incoming.id, faults.code_of(refused), str(refused)))
            raise _Ended(str(refused))
        await self._send(message.answer(incoming.id, self._desk.welcome()))

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            incoming = await self._next()
            if incoming.method is None or incoming.id is None:
                # Clients have no notifications and the daemon asks them nothing.
                sentence = "only requests with an id are taken here"
                await self._send(message.refusal(incoming.id, faults.INVALID_REQUEST, sentence))
                continue
            if self._working >= AT_ONCE:
                sentence = f"{AT_ONCE} requests are in work already; wait for their answers"
                await self._send(message.refusal(incoming.id, 2, sentence))
                continue
            self._working += 1
            tasks.create_task(self._handle(tasks, incoming.id, incoming.method, incoming.params))

    async def _next(self) -> message.Message:
        frame = await framing.read(self._reader, LIMIT_BYTES)
        if frame[:1] != b"J":
            raise _Ended(f"a frame of the unknown sort {frame[:1]!r}")
        try:
            return message.decode(memoryview(frame)[1:])
        except message.Malformed as error:
            await self._send(message.refusal(None, error.code, str(error)))
            raise _Ended(str(error)) from error

    async def _handle(
        self, tasks: asyncio.TaskGroup, number: message.Id, method: str, params: msgspec.Raw
    ) -> None:
        try:
            answer = await self._answer(tasks, number, method, params)
        finally:
            self._working -= 1
        await self._send(answer)

    async def _answer(
        self, tasks: asyncio.TaskGroup, number: message.Id, method: str, params: msgspec.Raw
    ) -> bytes:
        kind = METHODS.get(method)
        if kind is None or kind is Hello:
            sentence = f"there is no method {method[:60]!r} here; update Mato"
            return message.refusal(number, faults.METHOD_NOT_FOUND, sentence)
        try:
            request = msgspec.json.decode(params, type=kind)
        except UNREADABLE as error:
            return message.refusal(
                number, faults.INVALID_PARAMS, self._desk.clean(f"{method}: {error}")
            )
        try:
            if isinstance(request, Subscribe):
                await self._subscribe(tasks, number, request)
                return b""
            return message.answer(number, await self._desk.answer(request))
        except MatoError as error:
            return message.refusal(number, faults.code_of(error), self._desk.clean(str(error)))
        except (_Ended, ConnectionError):
            raise
        except Exception:
            logger.exception("%s: %s went wrong", self._name, method)
            sentence = f"{method} went wrong inside the daemon; `mato daemon logs` has the details"
            return message.refusal(number, faults.INTERNAL, sentence)

    async def _subscribe(
        self, tasks: asyncio.TaskGroup, number: message.Id, request: Subscribe
    ) -> None:
        subscription = self._desk.subscription(request, self._send_frame)
        if self._feed is not None:
            self._feed.cancel()
            await asyncio.wait([self._feed])
        await self._send(message.answer(number, None))
        self._feed = tasks.create_task(self._stream(subscription))

    async def _stream(self, subscription: Subscription) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._beat())
            both.create_task(subscription.run())

    async def _beat(self) -> None:
        for count in itertools.count(1):
            await asyncio.sleep(HEARTBEAT_S)
            await self._send(message.notification("heartbeat", {"count": count}))

    async def _send(self, payload: bytes) -> None:
        """Send a JSON-RPC message; nothing for b""."""
        if payload:
            await self._write(b"J" + payload)

    async def _send_frame(self, payload: bytes) -> None:
        await self._write(b"E" + payload)

    async def _write(self, payload: bytes) -> None:
        self._writer.write(framing.pack(payload))
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._writer.drain()
        except TimeoutError as error:
            self._stalled = True
            raise _Ended(f"took nothing for {DRAIN_S:.0f} s and was cut off") from error


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """What the first error of a tree of groups says."""
    found = group.exceptions[0]
    if isinstance(found, BaseExceptionGroup):
        return _first(cast("BaseExceptionGroup[BaseException]", found))
    return str(found)
