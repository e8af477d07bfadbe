"""The first arrangement: every agent once, columns as even as can be."""

from __future__ import annotations

import pytest

from mato.daemon.layout import check, joined, tiled
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


def test_a_child_comes_into_a_window_of_its_own_and_its_siblings_beside_it() -> None:
    ids = Ids(ManualClock().wall_us)
    main = tiled(["lead", "other"], ids)
    first = joined(main, {"one", "two"}, (), "one", "lead's", ids)
    assert first[0] == main[0]
    assert (first[1].name, _agents(first[1].root)) == ("lead's", ["one"])
    second = joined(first, {"one", "two"}, (), "two", "lead's", ids)
    assert (second[0], _agents(second[1].root)) == (main[0], ["one", "two"])
    third = joined(second, {"one", "two", "three"}, {"one"}, "three", "lead's", ids)
    assert _agents(third[1].root) == ["two", "three"]
    check(third, {"lead", "other", "two", "three"})


def test_a_child_disturbs_no_window_where_a_person_put_others_with_its_siblings() -> None:
    ids = Ids(ManualClock().wall_us)
    mixed = tiled(["lead", "one"], ids)
    (window,) = joined(mixed, {"one"}, {"one"}, "two", "lead's", ids)
    assert isinstance(window.root, SplitNode)
    assert window.root.children[0] == mixed[0].root
    assert _agents(window.root) == ["lead", "one", "two"]


def test_a_session_without_agents_has_no_window() -> None:
    assert tiled([], Ids(ManualClock().wall_us)) == ()
