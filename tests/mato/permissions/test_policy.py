"""The policy over its whole domain."""

from __future__ import annotations

from typing import get_args

import pytest

from mato.permissions.policy import Effect, decide
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode

TABLE: dict[Mode, dict[Action, Effect]] = {
    "read": {"note": "allow", "read": "allow", "write": "deny", "execute": "deny"},
    "ask": {"note": "allow", "read": "allow", "write": "ask", "execute": "ask"},
    "edit": {"note": "allow", "read": "allow", "write": "allow", "execute": "ask"},
    "full": {"note": "allow", "read": "allow", "write": "allow", "execute": "allow"},
}


def test_the_table_has_every_mode_and_every_action():
    assert set(TABLE) == set(get_args(Mode))
    for row in TABLE.values():
        assert set(row) == set(get_args(Action))


@pytest.mark.parametrize(
    ("mode", "action", "effect"),
    [(mode, action, effect) for mode, row in TABLE.items() for action, effect in row.items()],
)
def test_every_mode_decides_every_action_as_the_table_says(
    mode: Mode, action: Action, effect: Effect
):
    decision = decide(mode, action)
    assert decision.effect == effect
    assert decision.rule.startswith(f"mode {mode}: ")


def test_no_action_is_freer_in_a_stricter_mode():
    rank = {"deny": 0, "ask": 1, "allow": 2}
    modes: list[Mode] = ["read", "ask", "edit", "full"]
    for action in get_args(Action):
        ranks = [rank[decide(mode, action).effect] for mode in modes]
        assert ranks == sorted(ranks)
