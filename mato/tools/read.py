"""The tool that reads a file, or a window of its lines."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mato.tools.base import Surroundings, ToolError, ToolResult
from mato.tools.disk import off_loop
from mato.tools.workspace import Workspace
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy

FILE_BYTES = 16 * 1024 * 1024
"""Larger files are not taken into memory."""
_CONTENT_BYTES = 24 * 1024
_LINE_CHARACTERS = 2_000
_SNIFFED = 8 * 1024


class ReadArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(description="File, relative to the workspace.")]
    offset: Annotated[int, Meta(ge=1, description="First line to show, counted from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, le=5000, description="How many lines to show at most.")] = 500


class Read:
    """Gives text as it stands in the file, without line numbers, so that `edit` can quote it."""

    name: str = "read"
    description: str = (
        "Read a text file of the workspace. Long files come in windows: go on with offset."
    )
    Arguments: type[msgspec.Struct] = ReadArguments
    action: Action = "read"
    policy: RecoveryPolicy = "idempotent"

    def title(self, arguments: ReadArguments) -> str:
        return f"read {arguments.path}"

    def resource(self, arguments: ReadArguments) -> str:
        return arguments.path

    async def preview(self, arguments: ReadArguments, workspace: Any) -> str:
        return ""

    async def run(self, arguments: ReadArguments, around: Surroundings) -> ToolResult:
        return await off_loop(_read, arguments, around.workspace)


def _read(arguments: ReadArguments, workspace: Workspace) -> ToolResult:
    path = arguments.path
    size = workspace.stat(path).st_size
    if size > FILE_BYTES:
        raise ToolError(
            f"{path!r} has {size:,} bytes and {FILE_BYTES:,} is the most that read takes; look at"
            " parts of it with shell (head, tail, sed -n, grep)"
        )
    data = workspace.read_bytes(path, FILE_BYTES)
    if b"\0" in data[:_SNIFFED]:
        return ToolResult(
            content=f"{path!r} is a binary file of {len(data):,} bytes, beginning with"
            f" {data[:16].hex(' ')}; its content is not text.",
            summary=f"binary, {len(data):,} bytes",
        )
    text = data.decode(errors="replace")
    # Only \n ends a line; \r stays, because edit has to find what the file really holds.
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return ToolResult(content=f"[{path!r} is an empty file]", summary="empty")
    first = arguments.offset - 1
    if first >= len(lines):
        raise ToolError(f"{path!r} has {len(lines):,} lines; offset {arguments.offset} is beyond")
    shown, cut = _window(lines[first : first + arguments.limit])
    last = first + len(shown)
    notes: list[str] = []
    if first or last < len(lines):
        more = f"; go on with offset={last + 1}" if last < len(lines) else ""
        notes.append(f"[lines {first + 1}-{last} of {len(lines)}{more}]")
    if cut:
        notes.append(f"[lines cut after {_LINE_CHARACTERS} characters: {', '.join(map(str, cut))}]")
    if "\ufffd" in text and "\ufffd".encode() not in data:
        notes.append("[not UTF-8: bytes that are no text are shown as \ufffd]")
    content = "\n".join([*shown, *notes]) + ("" if notes else "\n")
    return ToolResult(content=content, summary=_lines(len(shown)))


def _window(lines: list[str]) -> tuple[list[str], list[int]]:
    """As many lines as may be shown, and which of them (counted from 1) were cut."""
    shown: list[str] = []
    cut: list[int] = []
    size = 0
    for number, line in enumerate(lines, 1):
        text = line
        if len(line) > _LINE_CHARACTERS:
            text = f"{line[:_LINE_CHARACTERS]}…"
        size += len(text.encode()) + 1
        if size > _CONTENT_BYTES and shown:
            break
        if text is not line:
            cut.append(number)
        shown.append(text)
    return shown, cut


def _lines(count: int) -> str:
    return f"{count:,} line{'s' * (count != 1)}"
