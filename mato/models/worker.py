"""The daemon's side of a model process: started on first need, many requests at once.

A process that dies fails its requests with the fault "process", which is retried, and the next
request starts a fresh one. A process that says nothing for a while is asked whether it lives, and
ended when it does not say so: that costs its requests an attempt, and nobody has to wait for it. A
process that nobody has used for a while is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from mato.models.base import ASKED, Chunk, FinishChunk, ModelFault, ModelRequest, WaitChunk
from mato.models.keys import without_keys
from mato.models.wire import Ask, Cancel, Failed, FromChild, Piece, Ping, Pong, Ready
from mato.processes import end_tree, identity
from mato.rpc import framing
from mato.rpc.pipes import LIMIT_BYTES
from mato_sessions.errors import DaemonError

_log = logging.getLogger(__name__)
_START_S = 180.0
"""For imports and weights, on a machine that is busy with other things."""
QUIET_S = 20.0
"""Silence of a request after which its process is asked whether it lives."""
LIFE_S = 60.0
"""How long it may take to say so. Its loop does little but pass on chunks, on a machine that may be
busy with other things."""
_PIECES = 4096
"""Chunks of one request that may wait; when they are not read, the child has to wait."""

_decoder: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
_encoder = msgspec.msgpack.Encoder()

_Outcome = Chunk | ModelFault


class WorkerModel:
    """A `Model` in a process of its own. Its tasks live in `group`, which the caller owns."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        group: asyncio.TaskGroup,
        child_started: Callable[[int, str], Callable[[], None]],
        idle_s: float,
        env: Mapping[str, str] | None = None,
        quiet_s: float = QUIET_S,
        life_s: float = LIFE_S,
    ) -> None:
        self._name = name
        self._quiet_s = quiet_s
        self._life_s = life_s
        self._command = tuple(command)
        self._group = group
        self._child_started = child_started
        self._idle_s = idle_s
        # Keys come with each request, so that a process never answers with another one's.
        self._env = without_keys(os.environ if env is None else env)
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """See `Model.stream`."""
        child = await self._living()
        if not child.is_ready:
            yield WaitChunk(f"the {self._name} process is starting")
            # Whoever gives up waiting leaves the child to the others, and to `close`.
            await child.ready()
            yield WaitChunk(ASKED)
        answer = child.ask(request)
        try:
            while True:
                outcome = await self._next(child, answer)
                if isinstance(outcome, ModelFault):
                    raise outcome
                yield outcome
                if isinstance(outcome, FinishChunk):
                    return
        finally:
            child.forget(request.request)

    async def _next(self, child: _Child, answer: asyncio.Queue[_Outcome]) -> _Outcome:
        while answer.empty():
            try:
                async with asyncio.timeout(self._quiet_s):
                    return await answer.get()
            except TimeoutError:
                await child.prove_life(self._life_s)
        return answer.get_nowait()

    async def close(self) -> None:
        """See `Model.close`."""
        self._closed = True
        async with self._starting:  # one that is being started is known after that
            child = self._child
        if child is not None:
            await child.end()

    async def _living(self) -> _Child:
        async with self._starting:
            if self._closed:
                raise ModelFault("refused", f"the {self._name} model is closed; Mato is stopping")
            if self._child is None or self._child.gone:
                self._child = await self._start()
            return self._child

    async def _start(self) -> _Child:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._env,
                start_new_session=True,
            )
        except OSError as error:
            raise ModelFault(
                "process", f"the {self._name} model's process could not be started: {error}"
            ) from error
        child = _Child(self._name, process, self._child_started, self._idle_s)
        self._group.create_task(child.live())
        return child


class _Child:
    """One process from its start to its end."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        child_started: Callable[[int, str], Callable[[], None]],
        idle_s: float,
    ) -> None:
        self._name = name
        self._process = process
        self._idle_s = idle_s
        self._forget_child = child_started(process.pid, f"model {name}")
        leader = identity(process.pid)
        self._started = leader.started if leader is not None else None
        self._answers: dict[str, asyncio.Queue[_Outcome]] = {}
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._stopping = False
        self._idle: asyncio.TimerHandle | None = None
        self._said: deque[str] = deque(maxlen=5)
        self._heard = asyncio.Event()
        # Set with every frame.
        self._giving = False
        # A frame waits for whoever reads slowly: then it is not the child that is silent.
        self._hung = False

    @property
    def gone(self) -> bool:
        """Whether it takes no more requests."""
        return self._stopping or self._ended.is_set()

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests at once."""
        return self._ready.is_set()

    async def ready(self) -> None:
        """Returns once it takes requests.

        Raises:
            ModelFault: it died before, or took too long and is ended.
        """
        try:
            async with asyncio.timeout(_START_S):
                await self._ready.wait()
        except TimeoutError:
            await self.end()
            raise ModelFault(
                "process", f"the {self._name} model's process was not ready after {_START_S:g} s"
            ) from None
        if self._ended.is_set():
            raise self._death()

    def ask(self, request: ModelRequest) -> asyncio.Queue[_Outcome]:
        """Send a request; the queue gets its chunks, the last one a finish or a fault."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        answer: asyncio.Queue[_Outcome] = asyncio.Queue(_PIECES)
        if self.gone:
            answer.put_nowait(self._death())
        else:
            self._answers[request.request] = answer
            self._send(Ask(request))
        return answer

    def forget(self, request: str) -> None:
        """Nobody waits for this answer any more."""
        answer = self._answers.pop(request, None)
        if answer is not None:
            while not answer.empty():  # so that nothing waits for room in it
                answer.get_nowait()
            if not self.gone:
                self._send(Cancel(request))
        self._rest()

    async def prove_life(self, within_s: float) -> None:
        """End it, and all its requests with it, unless it says something within that time.

        Several may ask at once.
        """
        if self.gone or self._giving:
            return
        self._heard.clear()
        self._send(Ping())
        for _ in range(2):  # it may be this process that was stopped for the first half
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s / 2):
                    await self._heard.wait()
                    return
        if not self.gone and not self._giving:
            _log.error("the %s model's process does not answer any more", self._name)
            self._hung = True
            await self.end()

    def _rest(self) -> None:
        """Begin to count the time in which nobody asks anything, if that is so."""
        if not self._answers and not self.gone and self._idle is None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_s, self._hang_up)

    def _send(self, frame: Ask | Cancel | Ping) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(framing.pack(_encoder.encode(frame)))

    def _hang_up(self) -> None:
        """The end of its input is what ends it in good order."""
        self._stopping = True
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def end(self) -> None:
        """End it and all that it started. Idempotent."""
        if not self._ended.is_set():
            self._hang_up()
            await end_tree(self._process.pid, started=self._started)
            await self._ended.wait()

    async def live(self) -> None:
        """Read what it says until it has ended; nothing that goes wrong leaves this task."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._drain_log())
                await self._read()
                self._stopping = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGTERM)
                await self._process.wait()
        except Exception:
            _log.exception("reading from the %s model failed", self._name)
        finally:
            self._stopping = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._forget_child()
            if self._idle is not None:
                self._idle.cancel()
            self._ended.set()
            self._ready.set()
            for answer in self._answers.values():
                if answer.full():  # its reader has enough to find out that it is the end
                    answer.get_nowait()
                answer.put_nowait(self._death())

    async def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        while True:
            try:
                frame = _decoder.decode(await framing.read(stream, LIMIT_BYTES))
            except (EOFError, ConnectionError):
                return
            except (DaemonError, msgspec.MsgspecError) as error:
                _log.error(
                    "the %s model's process does not keep to the wire: %s", self._name, error
                )
                return
            self._heard.set()
            match frame:
                case Pong():
                    pass
                case Ready(name=name):
                    _log.info("model process %s (%s) is ready", self._name, name)
                    self._ready.set()
                    self._rest()  # whoever had it started may have gone
                case Piece(request=request, chunk=chunk):
                    await self._give(request, chunk)
                    if isinstance(chunk, FinishChunk):
                        self._answers.pop(request, None)
                case Failed(request=request):
                    fault = ModelFault(frame.fault, frame.message, frame.retry_after_s)
                    await self._give(request, fault)
                    self._answers.pop(request, None)

    async def _give(self, request: str, outcome: _Outcome) -> None:
        # Whoever reads slowly makes the child wait, and with it all others: better than memory
        # without bounds, and so many chunks behind is only who has stopped (see `forget`).
        if answer := self._answers.get(request):
            self._giving = True
            await answer.put(outcome)
            self._giving = False

    async def _drain_log(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the reader's limit; what is in the buffer is dropped
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._said.append(text)
            _log.info("%s: %s", self._name, text)

    def _death(self) -> ModelFault:
        code = self._process.returncode
        if self._hung:
            return ModelFault(
                "process",
                f"the {self._name} model's process did not answer any more; it is started again",
            )
        how = "ended" if code is None else f"ended with code {code}"
        last = f" after saying {self._said[-1][:200]!r}" if self._said else ""
        return ModelFault(
            "process", f"the {self._name} model's process {how}{last}; it is started again"
        )
