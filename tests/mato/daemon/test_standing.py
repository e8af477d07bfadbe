"""What stands for an agent, asked for whenever a call is decided."""

from __future__ import annotations

from mato.daemon.roster import Roster
from mato.daemon.standing import watch
from mato.permissions.desk import Policy
from mato.permissions.taint import Taint
from mato_sessions.clock import SystemClock
from mato_sessions.events import (
    AgentSpawned,
    AgentStateChanged,
    PermissionGranted,
    PermissionRevoked,
    SessionOpened,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.permission import Pattern
from tests.sessions.happenings import AGENT, Teller


class Scene:
    def __init__(self) -> None:
        self.clock = SystemClock()
        self.roster = Roster()
        self.killing = False
        self.teller = Teller()
        standing = watch(self.roster, self.clock, lambda: self.killing, AGENT)
        self.policy = Policy(tier="full", standing=standing)
        opened = SessionOpened(name="s", cwd="/w", mode="edit", trusted=True, mato="0.1.0")
        self.roster.apply(self.teller.say(opened, None))
        self.say(AgentSpawned(name="one", agent_kind="native", spec=LaunchSpec("p", "m")))

    def say(self, body: object) -> None:
        self.roster.apply(self.teller.say(body, AGENT))  # type: ignore[arg-type]

    def grant(self, for_s: float = 60.0) -> None:
        self.say(
            PermissionGranted(
                grant="g",
                call="c",
                action="execute",
                patterns=(Pattern("command", "git commit"),),
                words="git commit",
                by="a test",
                expires_us=self.clock.wall_us() + int(for_s * 1e6),
            )
        )

    def decides(self, action: str = "execute", resource: str = "git commit -m a") -> str:
        return self.policy.decide("edit", action, resource, Taint()).effect  # type: ignore[arg-type]


def test_a_grant_counts_from_its_fact_on_until_it_is_taken_back():
    scene = Scene()
    assert scene.decides() == "ask"
    scene.grant()
    assert scene.decides() == "allow"
    scene.say(PermissionRevoked(grant="g", by="a test"))
    assert scene.decides() == "ask"


def test_a_grant_that_has_run_out_counts_no_more():
    scene = Scene()
    scene.grant(for_s=0.0)
    assert scene.decides() == "ask"


def test_while_everything_is_being_ended_nothing_begins():
    scene = Scene()
    scene.grant()
    scene.killing = True
    for action, resource in (("execute", "ls"), ("execute", "git commit -m a"), ("read", "a")):
        assert scene.decides(action, resource) == "deny"
    scene.killing = False
    assert scene.decides() == "allow"


def test_an_agent_that_has_ended_or_is_not_known_may_do_nothing():
    scene = Scene()
    scene.say(AgentStateChanged(state="stopped", evidence="ended by a person"))
    assert scene.decides("read", "a") == "deny"
    unknown = watch(Roster(), scene.clock, lambda: False, AGENT)
    assert unknown().killed
