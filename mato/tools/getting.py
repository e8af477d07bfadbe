"""One GET over a connection that was looked at: bounded in time and size, no cookies, no keys."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from urllib.parse import SplitResult, urlsplit

import h11
import msgspec

from mato import __version__
from mato.config import hosts
from mato.config.hosts import Allowed, Host
from mato.sandbox.reach import Reach, Refused
from mato.tools.base import ToolError

LARGEST_BYTES = 2 * 1024 * 1024
_LIMIT_S = 30.0
_PIECE = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_WEB = {"https": 443, "http": 80}


class Got(msgspec.Struct, frozen=True):
    """What came back."""

    url: str
    """Where it came from in the end."""
    status: int
    media: str
    """As in ``text/html``; "" where the server does not say."""
    content: bytes
    cut: bool = False
    """There is more; this is the first 2 MiB."""
    elsewhere: str = ""
    """The address on another host that it leads to; nobody allowed that one."""


def target(url: str) -> tuple[SplitResult, Host]:
    """A URL taken apart, and its host in the one form that is compared.

    Raises:
        ToolError: it is no address that can be fetched.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _WEB.get(parts.scheme, 0)
    except ValueError as error:
        raise ToolError(f"{url[:200]!r} is no address: {error}") from error
    if parts.scheme not in _WEB:
        raise ToolError(f"{url[:200]!r} is no address of the web; give it as https://…")
    if parts.username is not None or parts.password is not None:
        raise ToolError("an address with a name or password in it is not fetched")
    name = hosts.normal(parts.hostname or "")
    if name is None:
        raise ToolError(f"{url[:200]!r} names no host")
    return parts, Host(name, port)


async def get(url: str, listed: Allowed) -> Got:
    """Fetch `url`; redirects are followed on its own host alone.

    Addresses that are not public are refused unless `listed` names them.

    Raises:
        ToolError: it cannot be had; one sentence.
    """
    first = target(url)[1]
    try:
        async with asyncio.timeout(_LIMIT_S):
            for _ in range(_MOST_REDIRECTS + 1):
                got, location = await _once(url, listed)
                if not location:
                    return got
                if target(location)[1] != first:
                    return msgspec.structs.replace(got, elsewhere=location)
                url = location
    except TimeoutError:
        raise ToolError(f"{first.says()} did not answer within {_LIMIT_S:g} s") from None
    except Refused as error:
        raise ToolError(str(error)) from error
    except (OSError, h11.ProtocolError) as error:
        raise ToolError(f"{first.says()} cannot be fetched from: {error}") from error
    raise ToolError(f"{first.says()} leads in circles")


async def _once(url: str, listed: Allowed) -> tuple[Got, str]:
    """One request; its answer, and where it leads ("": nowhere)."""
    parts, host = target(url)
    loopback = host.name in ("localhost", "127.0.0.1", "::1")
    known = host in listed.hosts or (loopback and host.port in listed.loopback)
    number = hosts.address(host.name)
    if not known and (loopback or (number is not None and not hosts.public(number))):
        raise Refused(
            f"{host.says()} is no public address; list it under [sandbox] network if it is meant"
        )
    wanted = Host("127.0.0.1" if host.name == "localhost" else host.name, host.port)
    reach = Reach(Allowed(listed.hosts | {wanted}))
    reader, writer = await reach.connect(wanted)
    try:
        if parts.scheme == "https":
            await writer.start_tls(ssl.create_default_context(), server_hostname=host.name)
        writer.write(_request(parts, host))
        await writer.drain()
        return await _answer(reader, url)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _request(parts: SplitResult, host: Host) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or any(character <= " " for character in path):
        from urllib.parse import quote

        path = quote(path, safe="/?&=%:+,;@!$'()*~#[]")
    shown = f"[{host.name}]" if ":" in host.name else host.name
    plain = host.port == _WEB[parts.scheme]
    head = [
        ("Host", shown if plain else f"{shown}:{host.port}"),
        ("User-Agent", f"mato/{__version__}"),
        ("Accept", "text/html, text/plain, text/markdown, application/json, */*;q=0.5"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    client = h11.Connection(h11.CLIENT)
    said = client.send(h11.Request(method="GET", target=path, headers=head))
    return (said or b"") + (client.send(h11.EndOfMessage()) or b"")


async def _answer(reader: asyncio.StreamReader, url: str) -> tuple[Got, str]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = bytearray()
    cut = False
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(await reader.read(_PIECE))
            continue
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > LARGEST_BYTES:
                cut = True
                break
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    if head is None:
        raise OSError("it closed the connection without an answer")
    fields = {name.lower(): value for name, value in head.headers}
    media = fields.get(b"content-type", b"").split(b";")[0].strip().decode("latin-1").lower()
    got = Got(url, head.status_code, media, bytes(body[:LARGEST_BYTES]), cut)
    location = ""
    if head.status_code in _REDIRECTS and (led := fields.get(b"location")):
        from urllib.parse import urljoin

        location = urljoin(url, led.decode("latin-1"))
    return got, location
