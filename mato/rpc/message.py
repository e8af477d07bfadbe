"""JSON-RPC 2.0 messages, bytes to structs and back (www.jsonrpc.org/specification)."""

from __future__ import annotations

from typing import Any

import msgspec

Id = int | str


class Malformed(Exception):
    """Not a JSON-RPC message; `code` is what the specification calls it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """The error member of an answer."""

    code: int
    message: str


class Message(msgspec.Struct, frozen=True):
    """Any message: a request has `method` and `id`, a notification no `id`, an answer no `method`.

    Batches (arrays) are not spoken here: the socket keeps order by itself.
    """

    jsonrpc: str = ""
    id: Id | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw()
    error: Fault | None = None


_DECODER = msgspec.json.Decoder(Message)
_ENCODER = msgspec.json.Encoder()


def decode(payload: bytes | memoryview) -> Message:
    """Parse one message.

    Raises:
        Malformed: not JSON (-32700), or not a message (-32600).
    """
    try:
        message = _DECODER.decode(payload)
    except msgspec.ValidationError as error:
        raise Malformed(-32600, f"not a JSON-RPC message: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(-32700, f"not JSON: {error}") from error
    if message.jsonrpc != "2.0":
        raise Malformed(-32600, f"not JSON-RPC 2.0 but {message.jsonrpc!r}")
    return message


def request(number: Id, method: str, params: Any) -> bytes:
    return _ENCODER.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def notification(method: str, params: Any) -> bytes:
    return _ENCODER.encode({"jsonrpc": "2.0", "method": method, "params": params})


def answer(number: Id, result: Any) -> bytes:
    return _ENCODER.encode({"jsonrpc": "2.0", "id": number, "result": result})


def refusal(number: Id | None, code: int, message: str) -> bytes:
    # A path that is no UTF-8 may stand in the sentence; JSON could not carry it.
    error = {"code": code, "message": message.encode("utf-8", "replace").decode()}
    return _ENCODER.encode({"jsonrpc": "2.0", "id": number, "error": error})
