"""Decides what a call may do; pure, and defined for everything that can be asked.

Deny is stronger than the end of an agent, that than two taints with a way out, that than ask, and
ask is stronger than allow. A grant allows: it answers what a mode asks, and never what a rule asks.
What nothing speaks about asks.
"""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec

from mato.permissions.taint import Taint
from mato.shell import Kind
from mato_sessions.events.permission import Action, Pattern
from mato_sessions.events.session import Mode

Effect = Literal["allow", "ask", "deny"]
Tier = Literal["full", "partial", "none"]
"""How well the sandbox holds a command: see `mato doctor`."""


class Decision(msgspec.Struct, frozen=True):
    """What is to happen, and why."""

    effect: Effect
    rule: str
    """For people: ``mode ask: reads run``."""
    by: Literal["mode", "rule", "grant", "taint", "bare", "guard", "killed"] = "mode"
    """What decided. taint: two marks and a way out. bare: nothing is around commands. guard: it
    could make programs run."""
    marks: Taint = Taint()
    """What the agent was marked with."""
    grant: str = ""
    """The id of the grant that decided."""
    patterns: tuple[Pattern, ...] = ()
    """Of what asks: what a yes for the session would cover."""
    lasting: str = ""
    """The same for people."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision depends on; every combination has one answer."""

    mode: Mode
    action: Action
    tier: Tier = "none"
    command: Kind = "unknown"
    """Of an `execute`: what its line does at most."""
    rule: Effect | None = None
    """The strongest effect of the rules that match; None: none does."""
    private: bool = False
    """Whether the agent has seen what must not leave."""
    untrusted: bool = False
    """Whether the agent has seen what strangers wrote."""
    granted: bool = False
    """Whether a person's yes for the session covers it."""
    killed: bool = False
    """Whether the agent is being ended."""
    bare: bool = False
    """Whether nothing is around a command and nobody said that this is wanted."""
    guarded: bool = False
    """Of a write: whether the file could make programs run, or instruct agents."""
    networked: bool = False
    """Whether a command in the sandbox reaches any host at all."""


def decide(question: Question) -> Decision:
    """What is to happen with a call."""
    mode = question.mode
    by_mode = _by_mode(question)
    if question.rule == "deny":
        return Decision("deny", "a rule denies it", "rule")
    if by_mode == "deny":
        return Decision("deny", f"mode {mode}: {_things(question)} are denied")
    if question.killed:
        return Decision("deny", "the agent has been ended", "killed")
    if question.private and question.untrusted and leaves(question):
        says = "it can carry private data away, and strangers' text has been read"
        return Decision("ask", says, "taint")
    if question.rule == "ask":
        return Decision("ask", "a rule asks", "rule")
    if question.bare and question.action == "execute":
        return Decision("ask", f"no sandbox: commands ask in mode {mode} too", "bare")
    if question.guarded and question.action == "write" and question.rule != "allow":
        return Decision("ask", "the file can make programs run, or instruct agents", "guard")
    if by_mode == "ask" and question.rule == "allow":
        return Decision("allow", "a rule allows it", "rule")
    if by_mode == "ask" and question.granted:
        return Decision("allow", "a person allowed it for the session", "grant")
    verb = "run" if by_mode == "allow" else "ask"
    return Decision(by_mode, f"mode {mode}: {_things(question)} {verb}")


def leaves(question: Question) -> bool:
    """Whether the call may carry data out of this machine."""
    if question.action != "execute":
        return question.action == "reach"
    match question.command:
        case "read" | "write":
            return False
        case "project":
            # In there nothing has a network, unless hosts are let through.
            return question.tier != "full" or question.networked
        case "out" | "unknown":
            return True
        case _:
            assert_never(question.command)


def _by_mode(question: Question) -> Effect:
    mode = question.mode
    match question.action:
        case "note" | "read":
            return "allow"
        case "write":
            return _CHANGES[mode]
        case "spawn":
            # It may do no more than who starts it: like a change that each mode knows.
            return _CHANGES[mode]
        case "reach":
            return "allow" if mode == "full" else "ask"
        case "execute":
            match mode:
                case "read":
                    return "deny"
                case "ask":
                    return "allow" if _held(question, "read") else "ask"
                case "edit":
                    return "allow" if _held(question, "read", "write") else "ask"
                case "full":
                    return "allow"
                case _:
                    assert_never(mode)
        case _:
            assert_never(question.action)


def _held(question: Question, *kinds: Kind) -> bool:
    """Whether the command is of one of the kinds, and the sandbox bounds what the judge missed."""
    return question.tier == "full" and question.command in kinds


def _things(question: Question) -> str:
    match question.action:
        case "note":
            return "notes"
        case "read":
            return "reads"
        case "write":
            return "writes"
        case "reach":
            return "requests to the outside"
        case "spawn":
            return "starts of agents"
        case "execute":
            if question.mode in ("ask", "edit") and question.tier == "full":
                return _COMMANDS[question.command]
            return "commands"
        case _:
            assert_never(question.action)


_CHANGES: dict[Mode, Effect] = {"read": "deny", "ask": "ask", "edit": "allow", "full": "allow"}

_COMMANDS: dict[Kind, str] = {
    "read": "commands that only look",
    "write": "commands that change files",
    "project": "commands of the project",
    "out": "commands that can carry data away",
    "unknown": "commands that are not understood",
}
