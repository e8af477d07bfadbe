"""What a tool is: a typed schema, an action to be permitted, a recovery policy, and a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from mato.models.base import ToolSchema
from mato.permissions.taint import Taint
from mato_sessions.events.base import BlobRef, Body
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy


class ToolError(Exception):
    """The tool could not do it. The message is data for the model, not for a traceback."""


class LimitReached(ToolError):
    """It may not do it: the message names the person's limit."""


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool that ran to its end gives back; becomes `tool.finished`."""

    content: str
    """For the model; bounded by the tool (≤ 32 KiB)."""
    summary: str = ""
    """A few words for people."""
    diff: str = ""
    output: BlobRef | None = None
    exit_code: int | None = None
    seen: Taint = Taint()
    """What the content taints its reader with, where the arguments do not tell."""
    put_back: tuple[str, ...] = ()
    """Protected paths that are as they were again."""


class Surroundings(Protocol):
    """What a running tool may use of the world, given by the agent's runtime.

    All paths that tools take from a model are relative to the workspace (or absolute inside it)
    and are opened only through `workspace`.
    """

    @property
    def call(self) -> str:
        """The call's id; child processes carry it as MATO_CALL."""
        ...

    @property
    def workspace(self) -> Any:
        """A `mato.tools.workspace.Workspace`."""
        ...

    @property
    def env(self) -> dict[str, str]:
        """Environment for child processes."""
        ...

    @property
    def seen(self) -> Taint:
        """What the agent has seen so far."""
        ...

    def emit(self, text: str) -> None:
        """Show and journal output as it comes."""
        ...

    async def checkpoint(
        self, path: str, before: bytes | None, permissions: int, after: bytes
    ) -> None:
        """Keep the file as it is before `after` is written; returns when that is on disk."""
        ...

    async def blob(self, data: bytes) -> BlobRef:
        """Keep `data` beside the journal; returns when that is on disk."""
        ...

    async def record(self, body: Body) -> None:
        """Journal a fact of the tool's own (the plan)."""
        ...

    def child_started(self, pid: int | None, purpose: str) -> Callable[[], None]:
        """Record a process group led by `pid`; call the result when it has ended.

        `pid` None: the child is about to be started. It carries `call` as MATO_CALL, by which it
        is found again should Mato end before its own record stands.
        """
        ...


class Tool(Protocol):
    """A tool. Instances hold no state between calls."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """For the model; one or two sentences."""
        ...

    @property
    def Arguments(self) -> type[msgspec.Struct]:
        """A frozen struct, every field with a description (Annotated[…, msgspec.Meta])."""
        ...

    @property
    def action(self) -> Action: ...

    @property
    def policy(self) -> RecoveryPolicy: ...

    def title(self, arguments: Any) -> str:
        """A few words for people: ``read src/app.py``, ``$ make test``."""
        ...

    def resource(self, arguments: Any) -> str:
        """What the permission is about: the path or the command line."""
        ...

    async def preview(self, arguments: Any, workspace: Any) -> str:
        """A diff of what would change, or "". Never writes. Raises ToolError where it would."""
        ...

    def run(self, arguments: Any, around: Surroundings) -> Awaitable[ToolResult]:
        """Do it.

        Cancelling the task ends everything that the call started, within 2 s.

        Raises:
            ToolError: it could not be done.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """A tool whose arguments are described by somebody else's schema: they stay a plain object."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of an object, as it came."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A tool whose policy is ``probe``: the world shows what became of a call of it."""

    async def probe(
        self, arguments: Any, workspace: Any, before: bytes | None
    ) -> ToolResult | Literal["absent", "unclear"]:
        """What became of a call that was cut off: its result, no effect, or nobody can say.

        `before` is the file as it was kept for the call, None where there was none. Never writes.
        """
        ...


class Registry(Protocol):
    """The tools of an agent (`mato.tools.registry.Registry`)."""

    @property
    def commands_ask(self) -> bool:
        """Whether no mode lets a command run unasked: nothing is around it."""
        ...

    def schemas(self) -> tuple[ToolSchema, ...]:
        """In a fixed order, so that prompts stay byte-identical."""
        ...

    def get(self, name: str) -> Tool | None: ...

    def parse(self, tool: Tool, arguments: str) -> Any:
        """The typed arguments.

        Raises:
            ToolError: not JSON, or not what the schema says; the message tells the model.
        """
        ...
