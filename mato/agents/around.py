"""What a running tool may use of the world, bound to one call of one agent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from mato.agents.base import Sink
from mato.agents.streams import Streams
from mato.permissions.taint import Taint
from mato.tools.workspace import Workspace
from mato_sessions.events import BlobRef, Body, FileCheckpointed


class Around:
    """The surroundings of one running call."""

    def __init__(
        self,
        call: str,
        attempt: int,
        turn: str,
        workspace: Workspace,
        env: Mapping[str, str],
        seen: Taint,
        streams: Streams,
    ) -> None:
        self._call = call
        self._turn = turn
        self._workspace = workspace
        self._env = dict(env)
        self._seen = seen
        self._sink: Sink = streams.sink
        self._output = streams.open("output", f"{call}/{attempt}/output", turn, attempt, call)

    @property
    def call(self) -> str:
        return self._call

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def env(self) -> dict[str, str]:
        return dict(self._env)

    @property
    def seen(self) -> Taint:
        return self._seen

    def emit(self, text: str) -> None:
        self._output.feed(text)

    async def checkpoint(
        self, path: str, before: bytes | None, permissions: int, after: bytes
    ) -> None:
        ref = None if before is None else await self._sink.blob(before)
        await self.record(
            FileCheckpointed(
                call=self._call,
                path=path,
                before=ref,
                permissions=permissions,
                after_sha256=hashlib.sha256(after).hexdigest(),
                redacted=ref is not None
                and ref.sha256 != hashlib.sha256(before or b"").hexdigest(),
            )
        )

    async def blob(self, data: bytes) -> BlobRef:
        return await self._sink.blob(data)

    async def record(self, body: Body) -> None:
        await self._sink.record(body, turn=self._turn)

    def child_started(self, pid: int | None, purpose: str) -> Callable[[], None]:
        return self._sink.child_started(pid, purpose, self._call)

    def close(self) -> None:
        """No more output comes."""
        self._output.close()
