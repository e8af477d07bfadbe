"""How the states of agents look: a glyph and a word, never a colour alone."""

from __future__ import annotations

from collections.abc import Iterable

from mato.text import display
from mato_sessions.catalog import AgentSummary
from mato_sessions.events.agent import AgentState

GLYPHS: dict[AgentState, str] = {
    "starting": "◌",
    "idle": "○",
    "working": "●",
    "blocked": "▲",
    "done": "✓",
    "failed": "✗",
    "stopped": "■",
}

PAUSED = "‖"
"""Before the number of agents that go on only when a person lets them."""

URGENCY: dict[AgentState, int] = {
    "blocked": 0,
    "failed": 1,
    "done": 2,
    "working": 3,
    "starting": 4,
    "idle": 5,
    "stopped": 6,
}
"""Who needs a person most comes first."""

RUNNING: frozenset[AgentState] = frozenset({"starting", "working", "blocked"})
"""States whose elapsed time is shown."""


def line_of(agent: AgentSummary) -> str:
    """The agent in one line: glyph, name, state."""
    return f"{GLYPHS[agent.state]} {display(agent.name, newline=False)} {agent.state}"


def since_us(agent: AgentSummary) -> int:
    """When the turn began; of an agent that is blocked, when it was; 0: nothing runs."""
    if agent.state not in RUNNING:
        return 0
    return agent.since_us if agent.state == "blocked" else agent.turn_at_us


def most_urgent(states: Iterable[AgentState]) -> AgentState:
    """The state that speaks for several agents."""
    found = sorted(states, key=lambda state: URGENCY[state])
    return found[0] if found else "stopped"
