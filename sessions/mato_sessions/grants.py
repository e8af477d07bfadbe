"""What people have allowed agents for longer than one call, folded from the facts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mato_sessions.events import Event, PermissionGranted, PermissionRevoked
from mato_sessions.events.permission import Action, Pattern


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A grant of one agent in one session that has not been taken back; it may have expired."""

    grant: str
    call: str
    action: Action
    patterns: tuple[Pattern, ...]
    words: str
    by: str
    at_us: int
    expires_us: int
    """Both wall clock."""


def with_fact(
    grants: Sequence[Grant], event: Event, body: PermissionGranted | PermissionRevoked
) -> list[Grant]:
    """An agent's grants after one was given or taken back, oldest first."""
    others = [each for each in grants if each.grant != body.grant]
    if isinstance(body, PermissionRevoked):
        return others
    given = Grant(
        grant=body.grant,
        call=body.call,
        action=body.action,
        patterns=body.patterns,
        words=body.words,
        by=body.by,
        at_us=event.at_us,
        expires_us=body.expires_us,
    )
    # What has run out by the clock of the facts themselves is not kept for ever.
    return [*(each for each in others if each.expires_us > event.at_us), given]


def standing(grants: Sequence[Grant], now_us: int) -> tuple[Grant, ...]:
    """Those that still hold at `now_us`, wall clock."""
    return tuple(each for each in grants if each.expires_us > now_us)
