"""The process that holds one MCP connection, through the official SDK; in the server's sandbox.

``python -m mato.mcp.process``. The SDK costs a second to load and reads what a stranger's program
writes, so neither is in the daemon. It ends when its stdin is closed, which also happens when its
parent dies; the server's program ends with it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from mato.mcp.pins import Offer, Offers
from mato.mcp.wire import (
    DECODER,
    LIMIT_BYTES,
    Answer,
    Ask,
    Broken,
    Data,
    Drop,
    Open,
    Opened,
    Text,
    ToProcess,
)
from mato.rpc.pipes import Wire, claim_stdout, open_wire

_START_S = 60.0
"""`npx` may have to fetch the program first."""
_PAGES = 64
"""Of a listing; a server that has more is not listed further."""
_LARGEST = LIMIT_BYTES // 2


class Said:
    """The last lines of the program's stderr, drained by a thread of its own."""

    def __init__(self) -> None:
        reads, writes = os.pipe()
        self.file: TextIO = os.fdopen(writes, "w")
        self._lines: deque[str] = deque(maxlen=3)
        self._reader = os.fdopen(reads, "r", errors="replace")
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        for line in self._reader:
            if text := line.strip():
                self._lines.append(text[:400])

    @property
    def last(self) -> str:
        """For the end of a sentence: `` after saying '…'``; "" where nothing was said."""
        return f" after saying {' / '.join(self._lines)!r}" if self._lines else ""


@contextlib.asynccontextmanager
async def _client(opening: Open, said: Said) -> AsyncGenerator[Any]:
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client
    from mcp_types import Implementation, ListRootsResult, Root

    async def roots(context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri=Path(opening.folder).as_uri())])  # pyright: ignore[reportArgumentType]

    async with contextlib.AsyncExitStack() as stack:
        if opening.url:
            http = await stack.enter_async_context(create_mcp_http_client(dict(opening.headers)))
            transport = streamable_http_client(opening.url, http_client=http)
        else:
            program = StdioServerParameters(
                command=opening.argv[0],
                args=list(opening.argv[1:]),
                env=dict(opening.env),
                cwd=opening.folder,
                encoding_error_handler="replace",
            )
            transport = stdio_client(program, errlog=said.file)
        client = Client(
            transport,  # pyright: ignore[reportArgumentType]
            client_info=Implementation(name="mato", version="1"),
            list_roots_callback=roots,
        )
        yield await stack.enter_async_context(client)


async def _offers(client: Any) -> Offers:
    capabilities = client.server_capabilities
    about = client.server_info
    tools: list[Offer] = []
    if getattr(capabilities, "tools", None) is not None:
        async for page in _pages(client.list_tools):
            for tool in page.tools:
                schema: dict[str, Any] = tool.input_schema or {"type": "object"}
                tools.append(Offer(tool.name, tool.description or "", schema))
    return Offers(
        server=f"{about.name} {about.version}".strip() if about else "",
        instructions=client.instructions or "",
        tools=tuple(sorted(tools, key=lambda tool: tool.name)),
        resources=getattr(capabilities, "resources", None) is not None,
        prompts=getattr(capabilities, "prompts", None) is not None,
    )


async def _pages(listing: Any) -> AsyncIterator[Any]:
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await listing(cursor=cursor)
        yield page
        cursor = page.next_cursor
        if not cursor:
            return


async def _do(client: Any, ask: Ask) -> Answer:
    match ask.method:
        case "call":
            result = await client.call_tool(ask.name, ask.arguments, ask.within_s)
            parts = _parts(result.content)
            if not parts and result.structured_content is not None:
                import json

                parts = (Text(json.dumps(result.structured_content, ensure_ascii=False)),)
            failed = "the server says that it failed" if result.is_error else ""
            return Answer(ask.number, parts, failed)
        case "resources":
            lines = [
                f"{resource.uri}  {resource.name}  {resource.description or ''}".rstrip()
                async for page in _pages(client.list_resources)
                for resource in page.resources
            ]
            return Answer(ask.number, (Text("\n".join(lines)),))
        case "read":
            result = await client.read_resource(ask.name)
            return Answer(ask.number, _parts(result.contents))
        case "prompts":
            lines = [
                f"{prompt.name}({_taken(prompt.arguments)})  {prompt.description or ''}".rstrip()
                async for page in _pages(client.list_prompts)
                for prompt in page.prompts
            ]
            return Answer(ask.number, (Text("\n".join(lines)),))
        case "prompt":
            given = {name: str(value) for name, value in ask.arguments.items()}
            result = await client.get_prompt(ask.name, given)
            return Answer(ask.number, _parts([message.content for message in result.messages]))


def _taken(arguments: Sequence[Any] | None) -> str:
    return ", ".join(
        argument.name if argument.required else f"{argument.name}=…" for argument in arguments or ()
    )


def _parts(content: Sequence[Any]) -> tuple[Text | Data, ...]:
    """Blocks of all sorts, as what they are to a reader: text, bytes, or a mention."""
    parts: list[Text | Data] = []
    left = _LARGEST
    for block in content:
        inner = getattr(block, "resource", block)  # an embedded resource holds the block
        text = getattr(inner, "text", None)
        raw = getattr(inner, "data", None) or getattr(inner, "blob", None)
        if isinstance(text, str):
            parts.append(Text(text[:left]))
            left -= len(text)
        elif isinstance(raw, str):
            media = getattr(inner, "mime_type", None) or "application/octet-stream"
            try:
                data = base64.b64decode(raw, validate=True)
            except ValueError:
                parts.append(Text(f"({media} that is not base64)"))
                continue
            parts.append(Data(media, data[:left]))
            left -= len(data)
        elif uri := getattr(inner, "uri", None):
            parts.append(Text(f"{uri}  {getattr(inner, 'name', '')}".rstrip()))
        else:
            parts.append(Text(f"(a block of the unknown type {getattr(inner, 'type', '?')!r})"))
        if left <= 0:
            parts.append(Text("[the answer is longer; the rest is left out]"))
            break
    return tuple(parts)


def _sentence(error: BaseException) -> str:
    """The innermost reason of what an SDK of nested task groups raises."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_gone(error: Exception) -> bool:
    """Whether there is no server any more; then nothing else can be asked either."""
    import anyio
    from mcp_types import CONNECTION_CLOSED

    if isinstance(error, anyio.ClosedResourceError | anyio.BrokenResourceError):
        return True
    return getattr(error, "code", None) == CONNECTION_CLOSED


class _Desk:
    def __init__(self, wire: Wire[ToProcess], client: Any) -> None:
        self._wire = wire
        self._client = client
        self._running: dict[int, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Until the parent closes its end."""
        async with asyncio.TaskGroup() as group:
            while (frame := await self._wire.read()) is not None:
                match frame:
                    case Ask(number=number):
                        task = group.create_task(self._answer(frame))
                        self._running[number] = task
                    case Drop(number=number):
                        if task := self._running.get(number):
                            task.cancel()
                    case Open():
                        raise ValueError("a connection is opened once")
            for task in self._running.values():
                task.cancel()

    async def _answer(self, ask: Ask) -> None:
        try:
            async with asyncio.timeout(ask.within_s):
                answer = await _do(self._client, ask)
        except TimeoutError:
            answer = Answer(ask.number, failed=f"no answer within {ask.within_s:g} s")
        except Exception as error:
            # The boundary of an ask: whatever the SDK makes of it, the others go on.
            if _is_gone(error):
                raise
            answer = Answer(ask.number, failed=_sentence(error))
        finally:
            self._running.pop(ask.number, None)
        await self._wire.write(answer)


async def _serve(frames: int) -> None:
    wire = await open_wire(frames, DECODER)
    opening = await wire.read()
    if not isinstance(opening, Open):
        return
    said = Said()
    opened = False
    try:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(_START_S):
                client = await stack.enter_async_context(_client(opening, said))
                offers = await _offers(client)
            await wire.write(Opened(offers))
            opened = True
            await _Desk(wire, client).serve()
    except TimeoutError:
        await wire.write(Broken(f"it was not ready after {_START_S:g} s{said.last}"))
    except ConnectionError:
        raise
    except Exception as error:
        how = "it is gone" if opened else "it does not start"
        await wire.write(Broken(f"{how}: {_sentence(error)}{said.last}"))


def main() -> None:
    """Serve until stdin ends."""
    frames = claim_stdout()
    try:
        asyncio.run(_serve(frames))
    except* ConnectionError:
        pass
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
