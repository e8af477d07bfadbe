"""Facts about a turn: queued, prompted, ended. The envelope's `turn` names it."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from mato_sessions.events.base import Body

StopReason = Literal[
    # ACP's words (ACP StopReason)
    "end_turn",
    "max_tokens",
    "max_turn_requests",
    "refusal",
    "cancelled",
    # Mato's own
    "failed",  # the model could not be asked; `detail` has the sentence
    "token_limit",
    "cost_limit",
    "time_limit",
    "interrupted",  # the daemon ended in the middle of it
]


class TextBlock(msgspec.Struct, frozen=True, tag="text"):
    text: str


Block = TextBlock


class TurnQueued(Body, frozen=True, kw_only=True):
    """A prompt came while the agent was busy; it starts when the turns before it have ended."""

    kind: ClassVar[str] = "turn.queued"

    blocks: tuple[Block, ...]


class TurnReturned(Body, frozen=True, kw_only=True):
    """A queued prompt will not start by itself any more (stop, kill, daemon ended)."""

    kind: ClassVar[str] = "turn.returned"

    reason: str


class TurnPrompted(Body, frozen=True, kw_only=True):
    """The turn has started."""

    kind: ClassVar[str] = "turn.prompted"

    blocks: tuple[Block, ...]


class TurnUndone(Body, frozen=True, kw_only=True):
    """A person had files put back to what they were before this turn, which had ended."""

    kind: ClassVar[str] = "turn.undone"

    files: tuple[str, ...]
    """Relative to the workspace."""


class TurnEnded(Body, frozen=True, kw_only=True):
    kind: ClassVar[str] = "turn.ended"

    reason: StopReason
    detail: str = ""
    """One sentence for a person where the reason alone does not say enough."""
