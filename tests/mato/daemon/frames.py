"""Makes frames that no client of ours would send, from the protocol's own types."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from mato.protocol import methods as m
from mato.protocol.version import PROTOCOL
from mato.rpc import message

HOSTILE: list[Any] = [
    *("", " ", "a" * 5000, "\x1b]0;x\x07", "\u202e", "\0", "a:b", "../..", "\ud800", "-", "s-"),
    *("c-", "/", "/proc/self/root", "/dev/stdin", "nan", "\u0000\uffff", "t-1", "%s{0}"),
    *(None, 0, -1, 1e308, 2**70, -(2**63), [], {}, True, ["x"] * 100, {"a": {"b": [{}]}}),
]
TEXTS = tuple(each for each in HOSTILE if isinstance(each, str))
HELLO = {"protocol": PROTOCOL, "mato": "", "client": ""}
LAST = b'J{"jsonrpc":"2.0","id":"last","method":"daemon.status","params":{}}'
NESTED = b'{"jsonrpc":"2.0","id":1,"method":"session.arrange","params":' + b"[" * 100_000
METHODS = {name: kind for name, kind in m.METHODS.items() if kind not in (m.Shutdown, m.Hello)}
"""All but the one that ends the daemon, and the one that comes first."""
_ODDS = [0.1 if kind in (m.Kill, m.KillAll) else 1.0 for kind in METHODS.values()]
"""What ends everybody leaves little to try."""
_TYPES = {name: inspect.type_info(kind) for name, kind in m.METHODS.items()}


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


class Frames:
    """The same frames for the same seed. `known` are texts that name something there, by the field
    that they belong to; "" has those that fit anywhere."""

    def __init__(self, seed: str, known: Mapping[str, tuple[str, ...]]) -> None:
        self._chance = random.Random(seed)
        self._known = known

    def choose(self, odds: float) -> bool:
        return self._chance.random() < odds

    def hello(self) -> bytes:
        """What a client of ours says first."""
        return framed(b"J" + message.request(0, "hello", HELLO))

    def bad_hello(self) -> bytes:
        """A first frame that is not quite one, or none at all."""
        if self.choose(0.5):
            return self._bent(self._said("hello", _TYPES["hello"]))
        return self._bent(message.request(0, "hello", HELLO))

    def request(self, method: str = "") -> bytes:
        """A request, of some method unless one is named; most parameters are of the right sort."""
        return framed(b"J" + self._request(method))

    def garbage(self) -> bytes:
        """What breaks the protocol, and sometimes only the method's."""
        match self._chance.randrange(5):
            case 0:
                return self._chance.randbytes(self._chance.randint(0, 60))
            case 1:
                size = self._chance.choice([0, 1, 2**31, 2**32 - 1])
                return struct.pack(">I", size) + b"J{}"
            case 2 if self.choose(0.2):
                return framed(b"J" + NESTED)
            case _:
                return self._bent(self._request(""))

    def _request(self, method: str) -> bytes:
        if not method:
            [method] = self._chance.choices([*METHODS], _ODDS)
        return self._said(method, _TYPES[method])

    def _said(self, method: str, kind: inspect.Type) -> bytes:
        number = self._chance.choice([1, 2, "x", "last-1", -(2**62)])
        params = self._value(kind, "", 0)
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return json.dumps(asked, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _bent(self, payload: bytes) -> bytes:
        """The payload with some bytes other than they were, as a frame."""
        data = bytearray(b"J" + payload)
        for _ in range(self._chance.randint(1, 3)):
            at = self._chance.randrange(len(data))
            match self._chance.randrange(3):
                case 0:
                    data[at] = self._chance.randrange(256)
                case 1:
                    del data[at : at + self._chance.randint(1, 9)]
                case _:
                    data[at:at] = self._chance.choice((b'"', b"\xff", b"}", b"[", b"\\ud800", b"9"))
            data = data or bytearray(b"J")
        return framed(bytes(data))

    def _value(self, kind: inspect.Type, name: str, depth: int) -> Any:
        if depth and self.choose(0.04):
            return self._chance.choice(HOSTILE)
        match kind:
            case inspect.StructType(fields=fields):
                return {
                    field.encode_name: self._value(field.type, field.name, depth + 1)
                    for field in fields
                    if field.required or self.choose(0.5)
                } | self._tag(kind)
            case inspect.UnionType(types=types):
                return self._value(self._chance.choice(types), name, depth)
            case inspect.LiteralType(values=values):
                return self._chance.choice(values)
            case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
                count = 0 if depth > 6 else self._chance.randint(0, 3)
                return [self._value(item, name, depth + 1) for _ in range(count)]
            case inspect.DictType(key_type=key, value_type=value):
                return {
                    str(self._value(key, name, depth + 1)): self._value(value, name, depth + 1)
                    for _ in range(self._chance.randint(0, 2))
                }
            case inspect.StrType():
                return self._text(name)
            case inspect.BoolType():
                return self.choose(0.5)
            case inspect.IntType():
                return self._chance.choice([0, 1, 2, 80, -1, 2**31, 2**62])
            case inspect.FloatType():
                return self._chance.choice([0, 0.01, 0.5, -1])
            case inspect.NoneType():
                return None
            case _:
                return self._chance.choice(HOSTILE)

    def _tag(self, kind: inspect.StructType) -> dict[str, Any]:
        return {kind.tag_field: kind.tag} if kind.tag_field else {}

    def _text(self, name: str) -> str:
        if self.choose(0.25):
            return self._chance.choice(TEXTS)
        return self._chance.choice(self._known.get(name) or self._known[""])


def types_of(frames: Frames, method: str, times: int) -> int:
    """How many of so many requests of a method the protocol's types let through."""
    passed = 0
    for _ in range(times):
        try:
            asked = message.decode(frames.request(method)[5:])
            msgspec.json.decode(asked.params, type=m.METHODS[method])
        except (message.Malformed, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        passed += 1
    return passed
