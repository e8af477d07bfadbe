"""One request to the daemon for a command that must be fast: a blocking socket and json, no more.

Nothing here may import asyncio or msgspec: they cost more than all the rest of a hot command.
"""

from __future__ import annotations

import json
import os
import socket
import struct

from mato import __version__
from mato.protocol import faults
from mato.protocol.version import PROTOCOL
from mato_sessions.errors import DaemonError, NoDaemon

TYPE_CHECKING = False  # `typing` costs 4 ms
if TYPE_CHECKING:
    from typing import Any

    from mato.config.paths import Paths

ANSWER_S = 10.0
"""How long the daemon may take to say hello."""

_LENGTH = struct.Struct(">I")
_LARGEST_BYTES = 32 * 1024 * 1024


def request(
    paths: Paths,
    method: str,
    params: dict[str, Any],
    *,
    client: str = "quick",
    start: bool = True,
    timeout_s: float | None = None,
) -> dict[str, Any]:
    """What the daemon answers to one request; {} for methods without a result.

    Args:
        start: start the daemon when there is none.
        timeout_s: longest silence after the handshake; None: wait as long as it takes.

    Raises:
        MatoError: as the daemon answered it, or a `DaemonError` when there is none to ask.
    """
    hello = {"protocol": PROTOCOL, "mato": __version__, "client": client}
    # Both in one write: the handshake costs no round trip of its own.
    both = _message(0, "hello", hello) + _message(1, method, params)
    with _connect(paths, start) as connection:
        try:
            connection.settimeout(ANSWER_S)
            connection.sendall(both)
            _answer(connection, 0)
            connection.settimeout(timeout_s)
            return _answer(connection, 1)
        except TimeoutError as error:
            raise DaemonError(
                "the daemon does not answer; `mato daemon restart` starts a new one"
            ) from error
        except OSError as error:
            raise DaemonError(f"lost the daemon: {error.strerror}; try again") from error


def _connect(paths: Paths, start: bool) -> socket.socket:
    for attempt in range(2):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(ANSWER_S)
            connection.connect(os.fspath(paths.socket))
        except OSError as error:
            connection.close()
            if not start or attempt:
                raise none_running(error) from error
            from mato.client.start import start as start_daemon

            start_daemon(paths)
        else:
            return connection
    raise AssertionError("both attempts return or raise")


def none_running(error: OSError) -> DaemonError:
    """The sentence for a socket that could not be connected to."""
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return NoDaemon("no daemon is running; `mato` starts one")
    if isinstance(error, TimeoutError | BlockingIOError):
        return DaemonError("the daemon does not answer; `mato daemon restart` starts a new one")
    return DaemonError(f"cannot reach the daemon: {error.strerror or error}")


def _message(number: int, method: str, params: dict[str, Any]) -> bytes:
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    # Arguments of a command line may hold bytes that are no UTF-8, and JSON has no way to say them.
    payload = b"J" + json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    return _LENGTH.pack(len(payload)) + payload


def _answer(connection: socket.socket, number: int) -> dict[str, Any]:
    while True:
        (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
        if not 1 <= size <= _LARGEST_BYTES:
            raise DaemonError("the daemon sent something else than a frame; update Mato")
        payload = _exactly(connection, size)
        if payload[0] != ord("J"):
            continue
        message = json.loads(payload[1:])
        if message.get("method") == "goodbye":
            reason = message.get("params", {}).get("reason", "")
            raise DaemonError(f"the daemon said goodbye: {reason}")
        # An error without an id answers something that could not even be read.
        if "method" in message or message.get("id") not in (number, None):
            continue
        if error := message.get("error"):
            raise faults.error_of(error["code"], error["message"])
        return message.get("result") or {}


def _exactly(connection: socket.socket, size: int) -> bytearray:
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        count = connection.recv_into(view[done:])
        if not count:
            raise DaemonError("the daemon closed the connection; try again")
        done += count
    return buffer
