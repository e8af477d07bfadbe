"""The process in which litellm lives: requests on stdin, chunks on stdout, a log on stderr.

``python -m mato.models.litellm_process``. It ends when stdin is closed, which also happens when
its parent dies. litellm's import costs seconds and stalls a loop, so the daemon never does it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from mato.models.base import ModelFault, ModelRequest
from mato.models.pairs import whole
from mato.models.wire import DECODER, Ask, Cancel, Failed, Piece, Ping, Pong, Ready, ToChild
from mato.rpc.pipes import Wire, claim_stdout, open_wire


def load() -> Any:
    """litellm, told to stay off the network and to be quiet."""
    # Before the import: else it fetches a price list and prints what it thinks about that.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOG"] = "ERROR"
    import litellm

    module: Any = litellm
    module.telemetry = False
    module.suppress_debug_info = True
    module.drop_params = True
    module.num_retries = 0
    module.success_callback = []
    module.failure_callback = []
    return module


class Desk:
    """Takes requests from the wire and runs each as a task of its own."""

    def __init__(self, wire: Wire[ToChild], litellm: Any) -> None:
        self._wire = wire
        self._litellm = litellm
        self._running: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Until the parent closes its end; whatever still runs then is cancelled."""
        async with asyncio.TaskGroup() as group:
            while (frame := await self._wire.read()) is not None:
                match frame:
                    case Ask(request=request):
                        task = group.create_task(self._run(request))
                        self._running[request.request] = task
                    case Cancel(request=name):
                        if task := self._running.get(name):
                            task.cancel()
                    case Ping():
                        self._wire.post(Pong())
            for task in self._running.values():
                task.cancel()

    async def _run(self, request: ModelRequest) -> None:
        from mato.models.litellm_answer import answer

        name = request.request
        try:
            async for chunk in answer(self._litellm, request):
                await self._wire.write(Piece(name, chunk))
        except ModelFault as fault:
            await self._wire.write(Failed(name, fault.fault, str(fault), fault.retry_after_s))
        except ConnectionError:
            raise  # the parent is gone: the whole process ends
        except Exception as error:
            # The boundary of a request: one that fails must not take the others with it.
            print(f"request {name}: {type(error).__name__}", file=sys.stderr, flush=True)
            sentence = whole(f"litellm failed inside: {type(error).__name__}: {error}")
            await self._wire.write(Failed(name, "refused", sentence))
        finally:
            if self._running.get(name) is asyncio.current_task():
                del self._running[name]


async def _serve(frames: int) -> None:
    begun = time.monotonic()
    litellm = load()
    wire = await open_wire(frames, DECODER)
    version = getattr(litellm, "__version__", "")
    await wire.write(
        Ready("litellm", {"version": version, "loaded_s": round(time.monotonic() - begun, 2)})
    )
    await Desk(wire, litellm).serve()


def main() -> None:
    """Serve until stdin ends."""
    frames = claim_stdout()
    try:
        asyncio.run(_serve(frames))
    except* ConnectionError:
        pass
    # Threads of litellm's own must not keep a process whose parent has gone.
    os._exit(0)


if __name__ == "__main__":
    main()
