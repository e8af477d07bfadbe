"""Facts about agents that are programs of their own: what they are, offer, say and do unasked."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from mato_sessions.events.base import BlobRef, Body

How = Literal["new", "resumed", "loaded", "fresh"]
"""fresh: it was to go on with a session that it could not take up, so it knows nothing of it."""


class AgentConnected(Body, frozen=True, kw_only=True):
    """The program runs and has a session (ACP initialize, session/new, resume or load)."""

    kind: ClassVar[str] = "agent.connected"

    foreign: str
    """Its own name of that session."""
    how: How
    name: str = ""
    """What it calls itself, and which version that is; "" where it does not say."""
    release: str = ""
    can: tuple[str, ...] = ()
    """What it says that it can do: ``load``, ``resume``, ``image`` …"""
    lost: str = ""
    """With `fresh`: its name of the session that it could not take up."""
    why: str = ""
    """With `fresh`: what it said about that."""


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that an option may have."""

    value: str
    name: str
    description: str = ""


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about the agent that a person may choose (ACP session config options, modes)."""

    option: str
    name: str
    category: str
    """mode, model, thought_level …; "" where it says none."""
    value: str
    """As it is now. Of a switch: ``true`` or ``false``."""
    choices: tuple[Choice, ...]


class SlashCommand(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that the agent takes as ``/name`` at the beginning of a prompt."""

    name: str
    description: str = ""
    hint: str = ""
    """What may follow it."""


class AgentOffered(Body, frozen=True, kw_only=True):
    """What can be chosen and commanded, whole; it replaces what was offered before."""

    kind: ClassVar[str] = "agent.offered"

    options: tuple[Option, ...] = ()
    commands: tuple[SlashCommand, ...] = ()


class AgentDecided(Body, frozen=True, kw_only=True):
    """It did what it had not been allowed to do: nobody was asked, or the answer was no.

    Recorded at the first call of that sort, and at every one after a no.
    """

    kind: ClassVar[str] = "agent.decided"

    call: str
    title: str
    against: bool = False
    """It had been told no."""


class ToolDescribed(Body, frozen=True, kw_only=True):
    """More became known about a call after it was proposed. Fields left out stay as they were."""

    kind: ClassVar[str] = "tool.described"

    call: str
    title: str | None = None
    arguments: dict[str, Any] | None = None


class UnknownSaid(Body, frozen=True, kw_only=True):
    """The agent said something that this Mato does not understand. It changes nothing."""

    kind: ClassVar[str] = "agent.unknown_said"

    what: str
    """The protocol's word for it, as the agent wrote it."""
    raw: str
    """JSON, at most 4 KiB of it; the evidence has all."""


class EvidenceKept(Body, frozen=True, kw_only=True):
    """What went between Mato and the program, word for word, secrets taken out."""

    kind: ClassVar[str] = "evidence.kept"

    lines: BlobRef
    """JSON lines: ``at_us``, ``way`` (in, out, err) and ``text``, a line as it came."""
    count: int
    left_out_bytes: int = 0
    """Of its stderr, beyond what is kept."""
