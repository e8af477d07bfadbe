"""The first arrangement: every agent once, columns as even as can be."""

from __future__ import annotations

import pytest

from mato.daemon.layout import tiled
from mato_sessions.clock import ManualClock
from mato_sessions.events.session import Node, PaneNode, SplitNode
from mato_sessions.ids import Ids


def _agents(node: Node) -> list[str]:
    if isinstance(node, PaneNode):
        return [node.agent]
    return [agent for child in node.children for agent in _agents(child)]


@pytest.mark.parametrize("count", range(1, 18))
def test_every_agent_has_one_pane_and_columns_differ_by_one_at_most(count: int) -> None:
    agents = [f"a{number}" for number in range(count)]
    (window,) = tiled(agents, Ids(ManualClock().wall_us))
    assert _agents(window.root) == agents
    columns = window.root.children if isinstance(window.root, SplitNode) else (window.root,)
    heights = [len(_agents(column)) for column in columns]
    assert max(heights) - min(heights) <= 1
    assert heights == sorted(heights)
    assert len(columns) >= max(heights)


def test_a_session_without_agents_has_no_window() -> None:
    assert tiled([], Ids(ManualClock().wall_us)) == ()
