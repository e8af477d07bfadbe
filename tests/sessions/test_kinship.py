"""Families of agents: every agent is somewhere in them, once, and after its parent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mato_sessions.catalog import AgentSummary
from mato_sessions.kinship import ancestors, descendants, ordered


@st.composite
def families(draw: st.DrawFn) -> list[AgentSummary]:
    count = draw(st.integers(1, 9))
    found: list[AgentSummary] = []
    for number in range(count):
        parent = draw(st.sampled_from(["", "gone", *(each.id for each in found)]))
        found.append(
            AgentSummary(id=f"a{number}", name="n", kind="native", since_us=0, parent=parent)
        )
    return found


@given(families())
def test_the_order_has_everybody_once_and_children_right_under_their_parents(
    agents: list[AgentSummary],
) -> None:
    found = ordered(agents)
    assert sorted(each.id for each in found) == sorted(each.id for each in agents)
    for at, each in enumerate(found):
        below = descendants(agents, each)
        assert {one.id for one in found[at + 1 : at + 1 + len(below)]} == {one.id for one in below}


@given(families())
def test_who_is_above_has_the_other_below(agents: list[AgentSummary]) -> None:
    for each in agents:
        for other in agents:
            above = other in ancestors(agents, each)
            assert above == (each in descendants(agents, other))


def test_a_record_in_which_agents_are_their_own_ancestors_ends_too() -> None:
    one, other = (
        AgentSummary(id=name, name=name, kind="native", since_us=0, parent=parent)
        for name, parent in (("a", "b"), ("b", "a"))
    )
    assert ancestors([one, other], one) == [other, one]
    assert sorted(each.id for each in ordered([one, other])) == ["a", "b"]
