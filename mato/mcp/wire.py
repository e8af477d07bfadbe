"""What Mato and the process that holds one MCP connection say to each other.

Frames as of `mato.rpc.pipes`. The process is as little trusted as its server: every frame is of one
of these types and bounded, or it is the end of the connection.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mato.mcp.pins import Offers

LIMIT_BYTES = 16 * 1024 * 1024
"""Longest frame."""

Method = Literal["call", "resources", "read", "prompts", "prompt"]


class Open(msgspec.Struct, frozen=True, tag="open", kw_only=True):
    """Mato → process, once: where the server is."""

    argv: tuple[str, ...] = ()
    env: dict[str, str] = {}
    """All variables of the server's program."""
    url: str = ""
    headers: dict[str, str] = {}
    folder: str
    """The workspace: the program's folder, and the root that it is told."""


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Mato → process: do this; any number at once."""

    number: int
    method: Method
    name: str = ""
    """Of the tool or prompt, or the resource's URI."""
    arguments: dict[str, Any] = {}
    within_s: float = 60.0


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """Mato → process: nobody waits for this answer any more."""

    number: int


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """Process → Mato, once: the server is there."""

    offers: Offers


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A part of an answer that is text."""

    text: str


class Data(msgspec.Struct, frozen=True, tag="data"):
    """A part of an answer that is none."""

    media: str
    content: bytes


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """Process → Mato: what became of an ask."""

    number: int
    parts: tuple[Text | Data, ...] = ()
    failed: str = ""
    """Why there is no answer, or the server says that it failed; one sentence, else ""."""


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """Process → Mato: the server is not reached, or is gone; the last frame."""

    why: str


ToProcess = Open | Ask | Drop
FromProcess = Opened | Answer | Broken
DECODER: msgspec.msgpack.Decoder[ToProcess] = msgspec.msgpack.Decoder(ToProcess)
"""Of what the process hears."""
