"""An agent that cannot be made any more is ended with all that it left open."""

from __future__ import annotations

from typing import Any

import pytest

from mato.daemon.epitaph import epitaph
from mato_sessions.catalog import AgentSummary
from mato_sessions.transitions import CallRow


def row(state: Any, agent: str = "a", turn: str = "t") -> CallRow:
    return CallRow(
        "s", f"c-{state}", agent, turn, state, int(state != "proposed"), 1, "k", "ask", 9
    )


@pytest.mark.parametrize("turn", ["t", None])
def test_open_calls_end_before_their_turn_and_the_agent_last(turn: str | None) -> None:
    agent = AgentSummary(id="a", name="coder", kind="native", since_us=0, turn=turn)
    states = ("proposed", "started", "unknown", "finished")
    calls = [*(row(state) for state in states), row("started", agent="b"), row("started", turn="u")]
    drafts = epitaph("s", agent, calls, "ended by a person")
    kinds = [draft.body.kind for draft in drafts]
    end = ["agent.state_changed", "agent.exited"]
    assert kinds == (["tool.failed", "tool.unknown", "turn.ended", *end] if turn else end)
    assert {draft.agent for draft in drafts} == {"a"}
