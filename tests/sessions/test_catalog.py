"""Listings, inbox and costs, folded from facts."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from mato_sessions.catalog import Catalog
from mato_sessions.events import (
    AgentExited,
    AgentReconfigured,
    AgentSpawned,
    AgentStateChanged,
    Event,
    PermissionAnswered,
    PermissionAsked,
    SessionArchived,
    SessionArranged,
    SessionOpened,
    SessionRenamed,
    TextStreamed,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    UsageReported,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.session import PaneNode, WindowNode
from mato_sessions.events.turn import TextBlock
from mato_sessions.ledger import Ledger
from mato_sessions.pieces import Piece
from mato_sessions.projection import fold
from tests.sessions.happenings import AGENT, OTHER, SESSION, Teller, stories

BLOCKS = (TextBlock("x"),)
SPEC = LaunchSpec(profile="p", model="m", base_url="u", model_source="flag", mode="edit")


def _usage(request: str, cost: float | None = 0.5, attempt: int = 1) -> UsageReported:
    return UsageReported(
        request=request,
        attempt=attempt,
        model="m",
        input=10,
        output=5,
        cached=4,
        reasoning=2,
        cost_usd=cost,
    )


def _asked(call: str, resource: str = "make") -> PermissionAsked:
    return PermissionAsked(
        call=call,
        tool="shell",
        action="execute",
        resource=resource,
        arguments={"n": [10**30, {"x": -(1 << 63)}], "s": "t"},
        preview="+x",
    )


class Scene:
    def __init__(self) -> None:
        self.teller = Teller()
        self.catalog = Catalog()
        opened = SessionOpened(name="fix", cwd="/w", mode="ask", trusted=True, mato="0.1.0")
        self.say(opened, agent=None)
        self.say(AgentSpawned(name="one", agent_kind="native", spec=SPEC))

    def say(self, *bodies: object, agent: str | None = AGENT, turn: str | None = None) -> Scene:
        for body in bodies:
            self.teller.turn = turn
            self.catalog.apply(self.teller.say(body, agent))  # type: ignore[arg-type]
        return self

    @property
    def agent(self):
        found = self.catalog.agent(AGENT)
        assert found is not None
        return found[1]

    @property
    def session(self):
        [session] = self.catalog.sessions()
        return session


def test_a_session_is_listed_with_what_its_facts_say() -> None:
    scene = Scene()
    window = WindowNode("w-1", "main", PaneNode("p-1", AGENT))
    scene.say(SessionArranged(windows=(window,)), SessionRenamed(name="new"), agent=None)
    session = scene.session
    assert (session.id, session.name, session.cwd) == (SESSION, "new", "/w")
    assert (session.mode, session.trusted, session.windows) == ("ask", True, (window,))
    assert (session.seq, session.position, scene.catalog.position) == (4, 4, 4)
    assert session.last_us - session.created_us == 3000
    agent = scene.agent
    assert (agent.id, agent.name, agent.kind, agent.state) == (AGENT, "one", "native", "starting")
    assert (agent.model, agent.model_source, agent.base_url) == ("m", "flag", "u")
    assert (agent.mode, agent.profile) == ("edit", "p")
    assert scene.catalog.session(SESSION) is session
    assert scene.catalog.session("s-9") is None
    assert scene.catalog.agent("a-9") is None


def test_a_state_counts_from_its_beginning() -> None:
    scene = Scene().say(AgentStateChanged(state="working", evidence="prompted"))
    since = scene.agent.since_us
    scene.say(AgentStateChanged(state="working", evidence="asks the model"))
    assert (scene.agent.since_us, scene.agent.evidence) == (since, "asks the model")
    scene.say(AgentStateChanged(state="idle", evidence="done"))
    assert scene.agent.since_us > since


def test_a_new_model_changes_only_what_it_names() -> None:
    scene = Scene().say(AgentReconfigured(model="m2"))
    agent = scene.agent
    assert (agent.model, agent.model_source, agent.base_url, agent.mode) == (
        "m2",
        "flag",
        "u",
        "edit",
    )
    scene.say(AgentReconfigured(model_source="config", base_url="", mode="read"))
    assert (agent.model, agent.model_source, agent.base_url, agent.mode) == (
        "m2",
        "config",
        "",
        "read",
    )


def test_turns_wait_run_and_end() -> None:
    scene = Scene().say(TurnPrompted(blocks=BLOCKS), turn="t-1")
    for turn in ("t-2", "t-3", "t-4"):
        scene.say(TurnQueued(blocks=BLOCKS), turn=turn)
    scene.say(TurnReturned(reason="stopped"), turn="t-3")
    agent = scene.agent
    assert (agent.turn, agent.queued) == ("t-1", ["t-2", "t-4"])
    assert agent.turn_at_us > 0
    scene.say(TurnEnded(reason="end_turn"), turn="t-1")
    assert agent.turn is None
    scene.say(TurnPrompted(blocks=BLOCKS), turn="t-2")
    assert (agent.turn, agent.queued) == ("t-2", ["t-4"])
    scene.say(AgentExited(reason="killed"))
    assert (agent.turn, agent.queued) == (None, [])


def test_the_inbox_has_what_waits_in_the_order_it_was_asked() -> None:
    scene = Scene().say(AgentSpawned(name="two", agent_kind="native", spec=SPEC), agent=OTHER)
    scene.say(_asked("c-1"), turn="t-1").say(_asked("c-2"), agent=OTHER).say(_asked("c-3"))
    assert [call.call for call in scene.catalog.pending()] == ["c-1", "c-2", "c-3"]
    first = scene.catalog.pending()[0]
    assert (first.session, first.agent, first.agent_name) == (SESSION, AGENT, "one")
    assert (first.tool, first.action, first.resource) == ("shell", "execute", "make")
    assert (first.preview, first.turn) == ("+x", "t-1")
    scene.say(_asked("c-1", "make again"))
    assert [call.call for call in scene.agent.pending] == ["c-3", "c-1"]
    scene.say(PermissionAnswered(call="c-3", allowed=True, by="person", rule="x"))
    assert [call.call for call in scene.catalog.pending()] == ["c-2", "c-1"]
    scene.say(TurnEnded(reason="cancelled"))
    assert [call.call for call in scene.catalog.pending()] == ["c-2"]
    scene.say(AgentExited(reason="killed"), agent=OTHER)
    assert scene.catalog.pending() == []


def test_summaries_travel_even_with_numbers_that_msgpack_has_not() -> None:
    scene = Scene().say(_asked("c-1"))
    packed = msgspec.msgpack.encode(scene.session)
    read = msgspec.msgpack.decode(packed, type=type(scene.session))
    assert read == scene.session
    arguments = read.agents[0].pending[0].arguments
    assert arguments == {"n": [str(10**30), {"x": -(1 << 63)}], "s": "t"}


def test_usage_is_summed_and_survives_a_new_spawn() -> None:
    scene = Scene().say(_usage("r-1"), _usage("r-2", None), _usage("r-1"))
    agent = scene.agent
    assert (agent.input, agent.output, agent.cached, agent.reasoning) == (20, 10, 8, 4)
    assert (agent.cost_usd, agent.unpriced) == (0.5, 1)
    scene.say(AgentSpawned(name="one", agent_kind="native", spec=SPEC))
    assert len(scene.session.agents) == 1
    assert scene.agent.input == 20


def test_only_sessions_that_changed_are_told() -> None:
    scene = Scene()
    assert [session.id for session in scene.catalog.changed()] == [SESSION]
    assert scene.catalog.changed() == []
    scene.say(TextStreamed(stream="r/1/text", attempt=1, offset=0, text="x"))
    assert scene.catalog.changed() == []
    scene.say(SessionRenamed(name="y"), agent=None)
    assert [session.name for session in scene.catalog.changed()] == ["y"]


def test_facts_of_an_agent_that_was_never_spawned_only_count_as_activity() -> None:
    scene = Scene().say(_usage("r-9"), agent="a-9")
    assert scene.agent.input == 0
    assert scene.session.seq == 3
    scene.say(TurnQueued(blocks=BLOCKS)).say(
        AgentSpawned(name="nobody", agent_kind="native", spec=SPEC), agent=None
    )
    assert (scene.agent.queued, len(scene.session.agents)) == ([], 1)


@settings(max_examples=50, deadline=None)
@given(story=stories())
def test_a_catalog_of_facts_alone_is_the_same(story: list[Event | Piece]) -> None:
    events = [step for step in story if isinstance(step, Event)]
    subjects = {"session", "agent", "turn", "permission", "usage"}
    facts = [
        event
        for event in events
        if event.kind.split(".")[0] in subjects or event.kind == "tool.proposed"
    ]
    assert fold(Catalog(), facts).sessions() == fold(Catalog(), events).sessions()


def test_a_request_counts_once_for_its_agent_and_its_session() -> None:
    teller = Teller()
    ledger = Ledger()
    for agent, usage in (
        (AGENT, _usage("r-1")),
        (AGENT, _usage("r-1")),
        (AGENT, _usage("r-1", attempt=2)),
        (OTHER, _usage("r-2", None)),
        (None, _usage("r-3")),
    ):
        ledger.apply(teller.say(usage, agent))
    ledger.apply(teller.say(SessionRenamed(name="x"), None))
    one, whole = ledger.agent(AGENT), ledger.session(SESSION)
    assert (one.requests, one.input, one.cost_usd, one.unpriced) == (2, 20, 1.0, 0)
    assert (whole.requests, whole.output, whole.cost_usd, whole.unpriced) == (4, 20, 1.5, 1)
    assert (one.cached, one.reasoning) == (8, 4)
    assert ledger.agent("a-9").requests == ledger.session("s-9").requests == 0


def test_a_session_is_archived_until_it_is_taken_back() -> None:
    scene = Scene()
    [session] = scene.catalog.sessions()
    assert not session.archived
    scene.say(SessionArchived(archived=True), agent=None)
    assert session.archived
    scene.say(SessionArchived(archived=False), agent=None)
    assert not session.archived
