"""The split tree of a window: pure operations on its nodes, each giving a new tree.

A tree is what `SessionArranged` carries: leaves are panes, an inner node puts two or more children
in a row or a column. Trees made here are *sound*: no split has a child split of its own axis, none
has fewer than two children, weights are ≥ 1 and in lowest terms, no pane id comes twice. Where the
cells go is the business of `geometry`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import Literal

from mato_sessions.events.session import Node, PaneNode, SplitNode, WindowNode

Axis = Literal["row", "column"]
Style = Literal["tiled", "columns", "rows", "main"]

STYLES: tuple[Style, ...] = ("tiled", "columns", "rows", "main")
"""What `space` goes through, in this order."""

HEAVIEST = 4096
"""Weights are kept small: the journal has them in every arrangement."""

DEEPEST = 64
"""A tree from elsewhere is cut below this depth."""


def panes(node: Node | None) -> Iterator[PaneNode]:
    """The leaves, left to right and top to bottom."""
    if isinstance(node, PaneNode):
        yield node
    elif node is not None:
        for child in node.children:
            yield from panes(child)


def find(node: Node | None, pane: str) -> PaneNode | None:
    """The leaf with this id."""
    return next((leaf for leaf in panes(node) if leaf.pane == pane), None)


def split(node: Node, pane: str, axis: Axis, new: PaneNode, *, before: bool = False) -> Node:
    """The tree in which `pane` shares its room half and half with `new`.

    Where `pane` already stands in a split of this axis, `new` becomes its sibling. An unknown pane
    leaves the tree as it was.
    """
    if isinstance(node, PaneNode):
        if node.pane != pane:
            return node
        pair = (new, node) if before else (node, new)
        return SplitNode(axis, (1, 1), pair)
    at = _holder(node, pane)
    if at is None:
        return node
    child = node.children[at]
    if node.axis == axis and isinstance(child, PaneNode):
        weights = [weight * 2 for weight in node.weights]
        half = node.weights[at]
        weights[at : at + 1] = [half, half]
        pair = (new, child) if before else (child, new)
        children = (*node.children[:at], *pair, *node.children[at + 1 :])
        return _made(axis, weights, children)
    grown = split(child, pane, axis, new, before=before)
    return _made(node.axis, node.weights, _put(node.children, at, grown))


def close(node: Node, pane: str) -> Node | None:
    """The tree without `pane`; the sibling before it (else after it) takes its room."""
    if isinstance(node, PaneNode):
        return None if node.pane == pane else node
    at = _holder(node, pane)
    if at is None:
        return node
    rest = close(node.children[at], pane)
    if rest is not None:
        return _made(node.axis, node.weights, _put(node.children, at, rest))
    weights = list(node.weights)
    freed = weights.pop(at)
    weights[max(at - 1, 0)] += freed
    return _made(node.axis, weights, (*node.children[:at], *node.children[at + 1 :]))


def swap(node: Node, one: str, other: str) -> Node:
    """The tree in which the two panes have changed places; sizes stay with the places."""
    first, second = find(node, one), find(node, other)
    if first is None or second is None:
        return node
    return _mapped(node, {one: second, other: first})


def weigh(node: Node, path: Sequence[int], weights: Sequence[int]) -> Node:
    """The tree with other weights at the split that `path` (child indices from the root) names."""
    if isinstance(node, PaneNode):
        return node
    if not path:
        return _made(node.axis, weights, node.children)
    at = path[0]
    return _made(
        node.axis,
        node.weights,
        _put(node.children, at, weigh(node.children[at], path[1:], weights)),
    )


def arrange(leaves: Sequence[PaneNode], style: Style = "tiled") -> Node | None:
    """An even tree of the panes, in their order; None of none.

    tiled: rows of as many columns as rows, the last row may have fewer. main: the first pane has
    the left half, the others share the right one.
    """
    if not leaves:
        return None
    if len(leaves) == 1:
        return leaves[0]
    match style:
        case "columns":
            return _even("row", leaves)
        case "rows":
            return _even("column", leaves)
        case "main":
            return _made("row", (1, 1), (leaves[0], _even("column", leaves[1:])))
        case "tiled":
            columns = 1
            while columns * columns < len(leaves):
                columns += 1
            rows = [leaves[at : at + columns] for at in range(0, len(leaves), columns)]
            return _even("column", [_even("row", row) for row in rows])


def next_style(node: Node) -> Style:
    """The style that comes after the one the tree has now; the first one where it has none."""
    leaves = list(panes(node))
    for at, style in enumerate(STYLES):
        if arrange(leaves, style) == node:
            for further in (*STYLES[at + 1 :], *STYLES[:at]):
                if arrange(leaves, further) != node:
                    return further
    return STYLES[0]


def mend(windows: Sequence[WindowNode]) -> tuple[WindowNode, ...]:
    """The windows with sound trees, whatever came: empty ones and repeated panes are left out."""
    seen_panes: set[str] = set()
    seen_windows: set[str] = set()
    out: list[WindowNode] = []
    for window in windows:
        if window.window in seen_windows:
            continue
        root = _mended(window.root, seen_panes, DEEPEST)
        if root is not None:
            seen_windows.add(window.window)
            out.append(WindowNode(window.window, window.name, root))
    return tuple(out)


def _mended(node: Node, seen: set[str], depth: int) -> Node | None:
    if isinstance(node, PaneNode):
        if node.pane in seen:
            return None
        seen.add(node.pane)
        return node
    kept: list[tuple[int, Node]] = []
    for at, child in enumerate(node.children if depth else ()):
        weight = node.weights[at] if at < len(node.weights) else 1
        if (whole := _mended(child, seen, depth - 1)) is not None:
            kept.append((max(weight, 1), whole))
    if not kept:
        return None
    return _made(node.axis, [weight for weight, _ in kept], [child for _, child in kept])


def _made(axis: Axis, weights: Sequence[int], children: Sequence[Node]) -> Node:
    """A sound node of sound children: one child stands alone, same-axis children are merged."""
    if len(children) == 1:
        return children[0]
    flat: list[tuple[int, int, Node]] = []  # weight as a fraction
    for weight, child in zip(weights, children, strict=True):
        if isinstance(child, SplitNode) and child.axis == axis:
            whole = sum(child.weights)
            flat.extend(
                (weight * inner, whole, grandchild)
                for inner, grandchild in zip(child.weights, child.children, strict=True)
            )
        else:
            flat.append((weight, 1, child))
    common = 1
    for _, below, _ in flat:
        common = common * below // gcd(common, below)
    lowest = _lowest([above * (common // below) for above, below, _ in flat])
    return SplitNode(axis, lowest, tuple(child for _, _, child in flat))


def _lowest(weights: Sequence[int]) -> tuple[int, ...]:
    divisor = gcd(*weights)
    small = [weight // divisor for weight in weights]
    if max(small) > HEAVIEST:
        top = max(small)
        small = [max(1, weight * HEAVIEST // top) for weight in small]
    return tuple(small)


def _even(axis: Axis, children: Sequence[Node]) -> Node:
    return _made(axis, (1,) * len(children), tuple(children))


def _holder(node: SplitNode, pane: str) -> int | None:
    """Index of the child that has the pane in it."""
    for at, child in enumerate(node.children):
        if find(child, pane) is not None:
            return at
    return None


def _put(children: tuple[Node, ...], at: int, child: Node) -> tuple[Node, ...]:
    return (*children[:at], child, *children[at + 1 :])


def _mapped(node: Node, places: dict[str, PaneNode]) -> Node:
    if isinstance(node, PaneNode):
        return places.get(node.pane, node)
    children = tuple(_mapped(child, places) for child in node.children)
    return SplitNode(node.axis, node.weights, children)
