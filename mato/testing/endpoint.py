"""A chat-completions endpoint on loopback that does what it is told: faults, streams, stalls.

An async context manager. Replies are given in their order, the last one again and again; requests
are kept as they came, to be looked at.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, cast

import msgspec

_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class ReplyCall(msgspec.Struct, frozen=True):
    """A tool call that the endpoint streams, its arguments in small parts."""

    name: str
    arguments: str
    call: str = "call_1"


class Reply(msgspec.Struct, frozen=True):
    """What one request gets."""

    text: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    calls: tuple[ReplyCall, ...] = ()
    finish: str = ""
    """Empty: by what is in it."""
    status: int = 200
    error: str = ""
    headers: Mapping[str, str] = {}
    usage: Mapping[str, Any] = {}
    """Over 100 prompt and 20 completion tokens."""
    cut_after: int | None = None
    """Events until the connection is lost."""
    cut: Literal["reset", "end"] = "reset"
    """end: the stream ends politely, but without its finish."""
    stall_after: int | None = None
    """Events until nothing more comes, with the connection open."""


class Asked(msgspec.Struct, frozen=True):
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Endpoint:
    """See the head of this file."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies) or [Reply(text=("ok",))]
        self.asked: list[Asked] = []
        self.url = ""
        """For OpenAI-compatible clients."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.hung_up = asyncio.Event()
        """Set when a client goes away in the middle of an answer that stalls."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()

    def tell(self, *replies: Reply) -> None:
        """Give these replies from now on, and forget what was asked."""
        self._replies = list(replies)
        self.asked.clear()
        self.hung_up.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (OSError, EOFError):
            self.hung_up.set()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = await reader.readline()
        if not line:
            return False
        headers: dict[str, str] = {}
        while (head := (await reader.readline()).decode().strip()) != "":
            name, _, value = head.partition(":")
            headers[name.lower()] = value.strip()
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        body = cast("dict[str, Any]", json.loads(raw or b"{}"))
        self.asked.append(Asked(line.decode().split()[1], headers, body))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if reply.status != 200:
            _error(writer, reply)
            await writer.drain()
            return True
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        return await self._stream(reader, writer, reply)

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply
    ) -> bool:
        for number, event in enumerate(_events(reply)):
            if number == reply.cut_after:
                if reply.cut == "reset":
                    _reset(writer)
                    return False
                break
            if number == reply.stall_after:
                await reader.read(1)  # which comes to nothing when the client hangs up
                self.hung_up.set()
                return False
            data = f"data: {event}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _error(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = json.dumps({"error": {"message": reply.error or "no", "type": "error"}}).encode()
    lines = [
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Error')}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    linger = struct.pack("ii", 1, 0)  # closing sends RST, as a crashed server or a lost link does
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def _events(reply: Reply) -> Sequence[str]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": part} for part in reply.reasoning]
    deltas += [{"content": part} for part in reply.text]
    for index, call in enumerate(reply.calls):
        function = {"name": call.name, "arguments": ""}
        opening = {"index": index, "id": call.call, "type": "function", "function": function}
        deltas.append({"tool_calls": [opening]})
    size = 7
    longest = max((len(call.arguments) for call in reply.calls), default=0)
    for start in range(0, longest, size):
        # Parallel calls interleave, as the format allows.
        for index, call in enumerate(reply.calls):
            if part := call.arguments[start : start + size]:
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    events = [_event(delta, None) for delta in deltas]
    events.append(_event({}, reply.finish or ("tool_calls" if reply.calls else "stop")))
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, **reply.usage}
    events.append(json.dumps({**_HEAD, "choices": [], "usage": usage}))
    return [*events, "[DONE]"]


_HEAD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "fake-1",
}


def _event(delta: dict[str, Any], finish: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({**_HEAD, "choices": [choice]})
