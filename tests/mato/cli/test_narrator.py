"""The narrator tells each piece of a stream once, whatever way it came."""

from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from mato.cli.narrator import LINE_LIMIT, Narrator, seconds
from mato_sessions.events import (
    AgentSpawned,
    AgentStateChanged,
    Body,
    Event,
    ModelAnswered,
    TextStreamed,
    TurnEnded,
)
from mato_sessions.events.agent import ANSWERS, AgentState, LaunchSpec
from mato_sessions.pieces import Piece


def fact(body: Body, seq: int = 1, agent: str = "a") -> Event:
    return Event(
        position=seq, session="s", seq=seq, at_us=0, mono_us=0, boot="b", epoch=1, agent=agent,
        turn="t", cause=None, kind=body.kind, version=1, body=body, hash=b"",
    )  # fmt: skip


def piece(text: str, offset: int, agent: str = "a") -> Piece:
    return Piece(
        kind="text", session="s", agent=agent, turn="t", stream="r/1/text", attempt=1,
        offset=offset, text=text,
    )  # fmt: skip


@given(st.text(alphabet="ab \n", max_size=60), st.randoms(use_true_random=False))
def test_live_pieces_stretches_and_the_answer_tell_the_text_once(
    text: str, chance: random.Random
) -> None:
    told: list[str] = []
    narrator = Narrator({"a": "coder"}, told.append)
    at = 0
    while at < len(text):
        size = chance.randint(1, 7)
        cut = text[at : at + size]
        if chance.random() < 0.7:
            narrator.piece(piece(cut, at))
        if chance.random() < 0.7:
            narrator.event(fact(TextStreamed(stream="r/1/text", attempt=1, offset=at, text=cut)))
        at += size
    answer = ModelAnswered(
        request="r", attempt=1, text=text, finish="stop", first_us=1, latency_us=2
    )
    narrator.event(fact(answer))
    wanted = [f"  {line}\n" for line in text.split("\n") if line.strip()]
    assert told == wanted


def test_several_agents_get_labels_of_one_width() -> None:
    told: list[str] = []
    narrator = Narrator({"a": "coder", "b": "reviewer"}, told.append)
    narrator.event(fact(TurnEnded(reason="end_turn")))
    narrator.event(fact(TurnEnded(reason="failed", detail="no key"), agent="b"))
    assert told == ["coder    │ — end_turn\n", "reviewer │ — failed: no key\n"]


def test_durations_are_for_people() -> None:
    assert [seconds(us) for us in (340_000, 42_000_000, 185_000_000)] == [
        "0.3 s",
        "42 s",
        "3 min 5 s",
    ]


def test_what_a_working_agent_waits_for_is_told_and_its_changes_of_state_are_not() -> None:
    told: list[str] = []
    narrator = Narrator({"a": "coder"}, told.append)
    happened: list[tuple[AgentState, str]] = [
        ("working", "prompted"),
        ("working", "queued behind 2"),
        ("working", ANSWERS),
        ("blocked", "asks: shell"),
        ("working", "allowed"),
        ("done", "turn ended: end_turn"),
        ("working", "prompted"),
    ]
    for state, evidence in happened:
        narrator.event(fact(AgentStateChanged(state=state, evidence=evidence)))
    assert told == ["· queued behind 2\n"]


def test_lines_get_labels_once_an_agent_has_started_another_one() -> None:
    told: list[str] = []
    narrator = Narrator({"a": "lead"}, told.append)
    narrator.event(fact(TurnEnded(reason="end_turn")))
    spec = LaunchSpec("reader", "m")
    child = AgentSpawned(name="parser", agent_kind="native", spec=spec, parent="a", depth=1)
    narrator.event(fact(child, agent="b"))
    narrator.event(fact(TurnEnded(reason="end_turn"), agent="b"))
    narrator.event(fact(TurnEnded(reason="end_turn")))
    assert told == ["— end_turn\n", "parser │ — end_turn\n", "lead   │ — end_turn\n"]


def test_a_line_without_end_is_told_in_parts_in_linear_time() -> None:
    told: list[str] = []
    teller = Narrator({"a": "a"}, told.append)
    began = time.process_time()
    teller.piece(piece("x" * 50_000_000, 0))
    teller.piece(piece("y\n", 50_000_000))
    assert time.process_time() - began < 10
    assert {len(line) for line in told[:-1]} == {LINE_LIMIT + len("  \n")}
    assert sum(line.count("x") for line in told) == 50_000_000
    assert told[-1].endswith("xy\n")
