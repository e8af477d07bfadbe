"""Requests about trust: what a folder could make agents do, and a person's word on it."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from mato.protocol.request import Request


class LookAtFolder(Request, frozen=True, kw_only=True):
    """What in a folder could instruct or execute, and whether that is trusted."""

    method: ClassVar[str] = "trust.look"
    observes: ClassVar[bool] = True

    cwd: str


class TrustedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that could instruct or execute."""

    path: str
    """Relative to the folder."""
    state: Literal["new", "changed", "gone", "same", "odd"]
    """Against what was trusted. odd: no plain file, so it is never used; see `why`."""
    size_bytes: int = 0
    why: str = ""
    diff: str = ""
    """From what was trusted (nothing, where it is new) to what is there; "" where it is the same,
    is no text, or there is too much to show."""


class FolderStanding(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    """With links resolved."""
    state: Literal["trusted", "changed", "untrusted"]
    sentence: str
    """What a person should know; "" where nothing."""
    files: tuple[TrustedFile, ...]
    """Those that differ first, then by path."""
    digest: str
    """Of all that was looked at; `trust.give` takes it."""
    whole: bool
    """Whether all that differs is shown in the diffs."""


LookAtFolder.Result = FolderStanding


class TrustFolder(Request, frozen=True, kw_only=True):
    """Trust a folder as it was shown; refused where it is another by now."""

    method: ClassVar[str] = "trust.give"

    cwd: str
    digest: str


TrustFolder.Result = FolderStanding
