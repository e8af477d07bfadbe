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
from mato.shell.commands import classify
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
    """Its profile."""
    session: str = ""
    name: str = ""
    """The agent's own name in its session: a rule may be about the profile or about one agent."""


def strongest(rules: Sequence[Rule], subject: Subject) -> Rule | None:
    """The matching rule with the strongest effect, the first of equals; None: none matches.

    A command that is not understood may hide what any rule against commands is about (`env git
    push`, a quoted name): where such a rule does not match, it asks.
    """
    verdict = judge(subject.resource) if subject.action == "execute" else None
    applied = [
        one
        for rule in rules
        if _is_for(rule, subject) and (one := _applied(rule, subject.resource, verdict)) is not None
    ]
    if verdict is not None:
        applied += _allowing([rule for rule in rules if _is_for(rule, subject)], verdict)
    return max(applied, key=lambda rule: _STRENGTH[rule.effect], default=None)


def binding(rules: Sequence[Rule], subject: Subject, above: Sequence[str] = ()) -> Rule | None:
    """The rule that holds for an agent which the agents `above` stand over.

    What is denied or asked of one of them is so of it too; allowed is only what all may.
    """
    each = [
        strongest(
            rules, subject if name == subject.agent else replace(subject, agent=name, name="")
        )
        for name in dict.fromkeys((subject.agent, *above))
    ]
    strict = [rule for rule in each if rule is not None and rule.effect != "allow"]
    if strict:
        return max(strict, key=lambda rule: _STRENGTH[rule.effect])
    return each[0] if all(rule is not None for rule in each) else None


def _is_for(rule: Rule, subject: Subject) -> bool:
    return (
        rule.action in ("*", subject.action)
        and any(_like(rule.agent, each) for each in (subject.agent, subject.name or subject.agent))
        and _like(rule.session, subject.session)
    )


def _applied(rule: Rule, resource: str, verdict: Verdict | None) -> Rule | None:
    """What one rule says by itself; that a command is allowed is said by all of them together."""
    if verdict is None:
        return rule if _like(rule.resource, resource) else None
    if rule.effect == "allow":
        return None
    words = [shlex.join(command.argv) for command in verdict.commands]
    if any(_like(rule.resource, text) for text in (resource, *words)):
        return rule
    if not words and _like(f"*{rule.resource.strip('*').strip()}*", resource):
        return rule  # where the words are not certain it may stand anywhere in the line
    hidden = verdict.kind == "unknown" and rule.action == "execute"
    return replace(rule, effect="ask") if hidden else None


def _allowing(rules: Sequence[Rule], verdict: Verdict) -> list[Rule]:
    """The rules that allow a line: each of its commands needs one, or only looks.

    A redirection to a file is no part of the words, so no rule covers it.
    """
    allowing = [rule for rule in rules if rule.effect == "allow"]
    found: list[Rule] = []
    for command in verdict.commands:
        if command.reads or command.writes:
            return []
        words = shlex.join(command.argv)
        matching = [rule for rule in allowing if _like(rule.resource, words)]
        if not matching and classify(command).kind != "read":
            return []
        found += matching[:1]
    return found


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
