"""Decides by the session's mode what a tool may do; pure, and defined for every pair."""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec

from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode

Effect = Literal["allow", "ask", "deny"]


class Decision(msgspec.Struct, frozen=True):
    """What is to happen, and why."""

    effect: Effect
    rule: str
    """For people: ``mode ask: reads run``."""


def decide(mode: Mode, action: Action) -> Decision:
    """What `mode` says about `action`."""
    effect = _effect(mode, action)
    match effect:
        case "allow":
            verb = "run"
        case "ask":
            verb = "ask"
        case "deny":
            verb = "are denied"
        case _:
            assert_never(effect)
    return Decision(effect, f"mode {mode}: {_things(action)} {verb}")


def _effect(mode: Mode, action: Action) -> Effect:
    match action:
        case "note" | "read":
            return "allow"
        case "write":
            match mode:
                case "read":
                    return "deny"
                case "ask":
                    return "ask"
                case "edit" | "full":
                    return "allow"
                case _:
                    assert_never(mode)
        case "execute":
            match mode:
                case "read":
                    return "deny"
                case "ask" | "edit":
                    return "ask"
                case "full":
                    return "allow"
                case _:
                    assert_never(mode)
        case _:
            assert_never(action)


def _things(action: Action) -> str:
    match action:
        case "note":
            return "notes"
        case "read":
            return "reads"
        case "write":
            return "writes"
        case "execute":
            return "commands"
        case _:
            assert_never(action)
