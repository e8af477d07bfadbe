"""The policy over its whole domain, and a planted fault that the same properties find."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import get_args

import pytest
from msgspec.structs import replace

from mato.permissions.policy import Decision, Effect, Question, Tier, decide, leaves
from mato.shell import Kind
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode

TABLE: dict[Mode, dict[Action, Effect]] = {
    "read": {"note": "allow", "read": "allow", "write": "deny", "execute": "deny"},
    "ask": {"note": "allow", "read": "allow", "write": "ask", "execute": "ask"},
    "edit": {"note": "allow", "read": "allow", "write": "allow", "execute": "ask"},
    "full": {"note": "allow", "read": "allow", "write": "allow", "execute": "allow"},
}
FREEDOM: dict[Effect, int] = {"deny": 0, "ask": 1, "allow": 2}
BOTH = (False, True)
DOMAIN = [
    Question(
        mode=mode,
        action=action,
        tier=tier,
        command=command,
        rule=rule,
        private=private,
        untrusted=untrusted,
    )
    for mode, action, tier, command, rule, private, untrusted in itertools.product(
        get_args(Mode),
        get_args(Action),
        get_args(Tier),
        get_args(Kind),
        (None, *get_args(Effect)),
        BOTH,
        BOTH,
    )
]


def violations(judge: Callable[[Question], Decision]) -> list[str]:
    """The promises of the policy, held against each question there is."""
    found: list[str] = []

    def promise(holds: bool, what: str, question: Question) -> None:
        if not holds:
            found.append(f"{what}: {question}")

    for question in DOMAIN:
        decision = judge(question)
        effect = decision.effect
        if question.rule == "deny":
            promise(effect == "deny", "a rule that denies is final", question)
        if question.private and question.untrusted and leaves(question):
            promise(effect != "allow", "two taints and a way out ask", question)
        if question.rule == "ask":
            promise(effect != "allow", "a rule that asks is stronger than allow", question)
        if TABLE[question.mode][question.action] == "deny":
            promise(effect == "deny", "what the mode denies stays denied", question)
        if question.rule is None and question.tier != "full":
            free = FREEDOM[effect] <= FREEDOM[TABLE[question.mode][question.action]]
            promise(free, "without the sandbox no mode is freer than its table", question)
        for stricter in (
            replace(question, private=True, untrusted=True),
            replace(question, tier="none"),
            replace(question, rule="deny"),
        ):
            free = FREEDOM[judge(stricter).effect] <= FREEDOM[effect]
            promise(free, "more danger never frees", question)
    return found


def test_the_domain_is_whole():
    assert len(DOMAIN) == 4 * 4 * 3 * 5 * 4 * 4
    assert set(TABLE) == set(get_args(Mode))
    for row in TABLE.values():
        assert set(row) == set(get_args(Action))


def test_no_question_breaks_a_promise():
    assert violations(decide) == []


def _forgets_a_taint(question: Question) -> Decision:
    return decide(replace(question, private=False))


def _lets_rules_beat_the_mode(question: Question) -> Decision:
    return Decision("allow", "rule") if question.rule == "allow" else decide(question)


@pytest.mark.parametrize("broken", [_forgets_a_taint, _lets_rules_beat_the_mode])
def test_a_planted_fault_is_found(broken: Callable[[Question], Decision]):
    assert violations(broken)


@pytest.mark.parametrize(
    ("mode", "action", "effect"),
    [(mode, action, effect) for mode, row in TABLE.items() for action, effect in row.items()],
)
def test_every_mode_decides_every_action_as_the_table_says(
    mode: Mode, action: Action, effect: Effect
):
    decision = decide(Question(mode=mode, action=action))
    assert decision.effect == effect
    assert decision.rule.startswith(f"mode {mode}: ")


def test_no_action_is_freer_in_a_stricter_mode():
    modes: list[Mode] = ["read", "ask", "edit", "full"]
    for question in DOMAIN:
        ranks = [FREEDOM[decide(replace(question, mode=mode)).effect] for mode in modes]
        assert ranks == sorted(ranks), question
