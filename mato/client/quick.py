"""One request to the daemon for a command that must be fast: a blocking socket and json, no more.

Nothing here may import asyncio or msgspec: they cost more than all the rest of a hot command.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time

from mato import __version__
from mato.protocol import faults
from mato.protocol.version import PROTOCOL, READABLE, older, read_only
from mato_sessions.errors import DaemonError, NoDaemon, ReadOnly, VersionMismatch

TYPE_CHECKING = False  # `typing` costs 4 ms
if TYPE_CHECKING:
    from typing import Any

    from mato.config.paths import Paths

ANSWER_S = 10.0
"""How long the daemon may take to say hello."""

SUCCESSOR_S = 20.0
"""A successor that was announced and has not come by then is started from here."""

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

    Where the daemon restarts meanwhile, what only observes is asked of its successor.

    Args:
        start: start the daemon when there is none.
        timeout_s: longest silence after the handshake; None: wait as long as it takes.

    Raises:
        ReadOnly: the daemon speaks an older protocol, and `method` would change something.
        MatoError: as the daemon answered it, or a `DaemonError` when there is none to ask.
    """
    begun = time.monotonic()
    asked = params
    while True:
        try:
            return _understood(paths, method, asked, client, start, timeout_s)
        except _Restarts:
            if method not in READABLE:
                raise
            start = _wait_for_successor(paths) or start
            if limit := params.get("timeout_s"):
                asked = {**params, "timeout_s": max(limit - (time.monotonic() - begun), 0.0)}


class _Restarts(DaemonError):
    """The daemon said goodbye, and that another follows."""


def _wait_for_successor(paths: Paths) -> bool:
    """Wait until a daemon serves again; True: it has to be started, as nobody has done it."""
    deadline = time.monotonic() + SUCCESSOR_S
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as knocking:
            if knocking.connect_ex(os.fspath(paths.socket)) == 0:
                return False
        time.sleep(0.1)
    return True


def _understood(
    paths: Paths,
    method: str,
    params: dict[str, Any],
    client: str,
    start: bool,
    timeout_s: float | None,
) -> dict[str, Any]:
    """The answer, in the newest protocol that both sides speak."""
    try:
        return _ask(paths, PROTOCOL, client, method, params, start, timeout_s)
    except VersionMismatch as refusal:
        for protocol in older():
            try:
                return _ask(paths, protocol, client, method, params, start, timeout_s)
            except ReadOnly:
                raise
            except VersionMismatch:
                continue
        # It speaks none of the older ones, so it is newer: its own sentence holds.
        raise refusal


def _ask(
    paths: Paths,
    protocol: int,
    client: str,
    method: str,
    params: dict[str, Any],
    start: bool,
    timeout_s: float | None,
) -> dict[str, Any]:
    """The answer of a daemon that speaks `protocol`."""
    hello = _message(0, "hello", {"protocol": protocol, "mato": __version__, "client": client})
    asked = _message(1, method, params)
    with _connect(paths, start) as connection:
        try:
            connection.settimeout(ANSWER_S)
            # Both in one write: the handshake costs no round trip of its own. But a daemon that
            # may only be looked at is not sent what would change something.
            connection.sendall(hello + asked if protocol == PROTOCOL else hello)
            welcome = _answer(connection, 0)
            sentence = read_only(str(welcome["mato"])[:40], protocol)
            if sentence:
                if method not in READABLE:
                    raise ReadOnly(sentence)
                connection.sendall(asked)
            connection.settimeout(timeout_s)
            return _answer(connection, 1, sentence)
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


def _answer(connection: socket.socket, number: int, sentence: str = "") -> dict[str, Any]:
    while True:
        (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
        if not 1 <= size <= _LARGEST_BYTES:
            raise DaemonError("the daemon sent something else than a frame; update Mato")
        payload = _exactly(connection, size)
        if payload[0] != ord("J"):
            continue
        message = json.loads(payload[1:])
        if message.get("method") == "goodbye":
            farewell = message.get("params", {})
            kind = _Restarts if farewell.get("restart") else DaemonError
            raise kind(f"the daemon said goodbye: {farewell.get('reason', '')}")
        # An error without an id answers something that could not even be read.
        if "method" in message or message.get("id") not in (number, None):
            continue
        if error := message.get("error"):
            raise faults.told(error["code"], error["message"], sentence)
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
