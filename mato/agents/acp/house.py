"""What an ACP agent may use of Mato: files beneath the workspace, and commands in its sandbox."""

from __future__ import annotations

import asyncio
import posixpath
import shlex
from collections.abc import Callable, Coroutine
from typing import Any

from acp.exceptions import RequestError

from mato.agents.acp import raw
from mato.agents.acp.call import Call
from mato.agents.acp.permit import Permits
from mato.agents.acp.turn import Scribe
from mato.agents.around import Around
from mato.agents.base import Given
from mato.agents.streams import Streams
from mato.models.keys import for_tools
from mato.permissions.taint import Taint
from mato.tools.base import ToolError, ToolResult
from mato.tools.change import Change, current
from mato.tools.disk import on_disk
from mato.tools.read import FILE_BYTES
from mato.tools.shell import ShellArguments
from mato_sessions.errors import MatoError, PathRefused
from mato_sessions.events import ToolFailed, ToolFinished

_OUTPUT = 1 << 20
_MOST_TERMINALS = 32
_WAIT_S = 600


class _Terminal:
    """A command that the agent had Mato run."""

    task: asyncio.Task[ToolResult | str]

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.text = ""
        self.cut = False

    def take(self, text: str) -> None:
        """Keep the end of what it prints."""
        self.text += text
        if len(self.text) > self.limit:
            self.text, self.cut = self.text[-self.limit :], True

    def status(self) -> dict[str, Any] | None:
        """Its exit, or None while it runs."""
        if not self.task.done():
            return None
        if self.task.cancelled() or not isinstance(result := self.task.result(), ToolResult):
            return {"exitCode": None, "signal": "SIGKILL"}
        return {"exitCode": result.exit_code, "signal": None}


class _Told(Around):
    """Surroundings whose output is also kept for who asks for it."""

    take: Callable[[str], None]

    def emit(self, text: str) -> None:
        super().emit(text)
        self.take(text)


class House:
    """Answers `fs/*` and `terminal/*` of one agent. Every request is a call on record."""

    def __init__(
        self,
        given: Given,
        scribe: Scribe,
        permits: Permits,
        streams: Streams,
        env_names: tuple[str, ...],
        spawn: Callable[[Coroutine[Any, Any, ToolResult | str]], asyncio.Task[ToolResult | str]],
    ) -> None:
        self._given = given
        self._scribe = scribe
        self._permits = permits
        self._streams = streams
        self._env_names = env_names
        self._spawn = spawn
        self._terminals: dict[str, _Terminal] = {}

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a request.

        Raises:
            RequestError: what the agent is told instead.
        """
        try:
            match method:
                case "fs/read_text_file":
                    return await self._read(params)
                case "fs/write_text_file":
                    return await self._write(params)
                case "terminal/create":
                    return await self._create(params)
                case _:
                    return await self._about(method, params)
        except (ToolError, PathRefused) as error:
            raise RequestError(-32002, str(error)) from error

    async def clear(self) -> None:
        """End what still runs."""
        terminals, self._terminals = list(self._terminals.values()), {}
        for each in terminals:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in terminals), return_exceptions=True)

    # ---------------------------------------------------------------- files

    async def _read(self, params: dict[str, Any]) -> dict[str, Any]:
        path = self._given.workspace.relative(raw.text(params.get("path")))
        call = await self._permitted("read", f"read {path}", {"path": path})
        try:
            data = await on_disk(self._given.workspace.read_bytes, path, FILE_BYTES)
        except MatoError as error:
            await self._failed(call, error)
            raise
        text = data.decode("utf-8", "replace")
        first, most = raw.whole(params.get("line")), raw.whole(params.get("limit"))
        if first or most is not None:
            lines = text.splitlines(keepends=True)[max(0, (first or 1) - 1) :]
            text = "".join(lines if most is None else lines[:most])
        count = text.count("\n") + bool(text and not text.endswith("\n"))
        said = f"{count} line{'s' * (count != 1)}"
        await self._finished(call, ToolResult(content=said, summary=said))
        return {"content": text}

    async def _write(self, params: dict[str, Any]) -> dict[str, Any]:
        workspace = self._given.workspace
        path = workspace.relative(raw.text(params.get("path")))
        after = raw.text(params.get("content")).encode("utf-8", "replace")
        before, permissions = await on_disk(current, workspace, path)
        change = Change.of(path, before, permissions, after)
        call = await self._permitted("edit", f"write {path}", {"path": path}, change.diff)
        around = self._around(call)
        try:
            result = await change.apply(around)
        except (ToolError, MatoError) as error:
            await self._failed(call, error)
            raise
        finally:
            around.close()
        await self._finished(call, result)
        return {}

    # ---------------------------------------------------------------- commands

    async def _create(self, params: dict[str, Any]) -> dict[str, Any]:
        if len(self._terminals) >= _MOST_TERMINALS:
            raise ToolError(f"{_MOST_TERMINALS} terminals are open; release one first")
        shell = self._given.registry.get("shell")
        if shell is None:
            raise ToolError("this agent may run no commands")
        line = self._line(params)
        call = await self._permitted("execute", f"$ {line}", {"command": line})
        limit = raw.whole(params.get("outputByteLimit"))
        terminal = _Terminal(min(_OUTPUT, limit) if limit else _OUTPUT)
        around = self._around(call)
        around.take = terminal.take

        async def run() -> ToolResult | str:
            try:
                arguments = ShellArguments(command=line, timeout_s=_WAIT_S)
                result = await shell.run(arguments, around)
            except (ToolError, MatoError) as error:
                await self._failed(call, error)
                return str(error)
            except asyncio.CancelledError:
                await self._failed(call, ToolError("it was ended"))
                raise
            finally:
                around.close()
            await self._finished(call, result)
            return result

        terminal.task = self._spawn(run())
        self._terminals[call.call] = terminal
        return {"terminalId": call.call}

    async def _about(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        key = raw.text(params.get("terminalId"))
        terminal = self._terminals.get(key)
        if terminal is None:
            raise ToolError(f"there is no terminal {key!r}")
        match method:
            case "terminal/output":
                found: dict[str, Any] = {"output": terminal.text, "truncated": terminal.cut}
                status = terminal.status()
                return found if status is None else {**found, "exitStatus": status}
            case "terminal/wait_for_exit":
                await asyncio.wait([terminal.task])
                return terminal.status() or {}
            case "terminal/kill" | "terminal/release":
                terminal.task.cancel()
                await asyncio.wait([terminal.task])
                if method == "terminal/release":
                    self._terminals.pop(key, None)
                return {}
            case _:
                raise RequestError.method_not_found(method)

    def _line(self, params: dict[str, Any]) -> str:
        command = raw.text(params.get("command")).strip()
        if not command:
            raise ToolError("there is no command to run")
        words = [word for word in raw.items(params.get("args")) if isinstance(word, str)]
        # With arguments it is a program, without it may be a whole command line.
        line = shlex.join([command, *words]) if words else command
        set_ = [
            f"{name}={shlex.quote(raw.text(raw.mapping(each).get('value')))}"
            for each in raw.items(params.get("env"))
            if (name := raw.text(raw.mapping(each).get("name"))).isidentifier()
        ]
        if set_:
            line = f"export {' '.join(set_)}; {line}"
        cwd = raw.text(params.get("cwd"))
        root = str(self._given.workspace.root)
        if cwd and posixpath.normpath(cwd) != root:
            line = f"cd {shlex.quote(self._given.workspace.relative(cwd))} && {line}"
        return line

    # ---------------------------------------------------------------- calls

    async def _permitted(
        self, kind: str, title: str, given: dict[str, Any], preview: str = ""
    ) -> Call:
        """The call on whose behalf this is done, allowed and started.

        Raises:
            ToolError: it may not.
        """
        if self._permits.over:
            raise ToolError("no turn runs")
        calls = self._scribe.translator.calls
        call, facts = calls.own(kind, title, given)
        await self._scribe.write(facts)
        if calls.covers(call):
            # The agent asked for this very thing a moment ago, and was allowed.
            await self._scribe.write(calls.allowed(call, self._given.clock.mono_us()))
            return call
        if not await self._permits.decide(call, preview):
            raise ToolError("Not allowed by the person or the rules of this session.")
        return call

    async def _finished(self, call: Call, result: ToolResult) -> None:
        await self._streams.drain()
        if call.state == "ended":  # with its turn
            return
        call.state = "ended"
        finished = ToolFinished(
            call=call.call,
            attempt=1,
            content=result.content,
            summary=result.summary,
            diff=result.diff,
            output=result.output,
            exit_code=result.exit_code,
            duration_us=max(0, self._given.clock.mono_us() - call.began_us),
        )
        await self._scribe.write([finished])

    async def _failed(self, call: Call, error: Exception) -> None:
        await self._streams.drain()
        if call.state != "ended":
            call.state = "ended"
            await self._scribe.write([ToolFailed(call=call.call, attempt=1, message=str(error))])

    def _around(self, call: Call) -> _Told:
        env = for_tools(self._given.env(), self._env_names)
        turn = self._scribe.turn
        around = _Told(call.call, 1, turn, self._given.workspace, env, Taint(), self._streams)
        around.take = lambda text: None
        return around
