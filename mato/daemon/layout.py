"""Arrangements of a session: the first one (its agents tiled), a pane more, a check of others."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

from mato_sessions.errors import UsageError
from mato_sessions.events.session import Node, PaneNode, SplitNode, WindowNode
from mato_sessions.ids import Ids

MOST_PANES = 256


def tiled(agents: Sequence[str], ids: Ids) -> tuple[WindowNode, ...]:
    """One window with a pane for each agent, in columns as even as can be; () without agents."""
    if not agents:
        return ()
    panes = [PaneNode(ids.pane(), agent) for agent in agents]
    return (WindowNode(ids.window(), "main", _tiled(panes)),)


def joined(
    windows: Sequence[WindowNode],
    siblings: Container[str],
    ended: Container[str],
    agent: str,
    name: str,
    ids: Ids,
) -> tuple[WindowNode, ...]:
    """The windows with a pane for an agent that another one has started.

    Never in a window that a person may be reading: it comes into one of its own, called `name`, or
    into that of its `siblings`. Where nobody else is shown with those they are tiled anew, without
    those that have `ended`.
    """
    pane = PaneNode(ids.pane(), agent)
    for at, window in enumerate(windows):
        shown = _panes(window.root)
        if not any(each.agent in siblings for each in shown):
            continue
        root = _split("row", [window.root, pane])
        if all(each.agent in siblings for each in shown):
            root = _tiled([*(each for each in shown if each.agent not in ended), pane])
        return (*windows[:at], WindowNode(window.window, window.name, root), *windows[at + 1 :])
    return (*windows, WindowNode(ids.window(), name, pane))


def _panes(node: Node) -> list[PaneNode]:
    if isinstance(node, PaneNode):
        return [node]
    return [pane for child in node.children for pane in _panes(child)]


def _tiled(panes: Sequence[PaneNode]) -> Node:
    """Columns as even as can be; the first ones are the shorter: the first pane is the tallest."""
    left = list(panes)
    columns = math.ceil(math.sqrt(len(left)))
    short, more = divmod(len(left), columns)
    nodes: list[Node] = []
    for index in range(columns):
        height = short + (1 if index >= columns - more else 0)
        nodes.append(_split("column", left[:height]))
        del left[:height]
    return _split("row", nodes)


def _split(axis: str, nodes: Sequence[Node]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    weights = (1,) * len(nodes)
    return SplitNode("row" if axis == "row" else "column", weights, tuple(nodes))


def check(windows: Sequence[WindowNode], agents: Container[str]) -> None:
    """Refuse a tree that no client could draw.

    Raises:
        UsageError: a pane of a strange agent, a name twice, weights that do not fit, too many.
    """
    panes: list[str] = []

    def look(node: Node) -> None:
        if isinstance(node, PaneNode):
            if node.agent not in agents:
                raise UsageError(f"pane {node.pane!r} shows {node.agent!r}, no agent of it")
            panes.append(node.pane)
            return
        if len(node.children) < 2 or len(node.weights) != len(node.children):
            raise UsageError("a split has two or more children and a weight for each")
        if min(node.weights) < 1:
            raise UsageError("the weights of a split are all 1 or more")
        for child in node.children:
            look(child)

    for window in windows:
        look(window.root)
    ids = {window.window for window in windows}
    if len(set(panes)) != len(panes) or len(ids) != len(windows):
        raise UsageError("every pane and window has an id of its own")
    if len(panes) > MOST_PANES:
        raise UsageError(f"{len(panes)} panes are too many; at most {MOST_PANES}")
