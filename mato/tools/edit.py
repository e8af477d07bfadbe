"""The tool that replaces one passage of a file, found by its exact text."""

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

_NAMED_LINES = 5


class EditArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(description="File, relative to the workspace.")]
    old_text: Annotated[
        str,
        Meta(description="The passage to replace, exactly as in the file; must occur once."),
    ]
    new_text: Annotated[str, Meta(description="What stands there instead.")]


class Edit:
    name: str = "edit"
    description: str = (
        "Replace one passage of a file. old_text must match exactly, white space included, and"
        " occur once: take along lines around it until it does."
    )
    Arguments: type[msgspec.Struct] = EditArguments
    action: Action = "write"
    # Run twice, it may replace a second passage that the first run made.
    policy: RecoveryPolicy = "probe"

    def title(self, arguments: EditArguments) -> str:
        return f"edit {arguments.path}"

    def resource(self, arguments: EditArguments) -> str:
        return arguments.path

    async def preview(self, arguments: EditArguments, workspace: Any) -> str:
        return (await off_loop(_change, arguments, workspace)).diff

    async def probe(
        self, arguments: EditArguments, workspace: Any, before: bytes | None
    ) -> ToolResult | Literal["absent", "unclear"]:
        def change(content: bytes | None) -> Change:
            path = workspace.relative(arguments.path)
            return Change.of(path, content, NEW_FILE, _after(arguments, content))

        return await written(change, workspace, arguments.path, before)

    async def run(self, arguments: EditArguments, around: Surroundings) -> ToolResult:
        change = await off_loop(_change, arguments, around.workspace)
        return await change.apply(around)


def replace_once(text: str, old: str, new: str) -> str:
    """`text` with its one occurrence of `old` replaced by `new`.

    Where the file ends its lines with CRLF and `old` comes with LF, both are taken as CRLF.

    Raises:
        ToolError: `old` is empty, not found, found several times, or the same as `new`.
    """
    if not old:
        raise ToolError("old_text is empty; quote the passage to replace, or use write")
    if old == new:
        raise ToolError("old_text and new_text are the same; nothing would change")
    if old not in text and "\r\n" in text and "\r" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    at = text.find(old)
    if at < 0:
        raise ToolError(_not_found(text, old))
    # Also overlapping ones: "aa" stands twice in "aaa", and either could be meant.
    places = [at]
    while (at := text.find(old, at + 1)) >= 0:
        places.append(at)
        if len(places) > _NAMED_LINES:
            break
    if len(places) > 1:
        lines = [text.count("\n", 0, place) + 1 for place in places[:_NAMED_LINES]]
        more = ", …" if len(places) > _NAMED_LINES else ""
        raise ToolError(
            f"old_text occurs more than once (at lines {', '.join(map(str, lines))}{more}); add"
            " lines before or after it until it occurs once"
        )
    return text[: places[0]] + new + text[places[0] + len(old) :]


def _not_found(text: str, old: str) -> str:
    """Where the passage nearly stands, so that the next try succeeds."""
    wanted = [line.split() for line in old.strip().split("\n")]
    lines = [line.split() for line in text.split("\n")]
    for start in range(len(lines) - len(wanted) + 1):
        if lines[start : start + len(wanted)] == wanted:
            return (
                f"old_text is not in the file, but lines {start + 1}-{start + len(wanted)} differ"
                " from it only in white space; read them and copy them exactly"
            )
    return "old_text is not in the file; read it and copy the passage exactly as it stands"


def _change(arguments: EditArguments, workspace: Workspace) -> Change:
    path = arguments.path
    try:
        before, permissions = current(workspace, path)
        after = _after(arguments, before)
        return Change.of(workspace.relative(path), before, permissions, after)
    except PathRefused as error:
        raise ToolError(str(error)) from error


def _after(arguments: EditArguments, before: bytes | None) -> bytes:
    path = arguments.path
    if before is None:
        raise ToolError(f"{path!r} does not exist; make it with write")
    try:
        text = before.decode()
    except UnicodeDecodeError as error:
        raise ToolError(f"{path!r} is not UTF-8 text, so edit cannot change it") from error
    try:
        return replace_once(text, arguments.old_text, arguments.new_text).encode()
    except UnicodeEncodeError as error:
        raise ToolError("new_text holds half a character (a lone surrogate)") from error
