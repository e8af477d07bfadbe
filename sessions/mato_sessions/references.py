"""Which blobs the body of an event names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from mato_sessions import codec
from mato_sessions.events import BlobRef, Unknown

MARK = b'"sha256"'
"""Is in every body that names a blob, and in few others."""
_DIGEST = re.compile(rb"[0-9a-f]{64}")


def blobs(kind: str, version: int, data: bytes) -> list[bytes]:
    """The digests that a body of the vocabulary refers to; of one that is unknown, none."""
    if MARK not in data:
        return []
    body = codec.decode(kind, version, data)
    return [bytes.fromhex(ref.sha256) for ref in _refs(body) if _whole(ref)]


def possible_blobs(kind: str, version: int, data: bytes) -> list[bytes]:
    """The same, and of an unknown body all that could be one: for who must not lose any."""
    if isinstance(codec.decode(kind, version, data), Unknown):
        return [bytes.fromhex(digits.decode()) for digits in _DIGEST.findall(data)]
    return blobs(kind, version, data)


def _refs(value: object) -> Iterator[BlobRef]:
    # Mappings are what a model wrote: what looks like a reference there is none.
    match value:
        case BlobRef():
            yield value
        case msgspec.Struct():
            for field in value.__struct_fields__:
                yield from _refs(getattr(value, field))
        case list() | tuple():
            for item in cast("list[Any] | tuple[Any, ...]", value):
                yield from _refs(item)
        case _:
            pass


def _whole(ref: BlobRef) -> bool:
    return _DIGEST.fullmatch(ref.sha256.encode()) is not None
