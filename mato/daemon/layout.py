"""The first arrangement of a session: one window, its agents tiled."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mato_sessions.events.session import Node, PaneNode, SplitNode, WindowNode
from mato_sessions.ids import Ids


def tiled(agents: Sequence[str], ids: Ids) -> tuple[WindowNode, ...]:
    """One window with a pane for each agent, in columns as even as can be; () without agents."""
    if not agents:
        return ()
    columns = math.ceil(math.sqrt(len(agents)))
    panes = [PaneNode(ids.pane(), agent) for agent in agents]
    # The first columns are the shorter ones: the first agent gets the tallest pane.
    short, left = divmod(len(panes), columns)
    nodes: list[Node] = []
    for index in range(columns):
        height = short + (1 if index >= columns - left else 0)
        nodes.append(_split("column", panes[:height]))
        del panes[:height]
    return (WindowNode(ids.window(), "main", _split("row", nodes)),)


def _split(axis: str, nodes: Sequence[Node]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    weights = (1,) * len(nodes)
    return SplitNode("row" if axis == "row" else "column", weights, tuple(nodes))
