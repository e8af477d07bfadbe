"""The embedded model's process: requests on stdin, chunks on stdout, a log on stderr.

``python -m mato.models.embedded.server MODEL.gguf``. It ends when stdin is closed, which also
happens when its parent dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from mato.config import paths
from mato.models.base import Chunk, ModelFault, ModelRequest, WaitChunk
from mato.models.embedded import llama
from mato.models.embedded.answering import Answering
from mato.models.wire import DECODER, Ask, Cancel, Failed, Piece, Ping, Pong, Ready, ToChild
from mato.rpc.pipes import Wire, claim_stdout, open_wire
from mato_sessions.errors import MatoError


class Desk:
    """Takes requests from the wire and runs each as a task of its own."""

    def __init__(self, wire: Wire[ToChild], answering: Answering) -> None:
        self._wire = wire
        self._answering = answering
        self._running: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Until the parent closes its end; whatever still runs then is cancelled."""
        async with asyncio.TaskGroup() as group:
            while (frame := await self._wire.read()) is not None:
                match frame:
                    case Ask(request):
                        task = group.create_task(self._run(request))
                        self._running[request.request] = task
                    case Cancel(request):
                        if task := self._running.get(request):
                            task.cancel()
                    case Ping():
                        self._wire.post(Pong())
            for task in self._running.values():
                task.cancel()

    async def _run(self, request: ModelRequest) -> None:
        name = request.request

        async def emit(chunk: Chunk) -> None:
            await self._wire.write(Piece(name, chunk))

        def tell(text: str) -> None:
            self._wire.post(Piece(name, WaitChunk(text)))

        try:
            await self._answering.answer(request, emit, tell)
        except ModelFault as fault:
            await self._wire.write(Failed(name, fault.fault, str(fault), fault.retry_after_s))
        except ConnectionError:
            raise  # the parent is gone: the whole process ends
        except Exception as error:
            # The boundary of a request: one that fails must not take the others with it.
            log(f"request {name} failed: {error!r}")
            await self._wire.write(
                Failed(name, "server", f"the embedded model failed: {type(error).__name__}")
            )
        finally:
            if self._running.get(name) is asyncio.current_task():
                del self._running[name]


def log(text: str) -> None:
    """A line on stderr, which is the child's log."""
    print(f"embedded: {text}", file=sys.stderr, flush=True)


async def _serve(model: Path, frames: int, runtime: Path) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _leave, runtime, 0)
    began = time.monotonic()
    wire = await open_wire(frames, DECODER)
    threads = llama.threads_here()
    prefixes = paths.private(paths.find().cache / "prefixes")
    engine = await llama.load(model, prefixes, runtime, threads)
    load_s = round(time.monotonic() - began, 2)
    log(f"{model.name} loaded in {load_s} s, {threads} threads")
    await wire.write(
        Ready(
            model.stem,
            {
                "slots": llama.SLOTS,
                "context": llama.SLOT_TOKENS,
                "threads": threads,
                "load_s": load_s,
            },
        )
    )
    await Desk(wire, Answering(engine)).serve()


def main(arguments: list[str]) -> NoReturn:
    """Serve until stdin closes.

    Exits 0 then, 1 with one sentence when it cannot start, 2 when called wrongly.
    """
    frames = claim_stdout()
    code = 0
    runtime: Path | None = None
    try:
        if len(arguments) != 1:
            log("usage: python -m mato.models.embedded.server MODEL.gguf")
            code = 2
        elif not (model := Path(arguments[0])).is_file():
            log(f"there is no model file {str(model)!r}; run `mato model`")
            code = 1
        else:
            runtime = paths.private(paths.find().runtime)
            asyncio.run(_serve(model, frames, runtime))
    except (MatoError, ValueError) as error:
        log(str(error))
        code = 1
    except ExceptionGroup as errors:
        _, others = errors.split(ConnectionError)
        if others is not None:
            log(f"stopped: {others.exceptions[0]!r}")
            code = 1
    _leave(runtime, code)


def _leave(runtime: Path | None, code: int) -> NoReturn:
    if runtime is not None:
        llama.unload(runtime)
    sys.stderr.flush()
    # Native threads may be in the middle of a batch; waiting for them would keep a dead child.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
