"""Who allowed what, folded from the facts."""

from __future__ import annotations

from hypothesis import given, settings

from mato_sessions.audit import Audit, Decided, decisions
from mato_sessions.events import (
    AgentSpawned,
    Event,
    PermissionAnswered,
    PermissionAsked,
    PermissionGranted,
    PermissionRevoked,
    SessionOpened,
    SessionRenamed,
    ToolProposed,
    TurnEnded,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.permission import Pattern
from mato_sessions.grants import standing, with_fact
from mato_sessions.pieces import Piece
from tests.sessions.happenings import AGENT, SESSION, Teller, stories

SPEC = LaunchSpec(profile="p", model="m")


class Scene:
    def __init__(self) -> None:
        self.audit = Audit()
        self.teller = Teller()
        self.found: list[Decided] = []
        opened = SessionOpened(name="fix", cwd="/w", mode="ask", trusted=True, mato="0.1.0")
        self.say(opened, agent=None)
        self.say(AgentSpawned(name="one", agent_kind="native", spec=SPEC))

    def say(self, *bodies: object, agent: str | None = AGENT, turn: str | None = "t") -> Scene:
        for body in bodies:
            self.teller.turn = turn
            event = self.teller.say(body, agent)  # type: ignore[arg-type]
            if (entry := self.audit.apply(event)) is not None:
                self.found.append(entry)
        return self


def _proposed(call: str) -> ToolProposed:
    return ToolProposed(
        call=call, name="shell", arguments={}, key=call, policy="ask", title="$ make"
    )


def _asked(call: str, **more: object) -> PermissionAsked:
    return PermissionAsked(
        call=call,
        tool="shell",
        action="execute",
        resource="make",
        arguments={},
        why="mode ask: commands ask",
        **more,  # type: ignore[arg-type]
    )


def test_a_call_that_nobody_was_asked_about_says_what_decided():
    scene = Scene().say(
        _proposed("c"),
        PermissionAnswered(
            call="c", allowed=True, by="rule", rule="rule: allow execute make", untrusted=True
        ),
    )
    [entry] = scene.found
    assert (entry.what, entry.by, entry.rule) == ("allowed", "rule", "rule: allow execute make")
    assert (entry.about, entry.tool, entry.untrusted, entry.private) == (
        "$ make",
        "shell",
        True,
        False,
    )
    assert scene.audit.sessions == {SESSION: "fix"}
    assert scene.audit.agents == {AGENT: (SESSION, "one")}


def test_a_person_answers_what_was_asked_with_what_was_seen_then():
    scene = Scene().say(
        _proposed("c"),
        _asked("c", private=True, untrusted=True),
        PermissionAnswered(call="c", allowed=False, by="person", rule="denied by mato deny"),
    )
    [entry] = scene.found
    assert (entry.what, entry.about, entry.why) == ("denied", "make", "mode ask: commands ask")
    assert entry.private
    assert entry.untrusted


def test_a_grant_is_told_when_it_is_given_used_and_taken_back():
    scene = Scene().say(
        _proposed("c"),
        _asked("c"),
        PermissionGranted(
            grant="g",
            call="c",
            action="execute",
            patterns=(Pattern("command", "make"),),
            words="make",
            by="approved in the pane",
            expires_us=9,
        ),
        PermissionAnswered(
            call="c", allowed=True, by="person", rule="approved in the pane", grant="g"
        ),
        _proposed("d"),
        PermissionAnswered(call="d", allowed=True, by="grant", rule="allowed before", grant="g"),
        PermissionRevoked(grant="g", by="revoked by mato grants"),
    )
    assert [(each.what, each.by, each.grant, each.words) for each in scene.found] == [
        ("granted", "person", "g", "make"),
        ("allowed", "person", "g", "make"),
        ("allowed", "grant", "g", "make"),
        ("revoked", "person", "g", "make"),
    ]


def test_a_call_that_was_cut_off_is_decided_twice():
    scene = Scene().say(
        _proposed("c"),
        PermissionAnswered(call="c", allowed=True, by="mode", rule="mode full: commands run"),
        _asked("c", question="recovery"),
        PermissionAnswered(
            call="c", allowed=False, by="person", rule="done, by mato resolve", decision="done"
        ),
    )
    assert [each.decision for each in scene.found] == [None, "done"]


def test_names_are_the_newest_and_nothing_is_kept_of_what_has_ended():
    scene = Scene().say(SessionRenamed(name="other"), agent=None)
    scene.say(_proposed("c"), TurnEnded(reason="end_turn"))
    assert scene.audit.sessions == {SESSION: "other"}
    scene.say(PermissionAnswered(call="c", allowed=False, by="cancel", rule="late"))
    assert scene.found[0].about == "", "the turn that it was of has ended"


@settings(max_examples=60)
@given(stories())
def test_every_answer_and_every_grant_is_told_once(story: list[Event | Piece]):
    events = [each for each in story if isinstance(each, Event)]
    told = list(decisions(Audit(), events))
    kinds = ("permission.answered", "permission.granted", "permission.revoked")
    assert [each.position for each in told] == [
        event.position for event in events if event.kind in kinds
    ]


def test_a_grant_that_ran_out_is_dropped_with_the_next_and_another_is_kept():
    teller = Teller()

    def given_until(grant: str, expires_us: int) -> Event:
        body = PermissionGranted(
            grant=grant,
            call="c",
            action="execute",
            patterns=(),
            words="",
            by="",
            expires_us=expires_us,
        )
        return teller.say(body, AGENT)

    first, second, third = given_until("a", 0), given_until("b", 2**60), given_until("c", 2**60)
    grants = []
    for event in (first, second, third):
        grants = with_fact(grants, event, event.body)  # type: ignore[arg-type]
    assert [each.grant for each in grants] == ["b", "c"]
    revoked = teller.say(PermissionRevoked(grant="b", by=""), AGENT)
    grants = with_fact(grants, revoked, revoked.body)  # type: ignore[arg-type]
    assert [each.grant for each in standing(grants, 2**60 - 1)] == ["c"]
    assert standing(grants, 2**60) == ()
