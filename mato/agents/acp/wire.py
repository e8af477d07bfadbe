"""Messages over a child's stdin and stdout, for the SDK's connection; what is no message is borne.

Updates of the session do not go through the SDK: it gives each to a task of its own and refuses
what its schema does not have. Here they are taken one after another, and while one is taken nothing
more is read, so that a slow journal slows the agent and nothing is reordered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from mato.agents.acp import raw
from mato.agents.acp.child import Child
from mato.agents.acp.evidence import Evidence

UPDATE = "session/update"


class Wire:
    """An `acp` Transport. `take` is given the params of each update, `over` told of turns' ends."""

    def __init__(
        self,
        child: Child,
        evidence: Evidence,
        take: Callable[[object], Awaitable[None]],
        over: Callable[[], None],
    ) -> None:
        self._child = child
        self._evidence = evidence
        self._take = take
        self._over = over
        self.heard = asyncio.Event()
        """Set whenever a message comes; whoever waits for one clears it."""
        self.closed = asyncio.Event()
        """Nobody holds the other end any more."""

    async def send(self, message: dict[str, Any]) -> None:
        """Write a message; waits while the agent does not read."""
        line = json.dumps(message, separators=(",", ":"))
        self._evidence.add("out", line)
        self._child.writer.write(line.encode() + b"\n")
        await self._child.writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next request or response; None at the end."""
        while True:
            line = await self._line()
            if not line:
                self.closed.set()
                return None
            if not line.strip():
                continue
            self._evidence.add("in", line.decode("utf-8", "replace").rstrip("\r\n"))
            message = sound(line)
            if message is None:
                continue
            self.heard.set()
            if message.get("method") == UPDATE and "id" not in message:
                await self._take(message.get("params"))
                continue
            if "method" not in message and "stopReason" in raw.mapping(message.get("result")):
                self._over()  # at once: what is said next may be here already
            return message

    async def close(self) -> None:
        """Nothing more is sent."""
        self._child.writer.close()

    async def _line(self) -> bytes:
        reader = self._child.reader
        too_long = False
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                return end.partial
            except asyncio.LimitOverrunError as over:
                too_long = True
                await reader.readexactly(max(over.consumed, 1))
            except OSError:
                return b""
            else:
                return b"(a line longer than any message)\n" if too_long else line


def sound(line: bytes) -> dict[str, Any] | None:
    """A line as a JSON-RPC message that the SDK can take, or None where it is none."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        try:
            found = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    if not isinstance(found, dict):
        return None
    message = cast("dict[str, Any]", found)
    if "method" in message:
        named = isinstance(message["method"], str)
        return message if named and isinstance(message.get("id", 0), (int, str)) else None
    if not isinstance(message.get("id"), int):
        return None
    if "result" not in message and not isinstance(message.get("error"), dict):
        return {"id": message["id"], "error": {"message": str(message.get("error"))[:500]}}
    return message
