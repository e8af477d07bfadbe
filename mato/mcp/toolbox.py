"""The MCP servers of a daemon's agents: which are offered to whom, and how they are started."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from mato.config.paths import Paths
from mato.mcp import pins, servers
from mato.mcp.connection import Child, Connection
from mato.mcp.pins import Offers
from mato.mcp.servers import Server
from mato.mcp.tools import McpTool, tools
from mato.mcp.wire import Open
from mato.models.keys import for_tools
from mato.processes import MARKER, end_tree, identity
from mato.sandbox.own import with_own
from mato.sandbox.sandbox import Sandbox, Wanted
from mato.tools.disk import on_disk
from mato_sessions.errors import MatoError

_log = logging.getLogger(__name__)
_SDK = "mato.mcp.process"

Started = Callable[[int | None, str, str], Callable[[], None]]
"""`ChildRecords.started`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent's servers run."""

    folder: Path
    env: Callable[[], Mapping[str, str]]
    tier: Wanted


@dataclass(frozen=True, slots=True)
class Taken:
    """The tools that servers give an agent, and what ends them with it."""

    tools: tuple[McpTool, ...]
    close: Callable[[], None]


class Toolbox:
    """All connections of a daemon; an async context manager, entered and left by the same task."""

    def __init__(self, paths: Paths, sandbox: Sandbox, started: Started) -> None:
        self._paths = paths
        self._sandbox = sandbox
        self._started = started
        self._group = asyncio.TaskGroup()
        self._open: set[Connection] = set()
        self._closing = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._closing = True
        for connection in tuple(self._open):
            self._group.create_task(connection.close())
        return await self._group.__aexit__(kind, error, trace)

    def connection(
        self, name: str, server: Server, agreed: Offers | None, place: Place
    ) -> Connection:
        """A connection that is not open yet; the caller closes it."""

        async def start() -> tuple[Child, Open]:
            return await self._start(name, server, place)

        return Connection(name, start, agreed, self._group)

    def take(self, wanted: Collection[str] | None, place: Place) -> Taken:
        """The tools of the pinned servers among `wanted` (None: of all). Reads files, starts none.

        A server that is not as a person agreed to it gives none, which the log says.
        """
        try:
            agreed = pins.load(self._paths)
            known = servers.load(self._paths)
        except MatoError as error:
            _log.warning("%s", error)
            return Taken((), lambda: None)
        found: list[McpTool] = []
        opened: list[Connection] = []
        for name, server in known.sound.items():
            if wanted is not None and name not in wanted:
                continue
            pin = agreed.get(name)
            if pin is None or pin.server != server.digest():
                _log.warning("the MCP server %s is not pinned as it is; `mato mcp pin`", name)
                continue
            connection = self.connection(name, server, pin.offers, place)
            opened.append(connection)
            found += tools(name, pin.offers, connection, server.timeout_s)
        self._open.update(opened)

        def close() -> None:
            for connection in opened:
                if not self._closing:
                    self._group.create_task(self._leave(connection))

        return Taken(tuple(found), close)

    async def _leave(self, connection: Connection) -> None:
        self._open.discard(connection)
        await connection.close()

    async def _start(self, name: str, server: Server, place: Place) -> tuple[Child, Open]:
        """Start the process of a connection, with what holds it around it."""
        env = place.env()
        given = for_tools(env, server.env)
        mark = f"mcp-{uuid4().hex[:16]}"
        try:
            tier = await on_disk(self._sandbox.tier, place.tier)
            own = with_own(server.hole, tier)
            confinement = await on_disk(self._sandbox.confine, place.tier, server.env, own)
            start = await on_disk(
                confinement.begin,
                place.folder,
                {**given, MARKER: mark},
                (sys.executable, "-P", "-m", _SDK),
            )
        except MatoError as error:
            raise OSError(str(error)) from error
        if start is None:
            raise OSError("it was ended before it began")
        forget = self._started(None, f"mcp {name}", mark)
        try:
            process = await asyncio.create_subprocess_exec(
                *start.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=place.folder,
                env=start.env,
                pass_fds=start.handles,
                start_new_session=True,
            )
        except BaseException:
            await end_tree(None, mark, grace_s=0.0)
            await on_disk(confinement.end)
            forget()
            raise
        leader = identity(process.pid)
        over = asyncio.Event()

        async def end() -> None:
            if over.is_set():
                return
            over.set()
            await end_tree(process.pid, mark, started=leader.started if leader else None)
            await process.wait()
            put_back = await on_disk(confinement.end)
            forget()
            if put_back:
                _log.warning("the MCP server %s had changed %s", name, ", ".join(put_back))

        headers = {header: env.get(variable, "") for header, variable in server.headers.items()}
        inside = {key: value for key, value in start.env.items() if key != MARKER}
        opening = Open(
            argv=server.argv,
            env={**inside, MARKER: mark} if server.command else {},
            url=server.url,
            headers={header: value for header, value in headers.items() if value},
            folder=str(place.folder),
        )
        return Child(process, end), opening
