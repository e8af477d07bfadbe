"""The desk: shared windows, and what belongs to one client alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mato_panes.layout import geometry, tree
from mato_panes.layout.desk import Desk
from mato_sessions.events.session import PaneNode, WindowNode


def pane(name: str) -> PaneNode:
    return PaneNode(name, f"agent-{name}")


def desk(*windows: str) -> Desk:
    """One window per word, one pane per letter."""
    nodes: list[WindowNode] = []
    for number, letters in enumerate(windows, 1):
        root = tree.arrange([pane(letter) for letter in letters])
        assert root is not None
        nodes.append(WindowNode(f"w{number}", f"window {number}", root))
    return Desk(nodes)


def ids(of: Desk) -> list[list[str]]:
    return [[leaf.pane for leaf in tree.panes(window.root)] for window in of.windows]


def test_an_empty_desk_takes_every_wish_calmly() -> None:
    empty = Desk()
    empty.zoom()
    empty.even()
    empty.swap_step(1)
    empty.split("row", pane("a"))
    assert not empty.focus_step(1)
    assert not empty.go_step(1)
    assert empty.focused is None
    assert empty.shown is None
    assert empty.windows == ()


def test_a_split_focuses_the_new_pane_and_ends_the_zoom() -> None:
    it = desk("ab")
    it.focus("a")
    it.zoom()
    it.split("row", pane("c"))
    assert it.focused == pane("c")
    assert not it.zoomed
    assert ids(it) == [["a", "c", "b"]]


def test_closing_the_focused_pane_focuses_the_one_used_before() -> None:
    it = desk("abc")
    it.focus("a")
    it.focus("c")
    it.focus("b")
    it.close("b")
    assert it.focused == pane("c")
    assert ids(it) == [["a", "c"]]


def test_closing_the_last_pane_closes_the_window() -> None:
    it = desk("a", "bc")
    it.close("a")
    assert ids(it) == [["b", "c"]]
    assert it.window is not None
    assert it.window.window == "w2"


def test_zoom_shows_one_pane_until_another_gets_the_focus() -> None:
    it = desk("ab")
    it.focus("a")
    it.zoom()
    assert it.shown == pane("a")
    it.focus("b")
    assert it.shown == it.root
    it.focus("a")
    assert not it.zoomed


def test_a_pane_alone_in_its_window_cannot_be_zoomed() -> None:
    it = desk("a")
    it.zoom()
    assert not it.zoomed


def test_an_arrangement_from_elsewhere_keeps_focus_zoom_and_window() -> None:
    it = desk("ab", "cd")
    it.focus("d")
    it.zoom()
    there = desk("abe", "dc")
    it.adopt(there.windows)
    assert it.focused == pane("d")
    assert it.zoomed
    assert it.current == "w2"
    assert ids(it) == [["a", "b", "e"], ["d", "c"]]


def test_an_arrangement_without_the_current_window_shows_the_one_in_its_place() -> None:
    it = desk("a", "b", "c")
    it.go("w2")
    it.adopt([window for window in it.windows if window.window != "w2"])
    assert it.current == "w3"
    it.adopt(())
    assert it.current == ""
    assert it.focused is None


def test_of_several_neighbours_the_one_used_last_gets_the_focus() -> None:
    it = desk("a")
    it.split("row", pane("b"))
    it.split("column", pane("c"))
    where = geometry.measure(it.root, 100, 40)
    it.focus("c")
    it.focus("a")
    assert it.focus_beside(where, "right")
    assert it.focused == pane("c")
    it.focus("b")
    it.focus("a")
    assert it.focus_beside(where, "right")
    assert it.focused == pane("b")


def test_focus_last_goes_back_and_forth() -> None:
    it = desk("abc")
    it.focus("a")
    it.focus("c")
    assert it.focus_last()
    assert it.focused == pane("a")
    assert it.focus_last()
    assert it.focused == pane("c")


def test_a_pane_of_an_agent_is_found_here_before_elsewhere() -> None:
    it = desk("a", "b")
    it.open_window("w9", "more", PaneNode("again", "agent-a"))
    assert it.pane_of("agent-a") == PaneNode("again", "agent-a")
    it.go("w2")
    assert it.pane_of("agent-a") == pane("a")
    assert it.pane_of("nobody") is None


def test_a_window_is_renamed_and_walked_to() -> None:
    it = desk("a", "b", "c")
    it.rename_window("w2", "tests")
    assert [window.name for window in it.windows] == ["window 1", "tests", "window 3"]
    assert it.go_step(-1)
    assert it.current == "w3"
    assert it.go_step(1)
    assert it.current == "w1"


STEPS = st.sampled_from(["split row", "split column", "close", "next", "zoom", "even", "swap"])


@given(st.lists(STEPS, max_size=25))
def test_whatever_a_person_does_the_focus_is_on_a_pane_that_is_there(steps: list[str]) -> None:
    it = desk("ab", "c")
    for number, step in enumerate(steps):
        match step.split():
            case ["split", ("row" | "column") as axis]:
                it.split("row" if axis == "row" else "column", pane(f"n{number}"))
            case ["close"]:
                if it.focused is not None:
                    it.close(it.focused.pane)
            case ["next"]:
                it.focus_step(1)
            case ["zoom"]:
                it.zoom()
            case ["even"]:
                it.even()
            case _:
                it.swap_step(1)
        every = [name for names in ids(it) for name in names]
        assert len(every) == len(set(every))
        assert (it.focused is None) == (not it.windows)
        assert it.focused is None or it.focused in tree.panes(it.root)
        assert tree.mend(it.windows) == it.windows


def test_swapping_there_and_back_before_any_focus_was_chosen_is_nothing() -> None:
    it = desk("abc")
    it.swap_step(1)
    assert ids(it) == [["b", "a", "c"]]
    it.swap_step(-1)
    assert ids(it) == [["a", "b", "c"]]


def test_the_first_pane_keeps_an_unchosen_focus_when_others_come_before_it() -> None:
    it = desk("ab")
    it.adopt(desk("cab").windows)
    assert it.focused == pane("a")
