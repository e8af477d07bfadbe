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
    mode: dict(zip(("note", "read", "write", "execute", "reach", "spawn"), effects, strict=True))
    for mode, effects in {
        "read": ("allow", "allow", "deny", "deny", "ask", "deny"),
        "ask": ("allow", "allow", "ask", "ask", "ask", "ask"),
        "edit": ("allow", "allow", "allow", "ask", "ask", "allow"),
        "full": ("allow", "allow", "allow", "allow", "allow", "allow"),
    }.items()
}
FREEDOM: dict[Effect, int] = {"deny": 0, "ask": 1, "allow": 2}
BOTH = (False, True)
NOT_ASKED_ABOUT: dict[Action, dict[str, object]] = {
    "note": {
        "tier": "none",
        "command": "unknown",
        "bare": False,
        "networked": False,
        "guarded": False,
    },
    "read": {
        "tier": "none",
        "command": "unknown",
        "bare": False,
        "networked": False,
        "guarded": False,
    },
    "write": {"tier": "none", "command": "unknown", "bare": False, "networked": False},
    "spawn": {
        "tier": "none",
        "command": "unknown",
        "bare": False,
        "networked": False,
        "guarded": False,
    },
    "execute": {"guarded": False},
    "reach": {
        "tier": "none",
        "command": "unknown",
        "bare": False,
        "networked": False,
        "guarded": False,
    },
}
"""Fields that say nothing about an action; `test_what_is_left_out_decides_nothing` holds it."""
VALUES: dict[str, tuple[object, ...]] = {
    "mode": get_args(Mode),
    "tier": get_args(Tier),
    "command": get_args(Kind),
    "rule": (None, *get_args(Effect)),
    "private": BOTH,
    "untrusted": BOTH,
    "granted": BOTH,
    "killed": BOTH,
    "bare": BOTH,
    "guarded": BOTH,
    "networked": BOTH,
}


def _domain() -> list[Question]:
    found: list[Question] = []
    for action in get_args(Action):
        fixed = NOT_ASKED_ABOUT[action]
        values = [(fixed[name],) if name in fixed else VALUES[name] for name in VALUES]
        found += [
            Question(**dict(zip(VALUES, each, strict=True)), action=action)  # pyright: ignore[reportArgumentType] - names and values are of one table
            for each in itertools.product(*values)
        ]
    return found


DOMAIN = _domain()


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
        if TABLE[question.mode][question.action] == "deny":
            promise(effect == "deny", "what the mode denies stays denied", question)
        if question.killed:
            promise(effect == "deny", "nothing of an agent that is ended is allowed", question)
        if question.private and question.untrusted and leaves(question):
            promise(effect != "allow", "two taints and a way out ask", question)
        if question.rule == "ask":
            promise(effect != "allow", "a rule that asks is stronger than allow", question)
        if question.bare and question.action == "execute":
            promise(effect != "allow", "every command asks where nothing is around it", question)
        if question.guarded and question.rule != "allow":
            promise(effect != "allow", "what makes programs run is asked about", question)
        if question.rule is None and question.tier != "full" and not question.granted:
            free = FREEDOM[effect] <= FREEDOM[TABLE[question.mode][question.action]]
            promise(free, "without the sandbox no mode is freer than its table", question)
        if effect == "allow" and decision.by == "grant":
            promise(question.granted and question.rule is None, "only a grant is one", question)
        if question.granted:
            without = judge(replace(question, granted=False)).effect
            promise(effect == without or without == "ask", "a grant answers a question", question)
        for stricter in (
            replace(question, private=True, untrusted=True),
            replace(question, tier="none"),
            replace(question, rule="deny"),
            replace(question, killed=True),
            replace(question, bare=True),
            replace(question, granted=False),
            replace(question, networked=True),
        ):
            free = FREEDOM[judge(stricter).effect] <= FREEDOM[effect]
            promise(free, "more danger never frees", question)
    return found


def test_the_domain_is_whole():
    assert {*VALUES, "action"} == set(Question.__struct_fields__)
    execute = 4 * 3 * 5 * 4 * 2**6
    write, other = 4 * 4 * 2**5, 4 * 4 * 2**4
    assert len(DOMAIN) == execute + write + 4 * other
    assert set(TABLE) == set(get_args(Mode))
    for row in TABLE.values():
        assert set(row) == set(get_args(Action))


@pytest.mark.parametrize("action", get_args(Action))
def test_what_is_left_out_decides_nothing(action: Action):
    for name in NOT_ASKED_ABOUT[action]:
        for question in DOMAIN[::7]:
            asked = replace(question, action=action)
            effects = {decide(replace(asked, **{name: value})).effect for value in VALUES[name]}
            assert len(effects) == 1, (name, asked)


def test_no_question_breaks_a_promise():
    assert violations(decide) == []


def _says(effect: Effect, when: Callable[[Question], bool]) -> Callable[[Question], Decision]:
    return lambda question: Decision(effect, "fault") if when(question) else decide(question)


FAULTS: dict[str, Callable[[Question], Decision]] = {
    "forgets a taint": lambda question: decide(replace(question, private=False)),
    "forgets the end of an agent": lambda question: decide(replace(question, killed=False)),
    "forgets that nothing is around a command": lambda q: decide(replace(q, bare=False)),
    "forgets what makes programs run": lambda q: decide(replace(q, guarded=False)),
    "forgets the network": lambda question: decide(replace(question, networked=False)),
    "takes every tier for the best": lambda question: decide(replace(question, tier="full")),
    "lets rules beat the mode": _says("allow", lambda q: q.rule == "allow"),
    "lets a grant beat two taints": _says("allow", lambda q: q.granted and q.rule != "deny"),
    "lets a grant beat a rule that asks": _says(
        "allow", lambda q: q.granted and q.rule == "ask" and decide(q).by == "rule"
    ),
    "lets a grant beat a rule that denies": _says("allow", lambda q: q.granted and not q.killed),
    "lets mode full beat all": _says("allow", lambda q: q.mode == "full"),
    "asks about the dead": _says("ask", lambda q: q.killed and decide(q).by == "killed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str):
    assert violations(FAULTS[fault])


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
