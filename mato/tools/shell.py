"""The tool that runs a command line, and leaves no process of it behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mato.processes import MARKER, Ending, end_tree, identity
from mato.sandbox.confinement import Confinement, Start
from mato.sandbox.explaining import explain
from mato.sandbox.sandbox import Sandbox, Wanted
from mato.tools.base import Surroundings, ToolError, ToolResult
from mato.tools.capture import Capture
from mato.tools.disk import on_disk
from mato.tools.workspace import Workspace
from mato_sessions.errors import ConfigError, PathRefused
from mato_sessions.events.agent import Hole
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy

_CLOSED = Hole()
_SHELL = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
_PIECE = 64 * 1024
_DRAIN_S = 1.0
_UMASK = 0o022
"""The daemon's own (077) would make every file of a build private."""


class ShellArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    command: Annotated[
        str, Meta(min_length=1, max_length=100_000, description="Command line for bash.")
    ]
    timeout_s: Annotated[
        int, Meta(ge=1, le=600, description="Seconds after which it is ended.")
    ] = 120


class Shell:
    name: str = "shell"
    description: str = (
        "Run a command line in the workspace, without a terminal or input. Everything that it"
        " started ends with it."
    )
    Arguments: type[msgspec.Struct] = ShellArguments
    action: Action = "execute"
    policy: RecoveryPolicy = "ask"

    def __init__(
        self,
        sandbox: Sandbox | None = None,
        tier: Wanted = "auto",
        named: Sequence[str] = (),
        hole: Hole = _CLOSED,
    ) -> None:
        """Commands run in `sandbox` (None: bare), with the variables `named` besides the usual.

        `hole` is what is open to them besides the workspace.
        """
        self._sandbox = sandbox
        self._tier: Wanted = tier
        self._named = tuple(named)
        self._hole = hole

    def title(self, arguments: ShellArguments) -> str:
        return f"$ {arguments.command}"

    def resource(self, arguments: ShellArguments) -> str:
        return arguments.command

    async def preview(self, arguments: ShellArguments, workspace: Any) -> str:
        return ""

    async def run(self, arguments: ShellArguments, around: Surroundings) -> ToolResult:
        capture = Capture(around.emit)
        try:
            sandbox = self._sandbox
            confinement = (
                None
                if sandbox is None
                else await on_disk(sandbox.confine, self._tier, self._named, self._hole)
            )
        except ConfigError as error:
            raise ToolError(f"the command was not run: {error}") from error
        outcome = await _Run(arguments, around, capture, confinement).outcome()
        capture.end()
        whole = capture.whole
        output = None if whole is None else await around.blob(whole)
        said = capture.content()
        if said and not said.endswith("\n"):
            said += "\n"
        notes = [outcome.says(arguments.timeout_s)]
        if confinement is not None:
            notes += explain(
                confinement.tier,
                outcome.exit_code,
                said,
                outcome.put_back,
                self._hole.network,
                confinement.traffic(),
            )
        ended = "\n".join(f"[{note}]" for note in notes)
        return ToolResult(
            content=f"{said or '(no output)' + chr(10)}{ended}",
            summary=outcome.summary(arguments.timeout_s),
            output=output,
            exit_code=outcome.exit_code,
            put_back=outcome.put_back,
        )


class _Outcome(msgspec.Struct, frozen=True):
    exit_code: int | None
    """None: it was ended at its timeout."""
    ending: Ending
    put_back: tuple[str, ...] = ()
    """Protected paths that the command had changed."""

    def summary(self, timeout_s: int) -> str:
        back = f", {len(self.put_back)} put back" if self.put_back else ""
        if self.exit_code is None:
            return f"ended after {timeout_s} s{back}"
        return f"exit {self.exit_code}{back}"

    def says(self, timeout_s: int) -> str:
        if self.exit_code is None:
            parts = [f"timed out: ended with all it had started after {timeout_s} s"]
        else:
            parts = [f"exit code {self.exit_code}"]
            if self.exit_code > 128 and (name := _signal_name(self.exit_code - 128)):
                parts[0] += f" ({name})"
            if self.ending.ended:
                count = self.ending.ended
                parts.append(
                    f"{count} process{'es' * (count != 1)} left in the background"
                    f" {'was' if count == 1 else 'were'} ended"
                )
        if self.ending.left:
            parts.append(f"still there, stuck in the kernel: {self.ending.left!r}")
        return "; ".join(parts)


class _Run:
    """One command from its start to the end of its last process."""

    def __init__(
        self,
        arguments: ShellArguments,
        around: Surroundings,
        capture: Capture,
        confinement: Confinement | None,
    ) -> None:
        self._arguments = arguments
        self._around = around
        self._capture = capture
        self._confinement = confinement

    async def outcome(self) -> _Outcome:
        if self._confinement is None:
            return await self._watched()
        try:
            outcome = await self._watched()
        finally:
            # Begun before it is waited for, so a second cancellation does not lose it.
            put_back = await on_disk(self._confinement.end)
        ending = outcome.ending
        if self._confinement.tier == "full":
            # The kernel ends what is left with the namespace's first process, and is seen at it:
            # who was met dying was not left by the command.
            ending = Ending(0, ending.left)
        return replace(outcome, ending=ending, put_back=tuple(put_back))

    async def _watched(self) -> _Outcome:
        read_end, write_end = os.pipe()
        reader = asyncio.StreamReader(limit=_PIECE)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader),
            os.fdopen(read_end, "rb", buffering=0),
        )
        try:
            with contextlib.ExitStack() as records:
                try:
                    # Before the start: between a start and its record a crash would lose it.
                    records.callback(self._around.child_started(None, self._purpose))
                    process = await self._start(write_end)
                finally:
                    os.close(write_end)
                return await self._follow(process, reader, records)
        finally:
            transport.close()

    @property
    def _purpose(self) -> str:
        return f"shell {self._around.call}"

    async def _start(self, output: int) -> asyncio.subprocess.Process:
        workspace: Workspace = self._around.workspace
        try:
            folder = await on_disk(workspace.folder)
            start = await self._confined(folder)
            # A pipe of our own, not asyncio's: Process.wait() waits for the ends of its pipes too,
            # and a background child can hold those for ever.
            return await asyncio.create_subprocess_exec(
                *start.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=start.env,
                pass_fds=start.handles,
                start_new_session=True,
                umask=_UMASK,
            )
        except (PathRefused, ConfigError) as error:
            raise ToolError(str(error)) from error
        except (OSError, ValueError) as error:
            raise ToolError(f"the command could not be started: {error}") from error
        except asyncio.CancelledError:
            # It may be running already, and its number is not known here.
            await end_tree(None, self._around.call, grace_s=0.0)
            raise

    async def _confined(self, folder: Path) -> Start:
        env = {**self._around.env, MARKER: self._around.call}
        command = (_SHELL, "-c", self._arguments.command)
        if self._confinement is None:
            return Start(command, env)
        start = await on_disk(self._confinement.begin, folder, env, command)
        if start is None:
            raise ToolError("the command was not run: it was stopped")
        return start

    async def _follow(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        records: contextlib.ExitStack,
    ) -> _Outcome:
        leader = identity(process.pid)
        started = leader.started if leader is not None else None
        timed_out = False
        ending = Ending(0)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(reader))
            try:
                records.callback(self._around.child_started(process.pid, self._purpose))
                async with asyncio.timeout(self._arguments.timeout_s):
                    await process.wait()
            except TimeoutError:
                timed_out = True
            finally:
                ending = await end_tree(process.pid, self._around.call, started=started)
                with contextlib.suppress(TimeoutError):  # stuck in the kernel: said below
                    await asyncio.wait_for(process.wait(), _DRAIN_S)
            # Whoever could still print is gone, so the end of the pipe is near.
            await asyncio.wait({reading}, timeout=_DRAIN_S)
            reading.cancel()
        code = process.returncode
        if timed_out or code is None:
            return _Outcome(None, ending)
        return _Outcome(code if code >= 0 else 128 - code, ending)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_PIECE):
            self._capture.take(data)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
