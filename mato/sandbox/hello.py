"""Reads whom a TLS client says it wants to speak to, from the first bytes that it sends.

A proxy that looks at names only in CONNECT lets a client ask for one host and then speak to another
at the same address (RFC 6066 §3, RFC 8446 §4.1.2).
"""

from __future__ import annotations

from typing import Literal

import msgspec

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _ENCRYPTED_HELLO = 0, 0xFE0D
_LARGEST = 32 * 1024


class Hello(msgspec.Struct, frozen=True):
    """What was found."""

    kind: Literal["more", "tls", "other", "hidden"]
    """``more``: not all of it is there yet; ``other``: it is no TLS; ``hidden``: the name may be
    another than the one that can be read."""
    name: str = ""


class _Cut(Exception):
    """It ends too early."""


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise _Cut
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def part(self, size: int) -> _Bytes:
        """What stands behind its own length of `size` bytes."""
        return _Bytes(self.take(self.number(size)))


def read(data: bytes) -> Hello:
    """What the first bytes of a client say."""
    if data[:1] not in (b"", bytes([_HANDSHAKE])) or data[1:2] not in (b"", b"\3"):
        return Hello("other")
    try:
        message = _message(_Bytes(data))
    except _Cut:
        return Hello("other") if len(data) > _LARGEST else Hello("more")
    try:
        return _name(message)
    except (_Cut, UnicodeDecodeError):
        return Hello("hidden")


def _message(records: _Bytes) -> _Bytes:
    """The first handshake message, which may be spread over several records."""
    said = b""
    while True:
        if len(said) >= 4 and len(said) >= (size := 4 + int.from_bytes(said[1:4], "big")):
            return _Bytes(said[:size])
        if records.number(1) != _HANDSHAKE:
            return _Bytes(b"")
        records.take(2)
        said += records.take(records.number(2))


def _name(message: _Bytes) -> Hello:
    if message.number(1) != _CLIENT_HELLO:
        return Hello("hidden")
    hello = message.part(3)
    hello.take(2 + 32)  # version and random
    for size in (1, 2, 1):  # session, ciphers, compression
        hello.part(size)
    name: str | None = None
    extensions = hello.part(2)
    while extensions:
        kind = extensions.number(2)
        content = extensions.part(2)
        if kind == _ENCRYPTED_HELLO or (kind == _SERVER_NAME and name is not None):
            return Hello("hidden")
        if kind == _SERVER_NAME:
            names = content.part(2)
            if names.number(1) != 0:
                return Hello("hidden")
            name = names.part(2).rest().decode("ascii")
            if names:
                return Hello("hidden")
    return Hello("tls", name or "")
