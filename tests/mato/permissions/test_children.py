"""What a child gets is never more than its parent has, whatever either asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from mato.permissions.children import looser, narrowed, stricter
from mato.permissions.policy import Effect
from mato.permissions.rules import Rule, Subject, binding, strongest
from mato.permissions.taint import Taint, seen
from mato.tools.registry import NAMES
from mato_sessions.events import AgentSpawned, Event, ToolFinished, ToolProposed, ToolStarted
from mato_sessions.events.agent import Hole, LaunchSpec, Limits
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode

MODES = st.sampled_from(get_args(Mode))
COUNTS = st.none() | st.integers(1, 100)
AMOUNTS = st.floats(0.5, 100)
SPECS = st.builds(
    LaunchSpec,
    profile=st.just("p"),
    model=st.just("m"),
    mode=MODES,
    cwd=st.sampled_from(("/a", "/b")),
    env_names=st.lists(st.sampled_from(("A", "B", "C")), unique=True).map(tuple),
    tools=st.lists(st.sampled_from(NAMES), unique=True).map(tuple),
    limits=st.builds(
        Limits,
        model_calls=COUNTS,
        tokens=COUNTS,
        cost_usd=st.none() | AMOUNTS,
        wall_s=st.none() | AMOUNTS,
        first_chunk_s=AMOUNTS,
        silence_s=AMOUNTS,
    ),
    unconfined=st.booleans(),
    argv=st.sampled_from(((), ("sh",))),
    flags=st.sampled_from(((), ("no-fs",))),
    foreign=st.sampled_from(("", "x")),
    hole=st.sampled_from((Hole(), Hole(read=("/etc",)))),
    mcp=st.none() | st.lists(st.sampled_from(("web", "notes")), unique=True).map(tuple),
)
EFFECTS: dict[Effect | None, int] = {"allow": 3, None: 2, "ask": 1, "deny": 0}


def more_than(child: LaunchSpec, parent: LaunchSpec, mode: Mode) -> list[str]:
    """In what a child goes beyond its parent."""
    wider = [
        name
        for name, limit in asdict(parent.limits).items()
        if limit is not None and (asdict(child.limits)[name] or 1e9) > limit
    ]
    if looser(child.mode, mode):
        wider.append("mode")
    if not set(child.tools) <= set(parent.tools):
        wider.append("tools")
    if not set(child.env_names) <= set(parent.env_names):
        wider.append("variables")
    if child.unconfined and not parent.unconfined:
        wider.append("sandbox")
    if parent.mcp is not None and (child.mcp is None or not set(child.mcp) <= set(parent.mcp)):
        wider.append("servers of tools")
    if child.hole != Hole():
        wider.append("hole")
    if child.cwd != parent.cwd:
        wider.append("folder")
    return wider


@given(SPECS, SPECS, MODES)
def test_nothing_of_a_child_is_more_than_its_parents(
    wish: LaunchSpec, parent: LaunchSpec, mode: Mode
) -> None:
    child = narrowed(wish, parent, mode)
    assert not more_than(child, parent, mode)
    assert narrowed(child, parent, mode) == child
    assert set(child.tools) == set(wish.tools) & set(parent.tools)
    assert (child.argv, child.flags, child.foreign) == ((), (), "")


@pytest.mark.parametrize(
    "broken",
    [
        lambda wish, parent, mode: replace(narrowed(wish, parent, mode), tools=wish.tools),
        lambda wish, parent, mode: replace(narrowed(wish, parent, mode), mode=wish.mode),
        lambda wish, parent, mode: replace(narrowed(wish, parent, mode), limits=wish.limits),
    ],
    ids=["tools", "mode", "limits"],
)
def test_a_planted_fault_is_found(broken: Callable[..., LaunchSpec]) -> None:
    parent = LaunchSpec("p", "m", mode="full", tools=("read",), limits=Limits(tokens=5))
    wish = LaunchSpec("p", "m", mode="full", tools=("read", "shell"))
    assert more_than(broken(wish, parent, "ask"), parent, "ask")


def test_a_new_field_of_a_launch_spec_is_thought_of_here() -> None:
    """Its default is what a child gets of it; see that it is not more than its parent has."""
    chosen = {"profile", "model", "base_url", "model_source", "prompt"}
    narrow = {"mode", "cwd", "tools", "env_names", "limits", "unconfined", "mcp", "hole"}
    nothing = {"argv", "flags", "foreign"}
    nothing |= {"budget"}  # what it uses counts for those above it, and theirs hold
    assert set(LaunchSpec.__struct_fields__) == chosen | narrow | nothing


@given(MODES, MODES)
def test_the_stricter_of_two_modes_is_one_of_them_and_not_looser(one: Mode, other: Mode) -> None:
    found = stricter(one, other)
    assert found in (one, other)
    assert not looser(found, one)
    assert not looser(found, other)


RULES = st.lists(
    st.builds(
        Rule,
        effect=st.sampled_from(get_args(Effect)),
        action=st.sampled_from(("*", "write", "spawn")),
        agent=st.sampled_from(("*", "child", "parent", "grand*")),
    ),
    max_size=6,
)


@given(RULES, st.sampled_from(get_args(Action)))
def test_no_rule_lets_a_child_do_what_one_above_may_not(rules: list[Rule], action: Action) -> None:
    def effect(rule: Rule | None) -> int:
        return EFFECTS[rule.effect if rule else None]

    names = ("child", "parent", "grandparent")
    child = effect(binding(rules, Subject(action, "x", "child"), names[1:]))
    alone = [effect(strongest(rules, Subject(action, "x", name))) for name in names]
    assert child <= min(alone)
    assert effect(binding(rules, Subject(action, "x", "child"))) == alone[0]


def event(body: AgentSpawned | ToolProposed | ToolStarted | ToolFinished) -> Event:
    return Event(
        session="s",
        seq=1,
        at_us=0,
        mono_us=0,
        boot="",
        epoch=1,
        agent="a",
        turn=None,
        cause=None,
        kind=body.kind,
        version=1,
        body=body,
        position=1,
        hash=b"",
    )


def proposed(path: str) -> ToolProposed:
    return ToolProposed(
        call="c", name="read", arguments={"path": path}, key="c", policy="ask", title="read"
    )


@pytest.mark.parametrize(
    ("bodies", "marks"),
    [
        ([proposed("a.txt"), ToolStarted(call="c", attempt=1)], Taint()),
        ([proposed(".env")], Taint()),
        ([proposed(".env"), ToolStarted(call="c", attempt=1)], Taint(private=True)),
        ([ToolFinished(call="c", attempt=1, content="x", untrusted=True)], Taint(untrusted=True)),
        (
            [
                AgentSpawned(
                    name="x", agent_kind="native", spec=LaunchSpec("p", "m"), private=True
                ),
                ToolFinished(call="c", attempt=1, content="x", untrusted=True),
            ],
            Taint(private=True, untrusted=True),
        ),
    ],
)
def test_what_an_agent_has_seen_is_told_by_its_start_its_calls_and_their_results(
    bodies: list[AgentSpawned | ToolProposed | ToolStarted | ToolFinished], marks: Taint
) -> None:
    assert seen(event(body) for body in bodies) == marks
