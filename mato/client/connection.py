"""A connection to the daemon: typed requests side by side, and the frames of one stream."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from mato import __version__
from mato.client import quick
from mato.client.start import start as start_daemon
from mato.config.paths import Paths
from mato.protocol import faults, methods
from mato.protocol.frames import LIMIT_BYTES, EventFrame, Goodbye
from mato.protocol.version import PROTOCOL, READABLE, older, read_only
from mato.rpc import framing, message
from mato_sessions.errors import DaemonError, ReadOnly, UsageError, VersionMismatch

HEARD_FRAMES = 64
"""Frames kept until they are read; then the socket is not read either, and the daemon waits."""

_FAREWELL_S = 0.5

_FRAMES = msgspec.msgpack.Decoder(EventFrame)


class Heartbeat:
    """The daemon is there and has nothing new."""


class Client(asyncio.Protocol):
    """A connection that said hello. Use it as an async context manager, or `close` it.

    Who subscribes must go on reading `frames`: answers to requests come behind them.
    """

    def __init__(self, name: str, protocol: int = PROTOCOL) -> None:
        self._name = name
        self._protocol = protocol
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._answers: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._number = 0
        self._signs: deque[EventFrame | Heartbeat] = deque()
        self._came = asyncio.Event()
        self._closed = asyncio.Event()
        self._lost: DaemonError | None = None
        self._goodbye: Goodbye | None = None
        self.read_only = ""
        """Why nothing can be changed over this connection; "" where all can be asked."""
        self.welcome: methods.Welcome

    @classmethod
    async def connect(cls, paths: Paths, client: str = "client", start: bool = True) -> Client:
        """A connection to the daemon of `paths`, which is started when there is none.

        With one that speaks an older protocol the connection is `read_only`.

        Raises:
            DaemonError: there is none (`start=False`), or it did not start.
            VersionMismatch: it speaks a newer protocol.
        """
        try:
            return await cls._speaking(PROTOCOL, paths, client, start)
        except VersionMismatch as refusal:
            for protocol in older():
                try:
                    return await cls._speaking(protocol, paths, client, start)
                except VersionMismatch:
                    continue
            # It speaks none of the older ones, so it is newer: its own sentence holds.
            raise refusal

    @classmethod
    async def _speaking(cls, protocol: int, paths: Paths, client: str, start: bool) -> Client:
        try:
            connection = await cls._open(paths, client, protocol)
        except OSError as error:
            if not start:
                raise quick.none_running(error) from error
            await asyncio.to_thread(start_daemon, paths)
            try:
                connection = await cls._open(paths, client, protocol)
            except OSError as again:
                raise quick.none_running(again) from again
        try:
            await connection._shake_hands()
        except BaseException:
            await connection.close()
            raise
        return connection

    @classmethod
    async def _open(cls, paths: Paths, name: str, protocol: int) -> Client:
        loop = asyncio.get_running_loop()
        place = os.fspath(paths.socket)
        _, connection = await loop.create_unix_connection(lambda: cls(name, protocol), place)
        return connection

    @property
    def goodbye(self) -> Goodbye | None:
        """What the daemon said when it ended the connection on purpose."""
        return self._goodbye

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; waiting requests fail. Idempotent."""
        self._end(DaemonError("the connection was closed"))
        self._transport.close()
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._closed.wait()
        except TimeoutError:
            # The daemon takes nothing, so what is still to be written never will be.
            self._transport.abort()
            await self._closed.wait()

    async def request(self, request: methods.Request) -> Any:
        """What the daemon answers: the request's `Result`, None where it has none.

        Cancelling it forgets the answer only: what was asked for is done all the same.

        Raises:
            MatoError: as the daemon answered it; `DaemonError` when the connection is lost.
        """
        number = self.post(request)
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            raw = await answer
        finally:
            del self._answers[number]
        if request.Result is None:
            return None
        return msgspec.json.decode(raw, type=request.Result)

    def post(self, request: methods.Request) -> int:
        """Send a request without waiting for what becomes of it; returns its number.

        Raises:
            DaemonError: the connection is lost.
            ReadOnly: the daemon is older, and the request would change something.
            UsageError: a text in it cannot be sent.
        """
        if self.read_only and request.method not in READABLE:
            raise ReadOnly(self.read_only)
        if self._lost is not None:
            raise DaemonError(str(self._lost))
        self._number += 1
        try:
            payload = message.request(self._number, request.method, request)
        except UnicodeEncodeError as error:
            raise UsageError(
                f"{error.object[max(0, error.start - 20) : error.end]!r} is not valid UTF-8; "
                "it cannot be sent"
            ) from error
        self._transport.write(framing.pack(b"J" + payload))
        return self._number

    async def frames(self) -> AsyncIterator[EventFrame]:
        """The frames of the subscription, until the connection ends.

        Raises:
            DaemonError: it ended; the message is the daemon's reason where it gave one.
        """
        while True:
            sign = await self.sign()
            if isinstance(sign, EventFrame):
                yield sign

    async def sign(self) -> EventFrame | Heartbeat:
        """The next frame or heartbeat. One reader at a time.

        Raises:
            DaemonError: as for `frames`.
        """
        while not self._signs:
            if self._lost is not None:
                raise DaemonError(str(self._lost))
            self._came.clear()
            await self._came.wait()
        sign = self._signs.popleft()
        if len(self._signs) == HEARD_FRAMES - 1 and self._lost is None:
            self._transport.resume_reading()
            self._parse()
        return sign

    async def _shake_hands(self) -> None:
        hello = methods.Hello(protocol=self._protocol, mato=__version__, client=self._name)
        try:
            async with asyncio.timeout(quick.ANSWER_S):
                self.welcome = await self.request(hello)
        except TimeoutError as error:
            raise DaemonError(
                "the daemon does not answer; `mato daemon restart` starts a new one"
            ) from error
        self.read_only = read_only(self.welcome.mato[:40], self._protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        reason = "lost the daemon; try again"
        if self._goodbye is not None:
            reason = f"the daemon said goodbye: {self._goodbye.reason}"
        self._end(DaemonError(reason))
        self._closed.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._parse()

    def _parse(self) -> None:
        while len(self._signs) < HEARD_FRAMES:
            try:
                if (frame := self._next()) is None:
                    return
                self._take(frame)
            except (msgspec.MsgspecError, message.Malformed) as error:
                self._give_up(f"the daemon sent what cannot be read ({error}); update Mato")
                return
            except DaemonError as error:
                self._give_up(str(error))
                return
        self._transport.pause_reading()

    def _next(self) -> bytes | None:
        """The next whole frame of what has come."""
        head = framing.HEAD_BYTES
        if len(self._buffer) < head:
            return None
        end = head + int.from_bytes(self._buffer[:head], "big")
        if end > head + LIMIT_BYTES:
            raise DaemonError("the daemon sent something else than a frame; update Mato")
        if len(self._buffer) < end:
            return None
        frame = bytes(self._buffer[head:end])
        del self._buffer[:end]
        return frame

    def _take(self, frame: bytes) -> None:
        if frame[:1] == b"E":
            self._hear(_FRAMES.decode(memoryview(frame)[1:]))
            return
        incoming = message.decode(memoryview(frame)[1:])
        if incoming.method == "goodbye":
            self._goodbye = msgspec.json.decode(incoming.params, type=Goodbye)
        elif incoming.method == "heartbeat":
            self._hear(Heartbeat())
        elif incoming.method is None:
            self._answer(incoming)

    def _hear(self, sign: EventFrame | Heartbeat) -> None:
        self._signs.append(sign)
        self._came.set()

    def _answer(self, incoming: message.Message) -> None:
        waiting = self._answers.get(incoming.id) if isinstance(incoming.id, int) else None
        if waiting is None or waiting.done():
            return
        if incoming.error is None:
            waiting.set_result(incoming.result)
        else:
            fault = incoming.error
            waiting.set_exception(faults.told(fault.code, fault.message, self.read_only))

    def _give_up(self, reason: str) -> None:
        self._end(DaemonError(reason))
        self._transport.abort()

    def _end(self, reason: DaemonError) -> None:
        self._lost = self._lost or reason
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(DaemonError(str(self._lost)))
        self._came.set()
