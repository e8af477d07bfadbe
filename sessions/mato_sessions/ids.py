"""Ids that sort by the time they were made, each kind its own type.

An id is a prefix, then 48 bits of milliseconds and 40 bits of chance in Crockford's base 32
(lower case, no i l o u), as in ULID: ``s-06c8x1k2mv-7h3k9wqz``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NewType

SessionId = NewType("SessionId", str)
AgentId = NewType("AgentId", str)
TurnId = NewType("TurnId", str)
CallId = NewType("CallId", str)
RequestId = NewType("RequestId", str)
PaneId = NewType("PaneId", str)
WindowId = NewType("WindowId", str)
GrantId = NewType("GrantId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10
_CHANCE_DIGITS = 8


def _base32(number: int, digits: int) -> str:
    return "".join(_ALPHABET[(number >> 5 * i) & 31] for i in reversed(range(digits)))


class Ids:
    """Makes ids from a time source (µs) and a source of random bytes, both passed in."""

    def __init__(self, wall_us: Callable[[], int], chance: Callable[[int], bytes] = os.urandom):
        self._wall_us = wall_us
        self._chance = chance

    def _make(self, prefix: str) -> str:
        millis = self._wall_us() // 1000
        chance = int.from_bytes(self._chance(5), "big")
        return f"{prefix}-{_base32(millis, _TIME_DIGITS)}-{_base32(chance, _CHANCE_DIGITS)}"

    def session(self) -> SessionId:
        return SessionId(self._make("s"))

    def agent(self) -> AgentId:
        return AgentId(self._make("a"))

    def turn(self) -> TurnId:
        return TurnId(self._make("t"))

    def call(self) -> CallId:
        return CallId(self._make("c"))

    def request(self) -> RequestId:
        return RequestId(self._make("r"))

    def pane(self) -> PaneId:
        return PaneId(self._make("p"))

    def window(self) -> WindowId:
        return WindowId(self._make("w"))

    def grant(self) -> GrantId:
        return GrantId(self._make("g"))
