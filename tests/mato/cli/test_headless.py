"""`mato run` waits for the end of its turns, and for nothing that cannot come."""

from __future__ import annotations

from mato.cli.headless import Outcome, Outcomes
from mato_sessions.events import AgentStateChanged, Body, Event, TurnEnded, TurnPrompted
from mato_sessions.events.agent import PAUSED, STOPS


def told(outcomes: Outcomes, *bodies: Body, agent: str = "a") -> Outcomes:
    for body in bodies:
        outcomes.apply(
            Event(
                position=1,
                session="s",
                seq=1,
                at_us=0,
                mono_us=0,
                boot="b",
                epoch=1,
                agent=agent,
                turn="t",
                cause=None,
                kind=body.kind,
                version=1,
                body=body,
                hash=b"",
            )
        )
    return outcomes


PROMPTED = TurnPrompted(blocks=())
FAILED = AgentStateChanged(state="failed", evidence="why")


def test_it_is_over_when_every_agent_has_ended_its_turns() -> None:
    outcomes = told(Outcomes({"a": 2, "b": 1}), PROMPTED, TurnEnded(reason="end_turn"))
    assert not told(outcomes, PROMPTED, TurnEnded(reason="refusal", detail="no")).over
    assert not told(outcomes, PROMPTED, TurnEnded(reason="end_turn"), agent="stranger").over
    assert told(outcomes, PROMPTED, TurnEnded(reason="end_turn"), agent="b").over
    assert outcomes.ended == [
        Outcome("a", "end_turn", ""),
        Outcome("a", "refusal", "no"),
        Outcome("b", "end_turn", ""),
    ]


def test_a_turn_that_failed_counts_once_and_the_next_is_waited_for() -> None:
    outcomes = told(Outcomes({"a": 2}), PROMPTED, TurnEnded(reason="failed"), FAILED)
    assert not outcomes.over
    assert told(outcomes, PROMPTED, TurnEnded(reason="end_turn")).over
    assert [outcome.reason for outcome in outcomes.ended] == ["failed", "end_turn"]


def test_a_paused_agent_is_not_waited_for_but_one_whose_daemon_stops_is() -> None:
    stops = AgentStateChanged(state="blocked", evidence=f"{PAUSED}{STOPS}")
    outcomes = told(Outcomes({"a": 1}), PROMPTED, stops)
    assert not outcomes.over
    paused = AgentStateChanged(state="blocked", evidence=f"{PAUSED}why")
    assert told(outcomes, paused).over
    assert outcomes.ended == [Outcome("a", "paused", "why")]


def test_an_agent_that_failed_itself_is_not_waited_for() -> None:
    outcomes = told(Outcomes({"a": 2}), PROMPTED, FAILED)
    assert outcomes.over
    assert outcomes.ended == [Outcome("a", "failed", "why")]
