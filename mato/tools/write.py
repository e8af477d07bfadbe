"""The tool that writes a whole file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mato.tools.base import Surroundings, ToolError, ToolResult
from mato.tools.change import Change, current, written
from mato.tools.disk import off_loop
from mato.tools.workspace import NEW_FILE, Workspace
from mato_sessions.errors import PathRefused
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy


class WriteArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(description="File, relative to the workspace.")]
    content: Annotated[str, Meta(description="The whole new content.")]


class Write:
    name: str = "write"
    description: str = (
        "Write a file of the workspace, new or whole; to change a part of one, use edit."
    )
    Arguments: type[msgspec.Struct] = WriteArguments
    action: Action = "write"
    # The same content once more does no harm, unless somebody has changed the file since.
    policy: RecoveryPolicy = "probe"

    def title(self, arguments: WriteArguments) -> str:
        return f"write {arguments.path}"

    def resource(self, arguments: WriteArguments) -> str:
        return arguments.path

    async def preview(self, arguments: WriteArguments, workspace: Any) -> str:
        return (await off_loop(_change, arguments, workspace)).diff

    async def probe(
        self, arguments: WriteArguments, workspace: Any, before: bytes | None
    ) -> ToolResult | Literal["absent", "unclear"]:
        def change(content: bytes | None) -> Change:
            path = workspace.relative(arguments.path)
            return Change.of(path, content, NEW_FILE, _content(arguments))

        return await written(change, workspace, arguments.path, before)

    async def run(self, arguments: WriteArguments, around: Surroundings) -> ToolResult:
        change = await off_loop(_change, arguments, around.workspace)
        return await change.apply(around)


def _change(arguments: WriteArguments, workspace: Workspace) -> Change:
    after = _content(arguments)
    try:
        before, permissions = current(workspace, arguments.path)
        return Change.of(workspace.relative(arguments.path), before, permissions, after)
    except PathRefused as error:
        raise ToolError(str(error)) from error


def _content(arguments: WriteArguments) -> bytes:
    try:
        return arguments.content.encode()
    except UnicodeEncodeError as error:
        raise ToolError("content holds half a character (a lone surrogate)") from error
