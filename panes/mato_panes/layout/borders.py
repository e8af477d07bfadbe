"""The lines between panes as characters: junctions joined, the focused pane's edges heavy."""

from __future__ import annotations

from mato_panes.layout.geometry import Box, Geometry

# One character for every combination of arms (up, right, down, left), each absent, light or heavy;
# the index is their number in base 3.
_GLYPHS = " ╴╸╷┐┑╻┒┓╶─╾┌┬┭┎┰┱╺╼━┍┮┯┏┲┳╵┘┙│┤┥╽┧┪└┴┵├┼┽┟╁╅┕┶┷┝┾┿┢╆╈╹┚┛╿┦┩┃┨┫┖┸┹┞╀╃┠╂╉┗┺┻┡╄╇┣╊╋"
_STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))

Cells = dict[tuple[int, int], tuple[str, bool]]
"""(x, y) → character and whether it belongs to the focused pane's edge."""


def draw(where: Geometry, focused: str | None) -> Cells:
    """Every border cell of the geometry.

    Focus shows as heavy lines besides their colour, so that it can be seen without any.
    """
    lines: dict[tuple[int, int], bool] = {}  # → whether it runs from top to bottom
    for border in where.borders:
        box = border.box
        for x in range(box.x, box.right):
            for y in range(box.y, box.bottom):
                lines[x, y] = border.axis == "row"
    box = where.panes.get(focused) if focused is not None else None
    frame = _around(box) if box is not None else frozenset[tuple[int, int]]()
    cells: Cells = {}
    for (x, y), upright in lines.items():
        at_focus = (x, y) in frame
        index = 0
        for arm, (step_x, step_y) in enumerate(_STEPS):
            there = x + step_x, y + step_y
            along = (arm % 2 == 0) == upright
            weight = 1 if along or lines.get(there) == (arm % 2 == 0) else 0
            if weight and at_focus and (there in frame or (along and there not in lines)):
                weight = 2
            index = index * 3 + weight
        cells[x, y] = (_GLYPHS[index], at_focus)
    return cells


def _around(box: Box) -> frozenset[tuple[int, int]]:
    """The cells of the frame around a box."""
    left, right, top, bottom = box.x - 1, box.right, box.y - 1, box.bottom
    across = [(x, y) for x in range(left, right + 1) for y in (top, bottom)]
    down = [(x, y) for y in range(top, bottom + 1) for x in (left, right)]
    return frozenset(across + down)
