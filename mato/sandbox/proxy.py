"""An HTTP proxy for what runs in the sandbox: CONNECT and plain requests, to listed hosts only.

It has one request for each connection, so that none can name a second host behind the first one's
back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import h11

from mato.config import hosts
from mato.config.hosts import Host
from mato.sandbox import hello
from mato.sandbox.reach import Reach, Refused, Streams

_PIECE = 64 * 1024
_HEAD_BYTES = 32 * 1024
_HEAD_S = 30.0
_HTTPS = 443
_HOP = frozenset({
    b"connection", b"host", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"upgrade",
})  # fmt: skip
"""Headers that are between two ends of one connection (RFC 9110 §7.6.1), and the name of the host,
which is written anew."""

Told = Callable[[Host | None, str], None]
"""Is told which host was reached, or why one was refused."""


class Proxy:
    """Serves connections."""

    def __init__(self, reach: Reach, told: Told) -> None:
        self._reach = reach
        self._told = told

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its first byte to its end; the caller closes it."""
        client = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        try:
            async with asyncio.timeout(_HEAD_S):
                request = await _next(client, reader)
            if not isinstance(request, h11.Request):
                return
            if request.method == b"CONNECT":
                await self._tunnel(request, client, (reader, writer))
            else:
                await self._forward(request, client, (reader, writer))
        except Refused as refused:
            self._told(None, str(refused))
            await _answer(client, writer, 403, str(refused))
        except h11.RemoteProtocolError as error:
            await _answer(client, writer, 400, str(error))
        except (OSError, TimeoutError) as error:
            await _answer(client, writer, 502, f"not reached: {error or 'it took too long'}")

    async def _tunnel(self, request: h11.Request, client: h11.Connection, near: Streams) -> None:
        host = self._reach.admit(*_authority(request.target, _HTTPS))
        far = await self._reach.connect(host)
        try:
            near[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await near[1].drain()
            begun = client.trailing_data[0]
            async with asyncio.TaskGroup() as group:
                back = group.create_task(pump(far[0], near[1]))
                try:
                    begun = await self._checked(host, near[0], begun)
                except Refused as refused:
                    self._told(None, str(refused))
                    back.cancel()
                    return
                self._told(host, "")
                far[1].write(begun)
                await pump(near[0], far[1])
        finally:
            far[1].close()

    async def _checked(self, host: Host, reader: asyncio.StreamReader, begun: bytes) -> bytes:
        """The first bytes of a client, held against the host that it had named."""
        while (found := hello.read(begun)).kind == "more":
            async with asyncio.timeout(_HEAD_S):
                piece = await reader.read(_PIECE)
            if not piece:
                return begun
            begun += piece
        match found.kind:
            case "other" if host.port == _HTTPS:
                raise Refused(f"{host.says()} was spoken to without TLS")
            case "tls" if (
                hosts.address(host.name) is None and hosts.normal(found.name) != host.name
            ):
                said = found.name[:80] or "no name"
                raise Refused(f"{said!r} was asked for behind the name of {host.says()}")
            case "hidden":
                raise Refused(f"a hidden name was asked for behind that of {host.says()}")
            case _:
                return begun

    async def _forward(self, request: h11.Request, client: h11.Connection, near: Streams) -> None:
        host, path = self._plain(request)
        far = await self._reach.connect(host)
        try:
            self._told(host, "")
            server = h11.Connection(h11.CLIENT)
            headers = [
                (b"Host", host.says().removesuffix(":80").encode()),
                (b"Connection", b"close"),
            ]
            headers += [
                (name, value)
                for name, value in request.headers.raw_items()
                if name.lower() not in _HOP
            ]
            head = h11.Request(method=request.method, target=path, headers=headers)
            async with asyncio.TaskGroup() as group:
                back = group.create_task(pump(far[0], near[1]))
                far[1].write(server.send(head) or b"")
                async for event in _body(client, near[0]):
                    far[1].write(server.send(event) or b"")
                    await far[1].drain()
                await back
        finally:
            far[1].close()

    def _plain(self, request: h11.Request) -> tuple[Host, bytes]:
        """The host that a request in absolute form names, and the rest of its target."""
        scheme, _, rest = request.target.partition(b"://")
        if scheme.lower() != b"http" or not rest:
            raise Refused("only CONNECT and http:// addresses are understood")
        end = min((at for at in map(rest.find, (b"/", b"?", b"#")) if at >= 0), default=len(rest))
        path = rest[end:]
        host = self._reach.admit(*_authority(rest[:end], 80))
        return host, path if path.startswith(b"/") else b"/" + path


def _authority(target: bytes, usual: int) -> tuple[str, int]:
    text = target.decode("ascii", "replace")
    name, port = text, ""
    if text.startswith("["):
        name, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif ":" in text:
        name, _, port = text.rpartition(":")
    if not name or (port and not (port.isdigit() and port.isascii())):
        raise Refused(f"{text[:80]!r} is no host")
    return name, int(port or usual)


async def _next(client: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := client.next_event()) is h11.NEED_DATA:
        client.receive_data(await reader.read(_PIECE))
    return event


async def _body(
    client: h11.Connection, reader: asyncio.StreamReader
) -> AsyncIterator[h11.Data | h11.EndOfMessage]:
    while isinstance(event := await _next(client, reader), h11.Data | h11.EndOfMessage):
        yield event
        if isinstance(event, h11.EndOfMessage):
            return


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # either end may go at any moment
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _answer(
    client: h11.Connection, writer: asyncio.StreamWriter, status: int, why: str
) -> None:
    """Say why not, where the client still waits for an answer."""
    if client.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    body = f"mato: {why}\n".encode("ascii", "replace")
    headers = [("content-type", "text/plain"), ("content-length", str(len(body)))]
    headers.append(("connection", "close"))
    with contextlib.suppress(OSError, h11.LocalProtocolError):
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            writer.write(client.send(event) or b"")
        await writer.drain()
