"""A command reaches the hosts of its list through its own door, and no others."""

from __future__ import annotations

import asyncio
import http.server
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from mato.config.hosts import Allowed, Host
from mato.processes import MARKER
from mato.sandbox.line import Traffic, interpreter
from mato.sandbox.proxy import Proxy
from mato.sandbox.reach import Reach
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Offer, Tier
from mato_sessions.errors import ConfigError
from mato_sessions.events.agent import Hole

Ask = Callable[[bytes], Awaitable[bytes]]


class Answers(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = f"{self.requestline}|{self.headers['Host']}|{body.decode()}|{self.headers}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Not."""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a web server of this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1]
        serving.shutdown()


def _run(
    sandbox: Sandbox, work: Path, code: str, network: tuple[str, ...], tier: Tier = "full"
) -> tuple[str, Traffic]:
    """What a Python program says in a sandbox with that network."""
    confinement = sandbox.confine(tier, hole=Hole(network=network))
    env = {"PATH": os.defpath, "HOME": str(work.parent / "home"), MARKER: "test"}
    env["HTTPS_PROXY"] = "http://key:hush@proxy.example"
    python = interpreter()
    try:
        command = [str(python), "-I", "-c", code]
        start = confinement.begin(work, env, command)
        assert start is not None
        done = subprocess.run(
            start.command,
            cwd=work,
            env=start.env,
            pass_fds=start.handles,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout + done.stderr, confinement.traffic()
    finally:
        confinement.end()


def test_a_listed_port_of_this_machine_is_reached_and_no_other(
    sandbox: Sandbox, full: Tier, work: Path, server: int
):
    other = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(other.getsockname(), 5).close()  # from outside it is open
    code = (
        "import urllib.request as u, socket\n"
        f"print(u.urlopen('http://127.0.0.1:{server}/there').read().decode())\n"
        f"for port in (1, 22, 3129, {other.getsockname()[1]}):\n"
        "    try: socket.create_connection(('127.0.0.1', port), 2); print('open', port)\n"
        "    except OSError as error: print('shut')\n"
    )
    said, _ = _run(sandbox, work, code, (f"localhost:{server}",))
    assert "GET /there HTTP/1.1" in said
    other.close()
    assert said.count("shut") == 4 and "open" not in said


def test_a_host_that_is_not_listed_is_refused_in_one_line(sandbox: Sandbox, full: Tier, work: Path):
    code = (
        "import urllib.request as u\n"
        "for url in ('https://evil.example/', 'http://evil.example:8080/x', 'http://10.0.0.1/'):\n"
        "    try: print('reached', u.urlopen(url).read())\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    said, traffic = _run(sandbox, work, code, ("pypi.org",))
    assert "reached" not in said and said.count("403") == 3
    assert traffic == Traffic(
        (),
        (
            "evil.example is not among the hosts that are allowed",
            "evil.example:8080 is not among the hosts that are allowed",
            "10.0.0.1:80 is not among the hosts that are allowed",
        ),
    )


def test_nothing_of_the_way_out_can_be_used_a_second_time(sandbox: Sandbox, full: Tier, work: Path):
    code = (
        "import os, socket\n"
        "try: socket.socket(socket.AF_UNIX).connect('/run/mato/line'); print('open')\n"
        "except OSError as error: print('shut', error)\n"
        "print(sorted(os.listdir('/proc/self/fd')))\n"
        "print(os.environ['HTTPS_PROXY'])\n"
    )
    before = threading.active_count()
    said, _ = _run(sandbox, work, code, ("pypi.org",))
    assert "shut" in said
    assert "['0', '1', '2', '3']" in said  # 3 is the listing itself
    assert "http://127.0.0.1:3128" in said and "hush" not in said
    for thread in threading.enumerate():
        if thread.name == "mato-line":
            thread.join(10)
    assert threading.active_count() <= before


def test_a_program_with_a_terminal_has_a_network_too(
    sandbox: Sandbox, full: Tier, work: Path, server: int
):
    confinement = sandbox.confine(full, hole=Hole(network=(f"localhost:{server}",)))
    code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{server}/t').read())"
    try:
        env = {"PATH": os.defpath, "HOME": str(work)}
        command = [str(interpreter()), "-I", "-c", code]
        start = confinement.begin(work, env, command, terminal=True)
        assert start is not None and start.handles == ()
        done = subprocess.run(
            start.command, cwd=work, env=start.env, capture_output=True, text=True, timeout=60
        )
    finally:
        confinement.end()
    assert "GET /t HTTP/1.1" in done.stdout, done.stderr


def test_a_command_that_never_began_leaves_no_way_out(sandbox: Sandbox, full: Tier, work: Path):
    confinement = sandbox.confine(full, hole=Hole(network=("pypi.org",)))
    assert confinement.begin(work, {"HOME": str(work)}, ["true"]) is not None
    confinement.end()
    for thread in threading.enumerate():
        if thread.name == "mato-line":
            thread.join(10)
            assert not thread.is_alive()


def test_a_tier_that_cannot_open_a_part_of_the_network_opens_nothing(
    sandbox: Sandbox, offer: Offer
):
    if "partial" not in offer.works:
        pytest.skip("no Landlock here")
    with pytest.raises(ConfigError, match=r"pypi\.org alone needs .* 'full'"):
        sandbox.confine("partial", hole=Hole(network=("pypi.org",)))


@pytest.fixture
async def ask(server: int) -> AsyncIterator[Ask]:
    """Says something to a proxy that takes a.example for this machine; gives its answer."""
    allowed = Allowed(
        frozenset({Host("a.example", server), Host("a.example", 443), Host("127.0.0.1", 1)})
    )

    async def resolve(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    reach = Reach(allowed, resolve)
    told: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Proxy(reach, lambda host, why: told.append(why)).serve(reader, writer)
        writer.close()

    serving = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = serving.sockets[0].getsockname()[1]

    async def say(words: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(words)
        said = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        return said + "".join(told).encode()

    async with serving:
        yield say


async def test_a_plain_request_is_made_anew_for_the_host_that_it_names(ask: Ask, server: int):
    said = await ask(
        f"POST http://A.example:{server}/p?q HTTP/1.1\r\nHost: evil.example\r\n"
        "Proxy-Authorization: Basic hush\r\nX-Own: yes\r\nContent-Length: 2\r\n\r\nhi"
        f"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode()
    )
    assert f"POST /p?q HTTP/1.1|a.example:{server}|hi|".encode() in said
    assert b"X-Own: yes" in said and b"hush" not in said and b"evil" not in said


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"GET http://a.example@evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n", b"403"),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"CONNECT a.example:22 HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"CONNECT [::1]:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"CONNECT :443 HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"CONNECT a.example:4x3 HTTP/1.1\r\nHost: a.example\r\n\r\n", b"403"),
        (b"CONNECT a.example:443\r\n\r\n", b"400"),
        (b"\x16\x03\x01 not http", b"400"),
        (b"GET http://a.example/ HTTP/1.1\r\n" + b"X: " + b"y" * 100_000, b"400"),
    ],
)
async def test_whatever_else_is_said_to_it_is_refused(ask: Ask, words: bytes, status: bytes):
    assert (await ask(words)).startswith(b"HTTP/1.1 " + status)


async def test_a_tunnel_is_for_the_host_that_it_was_opened_for(ask: Ask, server: int):
    opening = f"CONNECT a.example:{server} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    # Not on 443 whatever is spoken there may be spoken …
    said = await ask(opening + b"GET /in HTTP/1.0\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200") and b"GET /in HTTP/1.0" in said
    # … but TLS names its own host, and that is looked at.
    said = await ask(opening + _client_hello("evil.example"))
    assert b"'evil.example' was asked for behind the name of a.example" in said
    said = await ask(opening + _client_hello("A.example"))
    assert said.count(b"asked for behind") == 1 and b"400" in said  # what was told before; its own


def _client_hello(name: str) -> bytes:
    out = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()
