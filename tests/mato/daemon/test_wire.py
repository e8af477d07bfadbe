"""What a connection may say: the handshake, garbage, giants, strangers; others never notice."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mato.client.connection import Client
from mato.protocol.methods import ListSessions, NewSession, Status
from mato.protocol.version import PROTOCOL
from mato.testing.daemon import Daemon, running

HELLO = {"protocol": PROTOCOL, "mato": "0", "client": "raw"}


class Raw:
    """A connection without any manners."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, daemon: Daemon, *, hello: bool = True) -> Raw:
        raw = cls(*await asyncio.open_unix_connection(str(daemon.paths.socket)))
        if hello:
            assert "result" in await raw.ask("hello", HELLO)
        return raw

    def frame(self, payload: bytes) -> None:
        self.writer.write(struct.pack(">I", len(payload)) + payload)

    async def ask(self, method: str, params: Any, number: int | None = 1) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        self.frame(b"J" + msgspec.json.encode(message))
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        (size,) = struct.unpack(">I", await self.reader.readexactly(4))
        payload = await self.reader.readexactly(size)
        assert payload[:1] == b"J"
        return msgspec.json.decode(payload[1:])

    async def is_closed(self) -> bool:
        """Reads to the end; the daemon may say something before."""
        try:
            async with asyncio.timeout(5):
                await self.reader.read()
        except ConnectionError:
            pass
        self.writer.close()
        return True


async def _works(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        await client.request(ListSessions())


async def test_another_protocol_gets_a_sentence_with_both_versions(daemon: Daemon) -> None:
    raw = await Raw.connect(daemon, hello=False)
    answer = await raw.ask("hello", {**HELLO, "protocol": 99, "mato": "9.9"})
    assert answer["error"]["code"] == 8
    for part in ("99", "mato 9.9", f"speaks {PROTOCOL}", "mato daemon restart"):
        assert part in answer["error"]["message"]
    assert await raw.is_closed()


async def test_whatever_comes_before_hello_is_refused(daemon: Daemon) -> None:
    raw = await Raw.connect(daemon, hello=False)
    answer = await raw.ask("session.list", {})
    assert answer["error"]["code"] == -32600
    assert await raw.is_closed()


@pytest.mark.parametrize(
    "payload",
    [b"", b"X", b"J", b"Jnot json", b"J[]", b"J" + b"[" * 100_000, b"J{}", b"J\xff\xfe", b"E\x90"],
)
async def test_garbage_ends_its_own_connection_only(daemon: Daemon, payload: bytes) -> None:
    async with await daemon.client() as other:
        raw = await Raw.connect(daemon)
        raw.frame(payload)
        assert await raw.is_closed()
        await other.request(ListSessions())


@pytest.mark.parametrize("head", [b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_frame_that_is_too_long_is_not_read(daemon: Daemon, head: bytes) -> None:
    raw = await Raw.connect(daemon)
    raw.writer.write(head)
    assert await raw.is_closed()
    await _works(daemon)


async def test_a_connection_cut_in_the_middle_of_a_frame_harms_nobody(daemon: Daemon) -> None:
    raw = await Raw.connect(daemon)
    raw.writer.write(struct.pack(">I", 5000) + b'J{"jsonrpc"')
    raw.writer.close()
    await _works(daemon)


async def test_unknown_methods_and_wrong_parameters_are_json_rpc_errors(daemon: Daemon) -> None:
    raw = await Raw.connect(daemon)
    assert (await raw.ask("session.explode", {}))["error"]["code"] == -32601
    assert (await raw.ask("hello", HELLO))["error"]["code"] == -32601
    wrong = (await raw.ask("session.rename", {"session": 3}))["error"]
    assert wrong["code"] == -32602
    assert "session.rename" in wrong["message"]
    assert "$.session" in wrong["message"]
    silent = await raw.ask("session.list", {}, number=None)
    assert silent["error"]["code"] == -32600
    assert "result" in await raw.ask("session.list", {})
    raw.writer.close()


async def test_a_request_without_end_is_no_reason_to_take_endless_ones(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as client:
        await client.request(NewSession(cwd=str(folder), name="one"))
    raw = await Raw.connect(daemon)
    for number in range(300):
        params = {"session": "one", "until": "working"}
        message = {"jsonrpc": "2.0", "id": number, "method": "agent.wait", "params": params}
        raw.frame(b"J" + msgspec.json.encode(message))
    refused = [await raw.answer() for _ in range(300 - 256)]
    assert {answer["error"]["code"] for answer in refused} == {2}
    assert sorted(answer["id"] for answer in refused) == list(range(256, 300))
    raw.writer.close()
    await _works(daemon)


async def test_an_unexpected_error_is_one_sentence_and_a_traceback_in_the_log(
    daemon: Daemon,
) -> None:
    daemon.paths.journal.unlink()
    async with await daemon.client() as client:
        with pytest.raises(Exception, match=r"daemon\.status went wrong.*mato daemon logs") as told:
            await client.request(Status())
    assert "Traceback" not in str(told.value)
    log = daemon.paths.log.read_text()
    assert "Traceback" in log
    assert "FileNotFoundError" in log


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_another_user_is_not_served(tmp_path: Path) -> None:
    # Folders of its own: those opened wide below must not be those of other tests.
    with tempfile.TemporaryDirectory(prefix="mato-", dir="/tmp") as runtime:
        async with running(tmp_path / "home", {"XDG_RUNTIME_DIR": runtime}) as daemon:
            # Opened wide on purpose: the credentials alone must hold.
            for place in (Path(runtime), daemon.paths.runtime, daemon.paths.socket):
                os.chmod(place, 0o777)
            await _a_stranger_calls(daemon)


async def _a_stranger_calls(daemon: Daemon) -> None:
    code = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])\n"
        "try:\n"
        "    s.sendall(b'\\0\\0\\0\\1J')\n"
        "    print(len(s.recv(1)))\n"
        "except ConnectionError:\n"
        "    print(0)\n"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-c", code, str(daemon.paths.socket)],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "0", done.stderr
    assert "refused a connection of user 65534" in daemon.paths.log.read_text()
    await _works(daemon)


async def test_what_clients_call_themselves_cannot_dirty_the_log(daemon: Daemon) -> None:
    raw = await Raw.connect(daemon, hello=False)
    await raw.ask("hello", {**HELLO, "protocol": 7, "client": "\x1b[2J\nforged line"})
    assert await raw.is_closed()
    log = daemon.paths.log.read_text()
    assert "\x1b" not in log
    assert "\nforged line" not in log
    assert "forged line" in log


async def test_a_stranger_on_the_socket_is_no_daemon(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    daemon.paths.runtime.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(daemon.paths.socket))
        stranger.listen()
        stranger.setblocking(False)
        loop = asyncio.get_running_loop()

        async def talk() -> None:
            accepted, _ = await loop.sock_accept(stranger)
            with accepted:
                await loop.sock_recv(accepted, 4096)  # else its close would lose what it says
                await loop.sock_sendall(accepted, b"SSH-2.0-OpenSSH_9.2\r\n")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(talk())
            with pytest.raises(Exception, match="something else than a frame"):
                await Client.connect(daemon.paths, start=False)
    daemon.paths.socket.unlink()
