"""What every event body is: a frozen struct with a kind and a version."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A past-tense fact. Fields may be added with a default; anything else is a new version."""

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1


class Unknown(Body, frozen=True, kw_only=True):
    """A kind or version that this Mato does not know: kept byte for byte, shown as unknown."""

    raw: msgspec.Raw
    """The body's canonical bytes."""


class Purged(Body, frozen=True, kw_only=True):
    """A body that retention has taken away; what is left is what the chain covers."""

    sha256: str
    """Of the canonical bytes that were there, 64 hex digits."""


class BlobRef(msgspec.Struct, frozen=True):
    """Points at content in the blob table."""

    sha256: str
    """64 hex digits."""
    size_bytes: int
