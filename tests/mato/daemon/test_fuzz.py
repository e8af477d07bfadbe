"""Frames that no client of ours would send, by the hundred: the daemon answers or hangs up."""

from __future__ import annotations

import asyncio
import json
import random
import struct
from pathlib import Path
from typing import Any

import msgspec

from mato.protocol import methods as m
from mato.protocol.version import PROTOCOL
from mato.rpc import message
from mato.testing.daemon import Daemon

HOSTILE: list[Any] = [
    *(
        "",
        " ",
        "a" * 5000,
        "\x1b]0;x\x07",
        "\u202e",
        "\0",
        "a:b",
        "../..",
        "\ud800",
        "-",
        "s-",
        "c-",
    ),
    *(None, 0, -1, 1e308, 2**70, [], {}, True, ["x"] * 100, {"a": {"b": [{}]}}),
]
HELLO = b"J" + message.request(0, "hello", {"protocol": PROTOCOL, "mato": "", "client": ""})
LAST = b'J{"jsonrpc":"2.0","id":"last","method":"daemon.status","params":{}}'
NESTED = b'{"jsonrpc":"2.0","id":1,"method":"session.arrange","params":' + b"[" * 100_000


def _framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


class Fuzz:
    """Makes frames, the same ones for the same seed."""

    def __init__(self, seed: int, known: list[str]) -> None:
        self._chance = random.Random(seed)
        self._known = known

    def request(self) -> bytes:
        """A request of some method, its parameters of the right sort more often than not."""
        return _framed(b"J" + self._request())

    def garbage(self) -> bytes:
        """What breaks the protocol, and sometimes only the method's."""
        chance = self._chance.random()
        if chance < 0.2:
            return self._chance.randbytes(self._chance.randint(0, 60))
        if chance < 0.4:
            return struct.pack(">I", self._chance.choice([0, 1, 2**31, 2**32 - 1])) + b"J{}"
        if chance < 0.5:
            return _framed(b"J" + NESTED)
        changed = bytearray(b"J" + self._request())
        changed[self._chance.randrange(len(changed))] = self._chance.randrange(256)
        return _framed(bytes(changed))

    def _request(self) -> bytes:
        method = self._chance.choice([name for name in m.METHODS if name != m.Shutdown.method])
        fields = msgspec.structs.fields(m.METHODS[method])
        params = {field.encode_name: self._value(field.type) for field in fields}
        number = self._chance.choice([1, 2, "x"])
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")

    def _value(self, expected: Any) -> Any:
        if self._chance.random() < 0.1:
            return self._chance.choice(HOSTILE)
        if expected is str:
            texts = [each for each in HOSTILE if isinstance(each, str)]
            return self._chance.choice(texts + self._known * 3)
        if expected is int:
            return self._chance.choice([0, 1, -1, 2**62])
        if expected is bool:
            return self._chance.random() < 0.5
        if "float" in str(expected):
            return self._chance.choice([0, 0.01, -1])
        return self._chance.choice(["ended", "idle", "read", *HOSTILE])


async def test_a_daemon_outlives_a_thousand_hostile_frames(daemon: Daemon, folder: Path) -> None:
    async with await daemon.client() as client:
        new = await client.request(m.NewSession(cwd=str(folder), name="one", task="talk on"))
    fuzz = Fuzz(1, ["one", new.session, new.agents[0].id, "coder", str(folder), "hello"])
    answers: list[bytes] = []
    for number in range(100):
        reader, writer = await asyncio.open_unix_connection(str(daemon.paths.socket))
        writer.write(_framed(HELLO))
        if number % 4:  # one bad frame ends a connection, so they come after good ones
            frames = [*(fuzz.request() for _ in range(4)), fuzz.garbage(), fuzz.garbage()]
        else:
            frames = [fuzz.request() for _ in range(30)]
        writer.write(b"".join(frames) + _framed(LAST))
        await _read(reader, answers)
        writer.close()
    errors = [error["code"] for raw in answers if (error := json.loads(raw).get("error"))]
    assert {-32602, 2, 3} <= set(errors), "some were let through to where they are judged"
    assert -32603 not in errors, "the daemon failed inside"
    log = await asyncio.to_thread(daemon.paths.log.read_text)
    assert "Traceback" not in log, log
    async with await daemon.client() as client:
        status = await client.request(m.Status())
        assert (status.pid, status.epoch) == (daemon.pid, 1)
        agents = (await client.request(m.Stop(session=new.session))).agents
        assert agents in (("coder",), ()), "somebody may have stopped or ended it"


async def _read(reader: asyncio.StreamReader, answers: list[bytes]) -> None:
    """Until the daemon hangs up, or has answered all that was sent."""
    try:
        while True:
            (size,) = struct.unpack(">I", await reader.readexactly(4))
            payload = await reader.readexactly(size)
            if payload[:1] == b"J":
                answers.append(payload[1:])
                if json.loads(payload[1:]).get("id") == "last":
                    return
    except (EOFError, ConnectionError):
        return
