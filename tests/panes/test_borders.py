"""The lines between panes: joined where they meet, heavy around the focus."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mato_panes.layout import borders, geometry, tree
from mato_sessions.events.session import Node, PaneNode, SplitNode


def picture(root: Node, width: int, height: int, focused: str | None = None) -> list[str]:
    cells = borders.draw(geometry.measure(root, width, height), focused)
    return [
        "".join(cells.get((x, y), (" ", False))[0] for x in range(width)) for y in range(height)
    ]


def pane(name: str) -> PaneNode:
    return PaneNode(name, name)


BESIDE_TWO = SplitNode(
    "row", (1, 1), (pane("a"), SplitNode("column", (1, 1), (pane("b"), pane("c"))))
)


def test_a_line_that_ends_at_another_joins_it() -> None:
    assert picture(BESIDE_TWO, 25, 7) == [
        "            │            ",
        "            │            ",
        "            │            ",
        "            ├────────────",
        "            │            ",
        "            │            ",
        "            │            ",
    ]


def test_lines_that_cross_make_a_cross() -> None:
    root = tree.arrange([pane(name) for name in "abcd"])
    assert root is not None
    assert picture(root, 25, 7)[3] == "────────────┼────────────"


def test_the_focused_pane_has_heavy_edges_also_without_colour() -> None:
    assert picture(BESIDE_TWO, 25, 7, "c") == [
        "            │            ",
        "            │            ",
        "            │            ",
        "            ┢━━━━━━━━━━━━",
        "            ┃            ",
        "            ┃            ",
        "            ┃            ",
    ]


@given(st.integers(2, 9), st.sampled_from(tree.STYLES), st.integers(0, 8))
def test_every_border_cell_has_a_line_and_the_focus_is_drawn_around_its_pane(
    count: int, style: tree.Style, chosen: int
) -> None:
    root = tree.arrange([pane(f"p{number}") for number in range(count)], style)
    assert root is not None
    where = geometry.measure(root, 150, 60)
    focused = f"p{chosen % count}"
    cells = borders.draw(where, focused)
    lines = {
        (x, y)
        for border in where.borders
        for x in range(border.box.x, border.box.right)
        for y in range(border.box.y, border.box.bottom)
    }
    assert set(cells) == lines
    assert all(glyph != " " for glyph, _ in cells.values())
    box = where.panes[focused]
    near = {
        (x, y) for x, y in lines if box.x - 1 <= x <= box.right and box.y - 1 <= y <= box.bottom
    }
    assert {place for place, (_, at_focus) in cells.items() if at_focus} == near
