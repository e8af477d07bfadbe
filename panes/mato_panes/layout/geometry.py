"""Which cells a split tree gives to each pane and to each border, and what follows from that.

All sizes are in cells, all functions pure. Every cell of the area belongs to exactly one pane or
one border. Borders are one cell thick and shared; there is none around the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mato_panes.layout import tree
from mato_sessions.events.session import Node, PaneNode, SplitNode

Direction = Literal["left", "right", "up", "down"]

LEAST_WIDTH = 12
LEAST_HEIGHT = 3
"""No pane is made smaller than this while the area has room for all of them."""


class Box(NamedTuple):
    """A rectangle of cells; empty when a side is 0."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column after it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.y + self.height

    def holds(self, x: int, y: int) -> bool:
        return self.x <= x < self.right and self.y <= y < self.bottom


@dataclass(frozen=True, slots=True)
class Border:
    """The line between two children of a split."""

    box: Box
    """One cell wide in a row, one cell high in a column."""
    path: tuple[int, ...]
    """Child indices from the root to the split."""
    after: int
    """It follows the child with this index."""
    axis: tree.Axis


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where everything is."""

    panes: dict[str, Box]
    """Pane id → its cells, in the tree's order. A pane without room has an empty box."""
    borders: tuple[Border, ...]

    def pane_at(self, x: int, y: int) -> str | None:
        return next((pane for pane, box in self.panes.items() if box.holds(x, y)), None)

    def border_at(self, x: int, y: int) -> Border | None:
        return next((border for border in self.borders if border.box.holds(x, y)), None)


def measure(root: Node | None, width: int, height: int) -> Geometry:
    """The geometry of a tree on an area of `width` × `height` cells."""
    boxes: dict[str, Box] = {}
    borders: list[Border] = []
    if root is not None:
        _place(root, Box(0, 0, max(width, 0), max(height, 0)), (), boxes, borders)
    return Geometry(boxes, tuple(borders))


def _place(
    node: Node,
    box: Box,
    path: tuple[int, ...],
    boxes: dict[str, Box],
    borders: list[Border],
) -> None:
    if isinstance(node, PaneNode):
        boxes[node.pane] = box
        return
    row = node.axis == "row"
    at = box.x if row else box.y
    end = box.right if row else box.bottom
    for index, size in enumerate(sizes(node, box.width if row else box.height)):
        part = Box(at, box.y, size, box.height) if row else Box(box.x, at, box.width, size)
        _place(node.children[index], part, (*path, index), boxes, borders)
        at += size
        if at < end and index < len(node.children) - 1:
            line = Box(at, box.y, 1, box.height) if row else Box(box.x, at, box.width, 1)
            if line.width and line.height:
                borders.append(Border(line, path, index, node.axis))
            at += 1


def sizes(node: SplitNode, total: int) -> list[int]:
    """Cells of each child along the split's axis; with the borders between them they fill `total`.

    By weight, but no child below its least size while there is room. Without room for all, the
    last ones get none.
    """
    count = len(node.children)
    if total < 2 * count - 1:
        shown = (total + 1) // 2
        cells = [1] * shown + [0] * (count - shown)
        if shown:
            # An even total has one cell too many for "cell, border, cell …".
            cells[shown - 1] += total - (2 * shown - 1)
        return cells
    room = total - (count - 1)
    least = [least_size(child, node.axis) for child in node.children]
    if sum(least) > room:
        return _shared(room - count, least, [1] * count)
    return _above(least, _shared(room, node.weights, [0] * count), node.weights, room)


def _shared(room: int, weights: Sequence[int], base: Sequence[int]) -> list[int]:
    """`room` divided by weight, on top of `base`; exact where the weights sum up to it."""
    whole = sum(weights)
    out: list[int] = []
    passed = given = 0
    for weight, least in zip(weights, base, strict=True):
        passed += weight
        upto = (passed * room + whole // 2) // whole
        out.append(least + upto - given)
        given = upto
    return out


def _above(least: Sequence[int], wanted: list[int], weights: Sequence[int], room: int) -> list[int]:
    """`wanted`, with the children that are too small at their least and the others sharing."""
    fixed: set[int] = set()
    while small := {at for at, size in enumerate(wanted) if at not in fixed and size < least[at]}:
        fixed |= small
        free = [at for at in range(len(wanted)) if at not in fixed]
        left = room - sum(least[at] for at in fixed)
        shares = _shared(left, [weights[at] for at in free], [0] * len(free)) if free else []
        wanted = list(least)
        for at, share in zip(free, shares, strict=True):
            wanted[at] = share
    return wanted


def least_size(node: Node, axis: tree.Axis) -> int:
    """The fewest cells along `axis` in which all panes of `node` have their least size."""
    if isinstance(node, PaneNode):
        return LEAST_WIDTH if axis == "row" else LEAST_HEIGHT
    parts = [least_size(child, axis) for child in node.children]
    return sum(parts) + len(parts) - 1 if node.axis == axis else max(parts)


def move_border(root: Node, border: Border, cells: int, width: int, height: int) -> Node:
    """The tree with the border moved by `cells` (negative: left or up), as far as there is room.

    What one side gains is taken from the nearest child on the other side first.
    """
    node = _at(root, border.path)
    if not isinstance(node, SplitNode) or not 0 <= border.after < len(node.children) - 1:
        return root
    total = _extent(root, border.path, width, height)[0 if node.axis == "row" else 1]
    now = sizes(node, total)
    least = [least_size(child, node.axis) for child in node.children]
    before = list(range(border.after, -1, -1))
    behind = list(range(border.after + 1, len(now)))
    grows, shrinks = (before, behind) if cells > 0 else (behind, before)
    taken = 0
    for at in shrinks:
        part = min(abs(cells) - taken, max(now[at] - least[at], 0))
        now[at] -= part
        taken += part
    if not taken:
        return root
    now[grows[0]] += taken
    return tree.weigh(root, border.path, [max(size, 1) for size in now])


def resize(
    root: Node, pane: str, direction: Direction, cells: int, width: int, height: int
) -> Node:
    """The tree with an edge of `pane` moved in `direction`, as tmux does it.

    It is the edge on that side, or the opposite one where the pane touches the end of the area.
    """
    axis: tree.Axis = "row" if direction in ("left", "right") else "column"
    path = _path(root, pane)
    sign = cells if direction in ("right", "down") else -cells
    for depth in range(len(path) - 1, -1, -1):
        node = _at(root, path[:depth])
        if isinstance(node, SplitNode) and node.axis == axis:
            last = len(node.children) - 1
            after = path[depth] if path[depth] < last else path[depth] - 1
            border = Border(Box(0, 0, 0, 0), tuple(path[:depth]), after, axis)
            return move_border(root, border, sign, width, height)
    return root


def neighbours(geometry: Geometry, pane: str, direction: Direction) -> list[str]:
    """Panes beyond the border on that side, those with the longest common edge first.

    At the end of the area it goes on at the other end, as in tmux.
    """
    box = geometry.panes.get(pane)
    if box is None or not box.width or not box.height:
        return []
    width = max((other.right for other in geometry.panes.values()), default=0)
    height = max((other.bottom for other in geometry.panes.values()), default=0)
    found = _beyond(geometry, pane, box, direction)
    at_edge = {
        "left": box.x == 0,
        "right": box.right == width,
        "up": box.y == 0,
        "down": box.bottom == height,
    }[direction]
    # Where only panes without room lie beyond it, there is no way: it would not lead back.
    if not found and at_edge:
        moved = {
            "left": box._replace(x=width + 1),
            "right": box._replace(x=-box.width - 1),
            "up": box._replace(y=height + 1),
            "down": box._replace(y=-box.height - 1),
        }[direction]
        found = _beyond(geometry, pane, moved, direction)
    return [other for _, other in sorted(found, key=lambda item: -item[0])]


def _beyond(geometry: Geometry, pane: str, box: Box, direction: Direction) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for other, there in geometry.panes.items():
        if other == pane or not there.width or not there.height:
            continue
        touches = {
            "left": there.right + 1 == box.x,
            "right": there.x == box.right + 1,
            "up": there.bottom + 1 == box.y,
            "down": there.y == box.bottom + 1,
        }[direction]
        if direction in ("left", "right"):
            common = min(box.bottom, there.bottom) - max(box.y, there.y)
        else:
            common = min(box.right, there.right) - max(box.x, there.x)
        # 0: it begins or ends at the other's border; a pane of one row has no other neighbours.
        if touches and common >= 0:
            found.append((common, other))
    return found


def _at(root: Node, path: Sequence[int]) -> Node | None:
    node = root
    for index in path:
        if isinstance(node, PaneNode) or index >= len(node.children):
            return None
        node = node.children[index]
    return node


def _path(root: Node, pane: str) -> list[int]:
    if isinstance(root, PaneNode):
        return []
    for index, child in enumerate(root.children):
        if tree.find(child, pane) is not None:
            return [index, *_path(child, pane)]
    return []


def _extent(root: Node, path: Sequence[int], width: int, height: int) -> tuple[int, int]:
    """Width and height of the area of the node at `path`."""
    node = root
    for index in path:
        assert isinstance(node, SplitNode)  # `_at` has walked the same path
        if node.axis == "row":
            width = sizes(node, width)[index]
        else:
            height = sizes(node, height)[index]
        node = node.children[index]
    return width, height
