"""The client's folds: one session's transcripts, and the overview of all."""

from __future__ import annotations

from types import ModuleType

from mato.protocol.methods import ListSessionsResult
from mato_panes.store import Overview
from mato_sessions.catalog import Catalog
from mato_sessions.events import (
    AgentSpawned,
    AgentStateChanged,
    Body,
    Event,
    SessionOpened,
    UsageReported,
)
from mato_sessions.events.agent import LaunchSpec


def event(position: int, body: Body, agent: str | None = "a-1") -> Event:
    return Event(
        position=position,
        session="s-1",
        seq=position,
        at_us=position,
        mono_us=position,
        boot="b",
        epoch=1,
        agent=agent,
        turn=None,
        cause=None,
        kind=body.kind,
        version=1,
        body=body,
        hash=bytes(32),
    )


def usage(position: int, request: str) -> Event:
    body = UsageReported(request=request, attempt=1, model="m", input=100, output=10, cost_usd=0.5)
    return event(position, body)


BEGINNING = [
    event(1, SessionOpened(name="n", cwd="/", mode="ask", trusted=False, mato="0"), None),
    event(2, AgentSpawned(name="x", agent_kind="native", spec=LaunchSpec(profile="p", model="m"))),
    usage(3, "r1"),
]


def listed() -> ListSessionsResult:
    catalog = Catalog()
    for one in BEGINNING:
        catalog.apply(one)
    return ListSessionsResult(sessions=tuple(catalog.sessions()), position=9)


def test_an_overview_goes_on_from_the_listing() -> None:
    overview = Overview()
    overview.load(listed())
    assert (overview.position, overview.dirty) == (9, True)
    overview.apply(usage(10, "r2"))
    agent = overview.sessions["s-1"].agents[0]
    assert (agent.name, agent.input, agent.output, agent.cost_usd) == ("x", 200, 20, 1.0)


def test_an_event_that_the_listing_knows_changes_nothing() -> None:
    overview = Overview()
    overview.load(listed())
    overview.dirty = False
    overview.apply(event(9, AgentStateChanged(state="failed", evidence="late")))
    assert overview.sessions["s-1"].agents[0].state != "failed"
    assert not overview.dirty
    overview.apply(event(10, AgentStateChanged(state="working", evidence="now")))
    assert overview.sessions["s-1"].agents[0].state == "working"
    assert overview.dirty


def test_an_event_of_a_session_that_is_known_already_changes_nothing(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("once", "t-1")
    scene.seq = 0
    scene.prompt("twice", "t-2")
    entries = scene.store.transcript(chat.AGENT).entries
    assert [entry.text for entry in entries] == ["once"]
    assert scene.store.last_seq == 1


def test_agents_with_news_are_dirty(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("go", "t-1")
    assert scene.store.dirty == {chat.AGENT}
    scene.store.dirty.clear()
    scene.live("r1", "text")
    assert scene.store.dirty == {chat.AGENT}


def test_every_view_of_a_transcript_learns_of_every_change(chat: ModuleType) -> None:
    scene = chat.Scene()
    one, two = scene.store.reader(chat.AGENT), scene.store.reader(chat.AGENT)
    scene.prompt("go", "t-1")
    assert scene.store.changed(chat.AGENT, one) == [0]
    scene.live("r1", "text")
    assert scene.store.changed(chat.AGENT, two) == [0, 1]
    assert scene.store.changed(chat.AGENT, one) == [1]
    scene.store.leave(chat.AGENT, one)
    scene.live("r1", "more")
    assert scene.store.changed(chat.AGENT, two) == [1]
    assert one.take() == []
