"""The process of an ACP agent: in a group of its own, watched, and ended with all it made."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from mato.processes import MARKER, end_tree, identity, kill_tree
from mato.sandbox.confinement import Confinement, Start
from mato.tools.disk import on_disk
from mato_sessions.errors import UsageError

LINE_BYTES = 32 * 1024 * 1024
"""Longest line that is taken. Lines of 600 kB are real."""
_UMASK = 0o022
_END_S = 0.5
"""Between SIGTERM and SIGKILL."""
_PIECE = 64 * 1024


class Child:
    """A running program. Made by `start`, ended by `end`; `gone` is set when it has ended."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        errors: asyncio.StreamReader,
        marker: str,
        forget: Callable[[], None],
        confinement: Confinement,
    ) -> None:
        self._process = process
        self.reader = reader
        self.writer = writer
        self._errors = errors
        self._marker = marker
        self._forget = forget
        self._confinement = confinement
        found = identity(process.pid)
        self._started = found.started if found is not None else None

    @classmethod
    async def start(
        cls,
        start: Start,
        folder: Path,
        marker: str,
        child_started: Callable[[int | None, str, str], Callable[[], None]],
        confinement: Confinement,
    ) -> Child:
        """Start it in `folder`; it carries `marker` as MATO_CALL and ends with `confinement`.

        Raises:
            UsageError: there is no such program, or it cannot be run.
        """
        name = os.path.basename(start.command[0])  # noqa: PTH119 - a word of a command line
        purpose = f"agent {name}"
        ours: list[int] = []
        theirs: list[int] = []
        # Pipes of our own: asyncio's `Process.wait` waits for the ends of its pipes too, which a
        # grandchild can hold for ever.
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = (
            os.pipe(),
            os.pipe(),
            os.pipe(),
        )
        ours += [our_in, our_out, our_err]
        theirs += [their_in, their_out, their_err]
        unstarted = child_started(None, purpose, marker)
        try:
            process = await asyncio.create_subprocess_exec(
                *start.command,
                stdin=their_in,
                stdout=their_out,
                stderr=their_err,
                cwd=folder,
                env={**start.env, MARKER: marker},
                pass_fds=start.handles,
                start_new_session=True,
                umask=_UMASK,
            )
        except BaseException as error:
            for handle in ours:
                os.close(handle)
            if isinstance(error, asyncio.CancelledError):
                kill_tree(None, marker, limit_s=0.5)  # it may run already, under a number unknown
            unstarted()
            if isinstance(error, (OSError, ValueError)):
                reason = error.strerror if isinstance(error, OSError) else str(error)
                raise UsageError(f"{name!r} could not be started: {reason}") from error
            raise
        finally:
            for handle in theirs:
                os.close(handle)
        forget = child_started(process.pid, purpose, marker)
        unstarted()
        try:
            reader, errors = await _reading(our_out), await _reading(our_err)
            writer = await _writing(our_in)
        except BaseException:
            # Cut off between its start and its first word: nobody else would end it.
            kill_tree(process.pid, marker, limit_s=0.5)
            forget()
            raise
        return cls(process, reader, writer, errors, marker, forget, confinement)

    async def drain_errors(self, take: Callable[[str], None]) -> None:
        """Read its stderr until nobody holds it any more."""
        while data := await self._errors.read(_PIECE):
            take(data.decode("utf-8", "replace"))

    async def exited(self) -> int:
        """Its exit code, once the process that was started has ended; others may live on."""
        return await self._process.wait()

    @property
    def code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.returncode

    async def end(self, grace_s: float = _END_S) -> None:
        """End it with everything that it has started; returns within about 2 s."""
        self.writer.close()
        try:
            await end_tree(self._process.pid, self._marker, grace_s, self._started)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._process.wait()
        finally:
            self._forget()
            await on_disk(self._confinement.end)


async def _reading(handle: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    file = os.fdopen(handle, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    return reader


async def _writing(handle: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    file = os.fdopen(handle, "wb", buffering=0)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), file
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
