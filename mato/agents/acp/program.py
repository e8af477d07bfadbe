"""A running ACP agent: its process, its connection through the SDK, and the session it has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal

import msgspec
from acp import schema
from acp.connection import Connection
from acp.exceptions import RequestError
from acp.meta import AGENT_METHODS, PROTOCOL_VERSION

from mato import __version__
from mato.agents.acp import raw
from mato.agents.acp.child import Child
from mato.agents.acp.evidence import Evidence
from mato.agents.acp.wire import Wire
from mato_sessions.errors import UsageError
from mato_sessions.events.foreign import How
from mato_sessions.events.turn import Block

START_S = 180.0
"""For a start, on a machine that is busy with other things. 16 s are real on an idle one."""
_LAST_WORDS_S = 2.0
"""Silence after the end of the process that was started, while others hold its output."""
_LOGIN = -32000
"""ACP: authentication required."""


class Hello(msgspec.Struct, frozen=True):
    """What an agent says about itself (ACP initialize)."""

    name: str
    release: str
    can: tuple[str, ...]
    logins: tuple[str, ...]
    """For people: how one can log in, one sentence each."""
    load: bool
    resume: bool


class Opened(msgspec.Struct, frozen=True):
    """The session that it has."""

    foreign: str
    how: How
    result: dict[str, Any]
    why: str = ""


class Died(UsageError):
    """The program has ended; the message says how, with the last it printed."""


class Program:
    """Made by `start`; its tasks live in `spawn`'s group. Ended by `end`."""

    def __init__(self, argv: Sequence[str], child: Child, evidence: Evidence, wire: Wire) -> None:
        self._argv = argv
        self._child = child
        self._evidence = evidence
        self._wire = wire
        self._connection: Connection | None = None
        self._greeted = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.dead = asyncio.Event()
        """It has ended, by itself or by `end`."""
        self.foreign = ""
        self.gated = False
        """While true, what it says is its own past again: Mato's record has that."""

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        child: Child,
        evidence: Evidence,
        take: Callable[[object], Awaitable[None]],
        over: Callable[[], None],
        answer: Callable[[str, Any, bool], Awaitable[Any]],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> Program:
        """Begin to listen to a child that has just been started."""
        program = cls(argv, child, evidence, Wire(child, evidence, take, over))
        program._connection = Connection(answer, program._wire)
        program._tasks = (
            spawn(child.drain_errors(lambda text: evidence.add("err", text))),
            spawn(program._watch()),
        )
        return program

    async def greet(self, *, files: bool, terminal: bool) -> Hello:
        """Shake hands.

        Raises:
            UsageError: it ended, or speaks no version of the protocol that Mato does.
        """
        capabilities = schema.ClientCapabilities(
            fs=schema.FileSystemCapabilities(read_text_file=files, write_text_file=files),
            terminal=terminal,
        )
        request = schema.InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=capabilities,
            client_info=schema.Implementation(name="mato", title="Mato", version=__version__),
        )
        result = await self._ask(AGENT_METHODS["initialize"], _dumped(request), START_S)
        self._greeted = True
        if result.get("protocolVersion") != PROTOCOL_VERSION:
            raise UsageError(
                f"{self._name} speaks version {result.get('protocolVersion')!r} of the Agent "
                f"Client Protocol, Mato speaks {PROTOCOL_VERSION}; another release of it may do"
            )
        return hello(result, self._argv)

    async def open(self, cwd: str, wanted: str, hello: Hello, *, loads: bool) -> Opened:
        """Take up the session `wanted`, or begin one ("" or where that cannot be).

        Raises:
            UsageError: it ended, wants a login, or refuses a new session.
        """
        why = ""
        if wanted:
            ways: list[tuple[How, str]] = []
            if hello.resume:
                ways.append(("resumed", "session_resume"))
            if hello.load and loads:
                ways.append(("loaded", "session_load"))
            why = "" if ways else "it can neither resume nor load one"
            for how, method in ways:
                self.gated = True
                params: dict[str, Any] = {"sessionId": wanted, "cwd": cwd, "mcpServers": []}
                try:
                    result = await self._ask(AGENT_METHODS[method], params, START_S)
                except RequestError as error:
                    why = said(error)
                else:
                    self.foreign = wanted
                    return Opened(wanted, how, result)
                finally:
                    self.gated = False
        request = schema.NewSessionRequest(cwd=cwd, mcp_servers=[])
        try:
            result = await self._ask(AGENT_METHODS["session_new"], _dumped(request), START_S)
        except RequestError as error:
            if error.code == _LOGIN:
                ways_in = "; ".join(hello.logins) or "see its own documentation"
                raise UsageError(
                    f"{self._name} wants a login before it works: {ways_in}. Then send again"
                ) from error
            raise UsageError(f"{self._name} opens no session: {said(error)}") from error
        self.foreign = raw.text(result.get("sessionId"))
        if not self.foreign:
            raise UsageError(f"{self._name} opened a session without a name; it cannot be used")
        return Opened(self.foreign, "fresh" if wanted else "new", result, why)

    async def prompt(self, blocks: Sequence[Block]) -> dict[str, Any]:
        """Send a prompt; its result once the turn is over, everything said before it taken in.

        Raises:
            Died: it ended first.
            RequestError: it answered with an error.
        """
        content = [{"type": "text", "text": block.text} for block in blocks]
        params = {"sessionId": self.foreign, "prompt": content}
        return await self._ask(AGENT_METHODS["session_prompt"], params, None)

    async def cancel(self) -> None:
        """Ask it to end the turn; it says so by the prompt's result."""
        if self._connection is not None and not self.dead.is_set():
            params = {"sessionId": self.foreign}
            await self._connection.send_notification(AGENT_METHODS["session_cancel"], params)

    async def choose(self, option: str, value: str | bool, *, mode: bool) -> dict[str, Any]:
        """Set an option, or a mode of the older sort.

        Raises:
            UsageError: it refuses, or has ended.
        """
        method = "session_set_mode" if mode else "session_set_config_option"
        params: dict[str, Any] = {"sessionId": self.foreign}
        if mode:
            params["modeId"] = value
        else:
            params |= {"configId": option, "value": value}
            if isinstance(value, bool):
                params["type"] = "boolean"
        try:
            return await self._ask(AGENT_METHODS[method], params, 60.0)
        except RequestError as error:
            raise UsageError(f"{self._name} refuses that: {said(error)}") from error

    async def end(self) -> None:
        """End it with everything that it has started. Idempotent."""
        self.dead.set()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await self._child.end()
            finally:
                for each in self._tasks:
                    each.cancel()  # whoever escaped may hold its pipes for ever
                await connection.close()

    # ---------------------------------------------------------------- small parts

    @property
    def _name(self) -> str:
        return os.path.basename(self._argv[0])  # noqa: PTH119 - a word of a command line

    async def _ask(
        self, method: str, params: dict[str, Any], within_s: float | None
    ) -> dict[str, Any]:
        connection = self._connection
        if connection is None or self.dead.is_set():
            raise self.death()
        asked = asyncio.ensure_future(connection.send_request(method, params))
        gone = asyncio.ensure_future(self.dead.wait())
        try:
            done, _ = await asyncio.wait(
                {asked, gone}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if asked in done:
                try:
                    return raw.mapping(asked.result())
                except (ConnectionError, OSError) as error:
                    await self._wait_for_code()
                    raise self.death() from error
            if gone in done:
                raise self.death()
            raise UsageError(
                f"{self._name} said nothing to {method} within {within_s:g} s{self._tail()}"
            )
        finally:
            asked.cancel()
            gone.cancel()
            await asyncio.gather(asked, gone, return_exceptions=True)

    def death(self) -> Died:
        """How it ended."""
        code = self._child.code
        how = "has closed its output" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was ended by signal {-code}"
        return Died(f"{self._name} {how}{self._tail()}")

    def _tail(self) -> str:
        lines = [line for line in self._evidence.tail.splitlines() if line.strip()]
        return f"; the last it printed: {raw.cut(' / '.join(lines[-3:]), 600)}" if lines else ""

    async def _wait_for_code(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._child.exited()
                # What it printed last is on its way.
                await asyncio.sleep(0.05)
        except TimeoutError:
            pass

    async def _watch(self) -> None:
        """Notice its end: nobody holds its output, or its process has gone and nobody speaks."""
        closed = asyncio.ensure_future(self._wire.closed.wait())
        exited = asyncio.ensure_future(self._child.exited())
        try:
            await asyncio.wait({closed, exited}, return_when=asyncio.FIRST_COMPLETED)
            if not closed.done() and not self._greeted:
                await closed  # a launcher that has handed its pipes on to the agent
            while not closed.done():
                self._wire.heard.clear()
                heard = asyncio.ensure_future(self._wire.heard.wait())
                await asyncio.wait(
                    {closed, heard}, timeout=_LAST_WORDS_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not heard.cancel():
                    continue
                break
            await self._wait_for_code()
        finally:
            closed.cancel()
            exited.cancel()
            self.dead.set()


def said(error: RequestError) -> str:
    """What an agent says with an error, in one line."""
    data = error.data if isinstance(error.data, str) else raw.dumped(error.data, 300)
    text = f"{error} ({data})" if data and data not in str(error) else str(error)
    return raw.cut(" ".join(text.split()), 500)


def hello(result: dict[str, Any], argv: Sequence[str]) -> Hello:
    """What the result of initialize says."""
    info = raw.mapping(result.get("agentInfo"))
    can = raw.mapping(result.get("agentCapabilities"))
    session = raw.mapping(can.get("sessionCapabilities"))
    prompts = raw.mapping(can.get("promptCapabilities"))
    names = [name for name in ("image", "audio", "embeddedContext") if prompts.get(name) is True]
    names += ["load"] if can.get("loadSession") is True else []
    names += [name for name in ("resume", "fork", "close", "list") if session.get(name) is not None]
    return Hello(
        name=raw.cut(raw.text(info.get("title")) or raw.text(info.get("name")), 100),
        release=raw.cut(raw.text(info.get("version")), 60),
        can=tuple(names),
        logins=tuple(
            _login(raw.mapping(each), argv) for each in raw.items(result.get("authMethods"))
        ),
        load="load" in names,
        resume="resume" in names,
    )


def _login(method: dict[str, Any], argv: Sequence[str]) -> str:
    name = raw.cut(raw.text(method.get("name")) or raw.text(method.get("id")), 100)
    kind: Literal["env_var", "terminal"] | object = method.get("type")
    if kind == "env_var":
        found = [raw.text(raw.mapping(each).get("name")) for each in raw.items(method.get("vars"))]
        return f"{name}: set {', '.join(filter(None, found))}"
    if kind == "terminal":
        words = [*argv, *(raw.text(each) for each in raw.items(method.get("args")))]
        return f"{name}: run `{' '.join(words)}` in a terminal"
    description = raw.cut(" ".join(raw.text(method.get("description")).split()), 200)
    return f"{name}: {description}" if description else name


def _dumped(request: Any) -> dict[str, Any]:
    return request.model_dump(mode="json", by_alias=True, exclude_none=True)
