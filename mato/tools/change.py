"""A file's content before and after: its diff, and how it is put on disk once it is kept."""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import Literal

import msgspec

from mato.tools.base import Surroundings, ToolResult
from mato.tools.difference import counts, unified
from mato.tools.disk import off_loop
from mato.tools.read import FILE_BYTES
from mato.tools.workspace import NEW_FILE, PathMissing, Workspace


class Change(msgspec.Struct, frozen=True):
    """What a tool is about to do to one file."""

    path: str
    """Relative to the workspace."""
    before: bytes | None
    """None: there is no such file."""
    after: bytes
    permissions: int
    diff: str

    @classmethod
    def of(cls, path: str, before: bytes | None, permissions: int, after: bytes) -> Change:
        """The change from `before` to `after`, with its diff ("" where either is no text)."""
        return cls(path, before, after, permissions, _diff(path, before, after))

    async def apply(self, around: Surroundings) -> ToolResult:
        """Keep the file as it was, then write it.

        Raises:
            ToolError: it could not be written, or was changed by someone else since.
        """
        if self.before == self.after:
            return ToolResult(content=f"{self.path} already has this content.", summary="unchanged")
        permissions = 0 if self.before is None else self.permissions
        await around.checkpoint(self.path, self.before, permissions, self.after)
        workspace: Workspace = around.workspace
        await off_loop(
            workspace.write_bytes,
            self.path,
            self.after,
            expect=self.before,
            permissions=self.permissions,
        )
        return self.result()

    def result(self, note: str = "") -> ToolResult:
        """What there is to say once it is done."""
        done = "Made" if self.before is None else "Changed"
        said = counts(self.diff) if self.diff else f"{len(self.after):,} bytes"
        content = f"{done} {self.path} ({said}).{note}"
        return ToolResult(content=content, summary=said, diff=self.diff)


async def written(
    change: Callable[[bytes | None], Change], workspace: Workspace, path: str, before: bytes | None
) -> ToolResult | Literal["absent", "unclear"]:
    """Whether a change that was cut off stands in the file, which was `before` until then.

    `change` makes it from a content. Where the file is neither what it was nor what it was to
    become, somebody else has written it since.

    Raises:
        ToolError: the change cannot be made from `before`.
        PathRefused: the file cannot be looked at.
    """
    now, _ = await off_loop(current, workspace, path)
    if now == before:
        return "absent"
    made = await off_loop(change, before)
    if now != made.after:
        return "unclear"
    return made.result(" Mato ended right after it was written.")


def current(workspace: Workspace, path: str) -> tuple[bytes | None, int]:
    """Content (None: no such file) and permission bits of the file at `path`."""
    try:
        permissions = stat.S_IMODE(workspace.stat(path).st_mode)
        return workspace.read_bytes(path, FILE_BYTES), permissions
    except PathMissing:
        return None, NEW_FILE


def _diff(path: str, before: bytes | None, after: bytes) -> str:
    try:
        return unified(path, None if before is None else before.decode(), after.decode())
    except UnicodeDecodeError:
        return ""
