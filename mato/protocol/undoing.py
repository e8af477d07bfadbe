"""Requests that take something back: files to before a turn, and everything that runs."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from mato.protocol.request import Request


class Undo(Request, frozen=True, kw_only=True):
    """What a turn changed in files, and, with `apply`, the way back."""

    method: ClassVar[str] = "turn.undo"

    session: str
    agent: str = ""
    turn: str = ""
    """Empty: the agent's newest turn that changed files and is not undone yet."""
    files: tuple[str, ...] | None = None
    """None: all that the turn changed."""
    apply: bool = False


class UndoFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the turn changed."""

    path: str
    """Relative to the workspace."""
    state: Literal["changed", "as_before", "refused", "undone"]
    """changed: as the turn left it. refused: see `reason`. undone: put back just now."""
    reason: str = ""
    diff: str = ""
    """From what is there to what was there before the turn; "" where either is no text."""
    change: str = ""
    """The same the other way: what is other now than before the turn; also where `refused`."""


class UndoTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that changed files by its tools."""

    turn: str
    at_us: int
    """When it was prompted, wall clock."""
    prompt: str
    """The beginning of what it was asked."""
    files: int
    undone: int
    """How many of the files have been put back."""


class UndoResult(msgspec.Struct, frozen=True, kw_only=True):
    session: str
    agent: str
    """Its name."""
    turn: str
    files: tuple[UndoFile, ...]
    """By path."""
    turns: tuple[UndoTurn, ...] = ()
    """The agent's newest turns that changed files, newest first."""


Undo.Result = UndoResult


class KillAll(Request, frozen=True, kw_only=True):
    """End every agent of every session with all that they started; the record stays."""

    method: ClassVar[str] = "agent.kill_all"


class KillAllResult(msgspec.Struct, frozen=True):
    agents: tuple[str, ...]
    """Those that have ended, as SESSION:AGENT."""
    left: tuple[int, ...] = ()
    """Numbers of processes that even SIGKILL did not end in time (stuck in the kernel)."""


KillAll.Result = KillAllResult
