"""The split tree and its geometry, as properties over random trees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mato_panes.layout import geometry, tree
from mato_sessions.events.session import Node, PaneNode, SplitNode, WindowNode


@st.composite
def trees(draw: st.DrawFn, most: int = 9) -> Node:
    """Grown as a person grows them: by splitting."""
    root: Node = PaneNode("p0", "a0")
    for number in range(1, draw(st.integers(1, most))):
        at = draw(st.sampled_from([leaf.pane for leaf in tree.panes(root)]))
        axis = draw(st.sampled_from(["row", "column"]))
        new = PaneNode(f"p{number}", f"a{number}")
        root = tree.split(root, at, axis, new, before=draw(st.booleans()))
    return root


wild: st.SearchStrategy[Node] = st.recursive(
    st.builds(PaneNode, st.sampled_from("abcdefg"), st.just("agent")),
    lambda children: st.builds(
        SplitNode,
        st.sampled_from(["row", "column"]),
        st.lists(st.integers(-2, 5), max_size=4).map(tuple),
        st.lists(children, max_size=4).map(tuple),
    ),
    max_leaves=12,
)


def assert_sound(node: Node) -> None:
    if isinstance(node, PaneNode):
        return
    assert len(node.children) >= 2
    assert len(node.weights) == len(node.children)
    assert all(weight >= 1 for weight in node.weights)
    for child in node.children:
        assert not (isinstance(child, SplitNode) and child.axis == node.axis)
        assert_sound(child)


def ids(node: Node | None) -> list[str]:
    return [leaf.pane for leaf in tree.panes(node)]


DIRECTIONS = st.sampled_from(["left", "right", "up", "down"])
areas = st.tuples(st.integers(0, 240), st.integers(0, 80))


@given(trees(), areas)
def test_every_cell_belongs_to_exactly_one_pane_or_border(
    root: Node, area: tuple[int, int]
) -> None:
    width, height = area
    where = geometry.measure(root, width, height)
    boxes = [*where.panes.values(), *(border.box for border in where.borders)]
    covered = [
        (x, y) for box in boxes for x in range(box.x, box.right) for y in range(box.y, box.bottom)
    ]
    assert len(covered) == len(set(covered)) == width * height
    assert all(0 <= x < width and 0 <= y < height for x, y in covered)


@given(trees(), areas)
def test_no_pane_is_below_its_least_size_while_there_is_room(
    root: Node, area: tuple[int, int]
) -> None:
    width = geometry.least_size(root, "row") + area[0]
    height = geometry.least_size(root, "column") + area[1]
    for box in geometry.measure(root, width, height).panes.values():
        assert box.width >= geometry.LEAST_WIDTH
        assert box.height >= geometry.LEAST_HEIGHT


@given(trees(), st.data(), st.sampled_from(["row", "column"]), st.booleans())
def test_closing_undoes_a_split(
    root: Node, data: st.DataObject, axis: tree.Axis, before: bool
) -> None:
    pane = data.draw(st.sampled_from(ids(root)))
    grown = tree.split(root, pane, axis, PaneNode("new", "agent"), before=before)
    assert_sound(grown)
    assert sorted(ids(grown)) == sorted([*ids(root), "new"])
    assert ids(tree.close(grown, "new")) == ids(root)


@given(trees(), st.data(), st.sampled_from(["row", "column"]))
def test_closing_the_second_half_of_a_split_gives_the_very_same_tree(
    root: Node, data: st.DataObject, axis: tree.Axis
) -> None:
    pane = data.draw(st.sampled_from(ids(root)))
    grown = tree.split(root, pane, axis, PaneNode("new", "agent"))
    assert tree.close(grown, "new") == root


@given(trees(), st.data())
def test_closing_panes_one_by_one_keeps_the_tree_sound_to_the_last(
    root: Node, data: st.DataObject
) -> None:
    left = ids(root)
    node: Node | None = root
    while left:
        assert node is not None
        assert_sound(node)
        assert ids(node) == left
        pane = data.draw(st.sampled_from(left))
        left.remove(pane)
        node = tree.close(node, pane)
    assert node is None


@given(trees(), st.data())
def test_swapping_twice_is_nothing_and_keeps_all_boxes(root: Node, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(ids(root))) for _ in range(2))
    swapped = tree.swap(root, one, other)
    before, after = geometry.measure(root, 120, 40), geometry.measure(swapped, 120, 40)
    assert after.panes[one] == before.panes[other]
    assert tree.swap(swapped, one, other) == root


def test_a_pane_beside_a_border_leads_to_both_sides_of_it() -> None:
    left = SplitNode("column", (1, 1), (PaneNode("top", "a"), PaneNode("bottom", "b")))
    right = SplitNode(
        "column", (3, 1, 3), (PaneNode("x", "c"), PaneNode("beside", "d"), PaneNode("y", "e"))
    )
    where = geometry.measure(SplitNode("row", (1, 1), (left, right)), 31, 7)
    assert where.panes["beside"].y == where.panes["top"].bottom
    assert sorted(geometry.neighbours(where, "beside", "left")) == ["bottom", "top"]


@given(
    trees(),
    st.integers(30, 200),
    st.integers(10, 60),
    st.sampled_from(["left", "right", "up", "down"]),
)
def test_a_neighbour_leads_back(
    root: Node, width: int, height: int, direction: geometry.Direction
) -> None:
    back: dict[geometry.Direction, geometry.Direction] = {
        "left": "right",
        "right": "left",
        "up": "down",
        "down": "up",
    }
    where = geometry.measure(root, width, height)
    for pane in where.panes:
        if not where.panes[pane].width or not where.panes[pane].height:
            assert geometry.neighbours(where, pane, direction) == []
        for other in geometry.neighbours(where, pane, direction):
            assert pane in geometry.neighbours(where, other, back[direction])


@given(
    trees(), st.data(), areas, st.integers(1, 30), st.sampled_from(["left", "right", "up", "down"])
)
def test_resizing_moves_cells_without_losing_any(
    root: Node,
    data: st.DataObject,
    area: tuple[int, int],
    cells: int,
    direction: geometry.Direction,
) -> None:
    width = geometry.least_size(root, "row") + area[0]
    height = geometry.least_size(root, "column") + area[1]
    pane = data.draw(st.sampled_from(ids(root)))
    moved = geometry.resize(root, pane, direction, cells, width, height)
    assert_sound(moved)
    assert ids(moved) == ids(root)
    for box in geometry.measure(moved, width, height).panes.values():
        assert box.width >= geometry.LEAST_WIDTH
        assert box.height >= geometry.LEAST_HEIGHT


def test_resizing_right_moves_exactly_as_many_cells_as_asked() -> None:
    root = tree.arrange([PaneNode(pane, pane) for pane in "abc"], "columns")
    assert root is not None
    before = geometry.measure(root, 101, 20).panes
    moved = geometry.resize(root, "a", "right", 5, 101, 20)
    after = geometry.measure(moved, 101, 20).panes
    assert after["a"].width == before["a"].width + 5
    assert after["b"].width == before["b"].width - 5
    assert after["c"] == before["c"]


def test_the_last_pane_resized_to_the_right_gives_its_left_edge() -> None:
    root = tree.arrange([PaneNode(pane, pane) for pane in "ab"], "columns")
    assert root is not None
    moved = geometry.resize(root, "b", "right", 4, 81, 20)
    assert [box.width for box in geometry.measure(moved, 81, 20).panes.values()] == [44, 36]


@given(st.integers(2, 8), st.sampled_from(tree.STYLES), st.integers(140, 240), st.integers(40, 90))
def test_dragging_a_border_there_and_back_is_nothing(
    count: int, style: tree.Style, width: int, height: int
) -> None:
    root = tree.arrange([PaneNode(f"p{number}", "a") for number in range(count)], style)
    assert root is not None
    first = geometry.measure(root, width, height)
    for border in first.borders:
        there = geometry.move_border(root, border, 1, width, height)
        assert geometry.measure(there, width, height).panes != first.panes
        back = geometry.move_border(there, border, -1, width, height)
        assert geometry.measure(back, width, height).panes == first.panes


@given(st.integers(1, 30), st.sampled_from(tree.STYLES))
def test_even_trees_have_all_panes_in_order(count: int, style: tree.Style) -> None:
    leaves = [PaneNode(f"p{number}", "a") for number in range(count)]
    root = tree.arrange(leaves, style)
    assert root is not None
    assert_sound(root)
    assert list(tree.panes(root)) == leaves
    boxes = geometry.measure(root, 200, 100).panes.values()
    if style == "columns":
        assert max(box.width for box in boxes) - min(box.width for box in boxes) <= 1


def test_space_goes_through_every_style_and_begins_again() -> None:
    root: Node = PaneNode("p0", "a")
    for number in range(1, 5):
        root = tree.split(root, f"p{number - 1}", "row", PaneNode(f"p{number}", "a"))
    styles: list[tree.Style] = []
    for _ in range(len(tree.STYLES) + 1):
        style = tree.next_style(root)
        styles.append(style)
        arranged = tree.arrange(list(tree.panes(root)), style)
        assert arranged is not None
        root = arranged
    assert styles == [*tree.STYLES, tree.STYLES[0]]


@given(
    st.lists(st.builds(WindowNode, st.sampled_from("wxyz"), st.text(max_size=3), wild), max_size=4)
)
def test_whatever_arrives_becomes_sound(windows: list[WindowNode]) -> None:
    mended = tree.mend(windows)
    every: list[str] = []
    for window in mended:
        assert_sound(window.root)
        every += ids(window.root)
    assert len(every) == len(set(every))
    assert len({window.window for window in mended}) == len(mended)
    assert tree.mend(mended) == mended


def test_an_unknown_pane_changes_nothing() -> None:
    root = tree.arrange([PaneNode(pane, pane) for pane in "abc"])
    assert root is not None
    assert tree.split(root, "zz", "row", PaneNode("n", "n")) == root
    assert tree.close(root, "zz") == root
    assert tree.swap(root, "a", "zz") == root
    assert geometry.resize(root, "zz", "left", 3, 80, 24) == root
    assert geometry.neighbours(geometry.measure(root, 80, 24), "zz", "left") == []


def test_an_empty_area_and_no_tree_give_no_cells() -> None:
    assert geometry.measure(None, 80, 24) == geometry.Geometry({}, ())
    root = tree.arrange([PaneNode(pane, pane) for pane in "abcd"])
    where = geometry.measure(root, 0, 0)
    assert all(not box.width or not box.height for box in where.panes.values())
    assert where.borders == ()
    assert tree.arrange([]) is None
