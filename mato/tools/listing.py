"""The tool that lists a folder as a tree of limited depth and size."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mato.tools.base import Surroundings, ToolResult
from mato.tools.disk import off_loop
from mato.tools.workspace import Entry, Workspace
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy

NOT_ENTERED = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        ".venv",
        "__pycache__",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
    }
)
"""Folders that tools made, which are named but neither listed nor searched."""
_ENTRIES = 500
_ENTRIES_OF_A_FOLDER = 100
_LIMIT_S = 10.0


class ListArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(description="Folder, relative to the workspace.")] = "."
    depth: Annotated[int, Meta(ge=1, le=8, description="How many levels to show.")] = 2


class List:
    name: str = "list"
    description: str = "List a folder of the workspace as a tree. Folders end in /, links in @."
    Arguments: type[msgspec.Struct] = ListArguments
    action: Action = "read"
    policy: RecoveryPolicy = "idempotent"

    def title(self, arguments: ListArguments) -> str:
        return f"list {arguments.path}"

    def resource(self, arguments: ListArguments) -> str:
        return arguments.path

    async def preview(self, arguments: ListArguments, workspace: Any) -> str:
        return ""

    async def run(self, arguments: ListArguments, around: Surroundings) -> ToolResult:
        return await off_loop(_list, arguments, around.workspace)


def _list(arguments: ListArguments, workspace: Workspace) -> ToolResult:
    end = time.monotonic() + _LIMIT_S
    lines: list[str] = []
    in_folder: dict[str, int] = {}
    count = 0
    for entry in workspace.walk(arguments.path, skip=NOT_ENTERED, depth=arguments.depth):
        if count >= _ENTRIES or time.monotonic() > end:
            lines.append(f"[stopped after {count} entries; list a folder inside for the rest]")
            break
        folder = entry.path.rpartition("/")[0]
        in_folder[folder] = in_folder.get(folder, 0) + 1
        indent = "  " * entry.depth
        if in_folder[folder] == _ENTRIES_OF_A_FOLDER + 1:
            lines.append(f"{indent}[more entries here are not shown]")
        if in_folder[folder] > _ENTRIES_OF_A_FOLDER:
            continue
        count += 1
        lines.append(f"{indent}{_line(entry)}")
    if not lines:
        return ToolResult(content=f"[{arguments.path!r} is empty]", summary="empty")
    plural = "y" if count == 1 else "ies"
    return ToolResult(content="\n".join(lines) + "\n", summary=f"{count} entr{plural}")


def _line(entry: Entry) -> str:
    match entry.kind:
        case "folder":
            return f"{entry.name}/"
        case "link":
            return f"{entry.name}@"
        case "other":
            return f"{entry.name} (no plain file)"
        case "file":
            return f"{entry.name}  {_size(entry.size_bytes)}"


def _size(size: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GiB"
