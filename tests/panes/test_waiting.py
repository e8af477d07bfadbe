"""What waits: its order, what counts as the same, and what is put off."""

from __future__ import annotations

from typing import Any

import pytest

from mato_panes.waiting import Later, Waiting, everything, groups, normal
from mato_sessions.catalog import AgentSummary, PendingCall, SessionSummary
from mato_sessions.events.permission import Action


def waiting(call: str, kind: str = "native/coder", **more: Any) -> Waiting:
    fields: dict[str, Any] = {
        "session": "s",
        "agent": f"agent-{call}",
        "agent_name": "coder",
        "turn": "t",
        "tool": "shell",
        "action": "execute",
        "resource": "make test",
        "preview": "",
        "at_us": 1,
        "position": 1,
    }
    fields |= more
    fields.setdefault("arguments", {"command": fields["resource"]})
    return Waiting(PendingCall(call=call, **fields), "docs", kind)


def together(*each: Waiting) -> list[list[str]]:
    return [[one.call.call for one in group] for group in groups(each)]


def test_what_cannot_be_undone_comes_first_and_then_the_oldest() -> None:
    calls: list[tuple[str, Action, int]] = [
        ("read", "read", 1),
        ("write", "write", 2),
        ("late", "execute", 4),
        ("early", "execute", 3),
    ]
    agent = AgentSummary(id="a", name="coder", kind="native", since_us=0)
    agent.pending = [waiting(c, action=a, position=p).call for c, a, p in calls]
    away = SessionSummary(id="away", created_us=0, last_us=0, archived=True, agents=[agent])
    here = SessionSummary(id="here", created_us=0, last_us=0, agents=[agent])
    found = [each.call.call for each in everything([away, here])]
    assert found == ["early", "late", "write", "read"]


def test_the_same_request_of_equal_agents_is_one() -> None:
    assert together(waiting("1"), waiting("2", resource="ls"), waiting("3")) == [["1", "3"], ["2"]]
    assert together(waiting("1"), waiting("2", resource="make   test")) == [["1", "2"]]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "native/reviewer"},
        {"tool": "run"},
        {"action": "write"},
        {"resource": "make tests"},
        {"arguments": {"command": "make test", "timeout_s": 900}},
        {"preview": "+ something"},
        {"question": "recovery"},
    ],
)
def test_what_differs_in_anything_is_not_the_same(other: dict[str, Any]) -> None:
    assert together(waiting("1"), waiting("2", **other)) == [["1"], ["2"]]


@pytest.mark.parametrize("text", ["echo 'a  b'", 'echo "a  b"', "a\nb", "echo a\\  b", "a $( b )"])
def test_blanks_that_may_mean_something_stay(text: str) -> None:
    assert normal("execute", text) == text


def test_paths_that_are_the_same_place_are_the_same() -> None:
    assert normal("write", "./src//a.py") == normal("write", "src/a.py")


def test_what_is_put_off_is_hidden_until_something_new_waits() -> None:
    later = Later()
    later.put_off(["1"], ["1", "2"])
    assert later.hidden(["1", "2"], 0) == {"1"}
    assert later.hidden(["1"], 0) == {"1"}, "that something was answered is nothing new"
    assert later.hidden(["1", "3"], 0) == frozenset()
    assert later.hidden(["1"], 0) == frozenset(), "it has come back, and stays"


def test_what_is_put_off_for_a_time_comes_back_by_the_clock_alone() -> None:
    later = Later()
    later.put_off(["1"], ["1"], until_us=100)
    assert later.hidden(["1", "2"], 99) == {"1"}
    assert later.hidden(["1", "2"], 100) == frozenset()


def test_what_does_not_wait_any_more_is_forgotten() -> None:
    later = Later()
    later.put_off(["1"], ["1"])
    assert later.hidden([], 0) == frozenset()
    assert later.hidden(["1"], 0) == frozenset()
