"""Facts about a session: opened, renamed, arranged, archived."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from mato_sessions.events.base import Body

Mode = Literal["read", "ask", "edit", "full"]
"""What agents may do without asking: read only; read (asks for the rest); write too; everything."""


class PaneNode(msgspec.Struct, frozen=True, tag="pane"):
    """A leaf of a window's split tree."""

    pane: str
    agent: str
    """The agent that the pane shows."""


class SplitNode(msgspec.Struct, frozen=True, tag="split"):
    """An inner node: two or more children side by side."""

    axis: Literal["row", "column"]
    """row: children from left to right (tmux ``%``); column: from top to bottom (tmux ``"``)."""
    weights: tuple[int, ...]
    """Relative sizes, one for each child, all ≥ 1."""
    children: tuple[PaneNode | SplitNode, ...]


Node = PaneNode | SplitNode


class WindowNode(msgspec.Struct, frozen=True):
    """A named window and its tree."""

    window: str
    name: str
    root: Node


class SessionOpened(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "session.opened"

    name: str
    cwd: str
    """Absolute path of the workspace."""
    mode: Mode
    trusted: bool
    """Whether the folder's own files may instruct (AGENTS.md, config). Decided by a person."""
    mato: str
    """Version of the Mato that opened it."""


class SessionRenamed(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "session.renamed"

    name: str


class SessionArranged(Body, frozen=True, kw_only=True):
    """The windows and panes changed. Focus, zoom and scroll belong to each client, not here."""

    kind: ClassVar[str] = "session.arranged"

    windows: tuple[WindowNode, ...]


class SessionArchived(Body, frozen=True, kw_only=True):
    """A person put the session away: it is listed apart and takes no prompts. Or took it back."""

    kind: ClassVar[str] = "session.archived"

    archived: bool
