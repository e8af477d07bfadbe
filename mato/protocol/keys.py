"""Requests about the keys that a person keeps with Mato. No value ever travels."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from mato.protocol.request import Request


class ReadKeys(Request, frozen=True, kw_only=True):
    """Read the kept keys again: one was added, or removed."""

    method: ClassVar[str] = "keys.read"


class ReadKeysResult(msgspec.Struct, frozen=True):
    names: tuple[str, ...]
    """Variables of the keys that models can now be asked with."""


ReadKeys.Result = ReadKeysResult
