"""Rules that people write: what an agent may do to which resource; pure matching, total.

The user's `permissions.toml` may loosen and tighten, a project's `.mato/permissions.toml` may only
tighten: its `allow` rules are an error, whether the folder is trusted or not.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from mato.permissions.policy import Effect
from mato.shell import Verdict, judge
from mato_sessions.events.permission import Action

_STRENGTH: dict[Effect, int] = {"allow": 0, "ask": 1, "deny": 2}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[rule]]`; a pattern has `*` for any text, all other characters are themselves."""

    effect: Effect
    action: Action | Literal["*"] = "*"
    resource: str = "*"
    """The path, or the words of one command as a shell would be given them."""
    agent: str = "*"
    session: str = "*"

    def says(self) -> str:
        """The rule in one line, for people."""
        who = "".join(
            f" {name} {value}"
            for name, value in (("agent", self.agent), ("session", self.session))
            if value != "*"
        )
        return f"{self.effect} {self.action} {self.resource}{who}"


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `permissions.toml`."""

    rule: tuple[Rule, ...] = ()


class Subject(msgspec.Struct, frozen=True):
    """What rules are asked about."""

    action: Action
    resource: str
    agent: str = ""
    session: str = ""


def strongest(rules: Sequence[Rule], subject: Subject) -> Rule | None:
    """The matching rule with the strongest effect, the first of equals; None: none matches.

    A command that is not understood may hide what any rule against commands is about (`env git
    push`, a quoted name): where such a rule does not match, it asks.
    """
    found: Rule | None = None
    verdict = judge(subject.resource) if subject.action == "execute" else None
    for rule in rules:
        if rule.action not in ("*", subject.action):
            continue
        if not (_like(rule.agent, subject.agent) and _like(rule.session, subject.session)):
            continue
        applied = rule if _matches(rule, subject.resource, verdict) else None
        hidden = verdict is not None and verdict.kind == "unknown" and rule.action == "execute"
        if applied is None and hidden and rule.effect != "allow":
            applied = replace(rule, effect="ask")
        if applied is None:
            continue
        if found is None or _STRENGTH[applied.effect] > _STRENGTH[found.effect]:
            found = applied
    return found


def _matches(rule: Rule, resource: str, verdict: Verdict | None) -> bool:
    if verdict is None:
        return _like(rule.resource, resource)
    return _command_matches(rule, resource, verdict)


def _command_matches(rule: Rule, line: str, verdict: Verdict) -> bool:
    """An `allow` has to match every command of a line whose words are certain; others match any.

    A redirection to a file is no part of the words, so an `allow` never covers it.
    """
    commands = [shlex.join(command.argv) for command in verdict.commands]
    if rule.effect == "allow":
        if any(command.reads or command.writes for command in verdict.commands):
            return False
        return bool(commands) and all(_like(rule.resource, command) for command in commands)
    if _like(rule.resource, line) or any(_like(rule.resource, command) for command in commands):
        return True
    # Where the words are not certain the command may stand anywhere in the line.
    return not commands and _like(f"*{rule.resource.strip('*').strip()}*", line)


def _like(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says; linear in both."""
    first, *others = pattern.split("*")
    if not others:
        return text == first
    *middle, last = others
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - len(last) >= at and text.endswith(last)
