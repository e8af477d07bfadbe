"""Conversations: whatever the events, the messages are what providers accept."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mato.agents.native.conversation import EMPTY, INTERRUPTED, NO_OUTPUT, Thread, messages
from mato_sessions.events import (
    Body,
    Event,
    ModelAnswered,
    TextStreamed,
    ToolFailed,
    ToolFinished,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
)
from mato_sessions.events.model import Call
from mato_sessions.events.turn import TextBlock


def event(seq: int, body: Body) -> Event:
    return Event(
        position=seq,
        session="s",
        seq=seq,
        at_us=0,
        mono_us=0,
        boot="b",
        epoch=1,
        agent="a",
        turn="t",
        cause=None,
        kind=body.kind,
        version=1,
        body=body,
        hash=b"",
    )


def events(*bodies: Body) -> list[Event]:
    return [event(seq, body) for seq, body in enumerate(bodies, 1)]


def prompted(text: str) -> TurnPrompted:
    return TurnPrompted(blocks=(TextBlock(text),))


def answered(text: str, *calls: str, request: str = "r") -> ModelAnswered:
    return ModelAnswered(
        request=request,
        attempt=1,
        text=text,
        calls=tuple(Call(call, "read", "{}") for call in calls),
        finish="stop",
        first_us=0,
        latency_us=0,
    )


def streamed(text: str, stream: str = "r/1/text") -> TextStreamed:
    return TextStreamed(stream=stream, attempt=1, offset=0, text=text)


def roles(*bodies: Body) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages(events(*bodies))]


def test_an_open_call_is_answered_as_interrupted() -> None:
    assert roles(prompted("a"), answered("", "c1", "c2"), prompted("b")) == [
        ("user", "a"),
        ("assistant", ""),
        ("tool", INTERRUPTED),
        ("tool", INTERRUPTED),
        ("user", "b"),
    ]


def test_results_follow_the_order_of_the_calls_not_of_their_ends() -> None:
    made = messages(
        events(
            prompted("a"),
            answered("", "c1", "c2", "c3"),
            ToolUnknown(call="c3", attempt=1, message="who knows"),
            ToolFinished(call="c2", attempt=1, content=""),
            ToolFailed(call="c1", attempt=1, message="no"),
        )
    )
    assert [(m.call, m.text) for m in made[2:]] == [
        ("c1", "no"),
        ("c2", NO_OUTPUT),
        ("c3", "who knows"),
    ]


def test_prompts_in_a_row_become_one_and_empty_answers_none() -> None:
    assert roles(prompted("a"), answered(" \n"), prompted("b"), prompted("")) == [
        ("user", f"a\n\nb\n\n{EMPTY}")
    ]


def test_a_thread_keeps_the_last_attempts_partial_text_when_the_turn_ends() -> None:
    thread = Thread()
    for each in events(
        prompted("a"),
        streamed("first try", "r/1/text"),
        streamed("second ", "r/2/text"),
        streamed("try", "r/2/text"),
    ):
        thread = thread.fold(each)
    assert thread.seqs == (1,)
    assert thread.needed == (1, 3, 4)
    assert thread.fold(event(5, TurnEnded(reason="cancelled"))).seqs == (1, 3, 4)
    assert thread.fold(event(5, answered("whole"))).needed == (1, 5)
    assert thread.fold(event(5, TurnEnded(reason="cancelled"))).fold(
        event(6, TurnEnded(reason="end_turn"))
    ).seqs == (1, 3, 4)


TEXT = st.sampled_from(["", " ", "\n", "hello", "x y"])
CALLS = st.lists(st.sampled_from(["c1", "c2", "c3"]), unique=True, max_size=3)
BODY: st.SearchStrategy[Body] = st.one_of(
    TEXT.map(prompted),
    st.tuples(TEXT, CALLS).map(lambda pair: answered(pair[0], *pair[1])),
    st.tuples(TEXT, st.sampled_from(["r/1/text", "r/2/text"])).map(lambda pair: streamed(*pair)),
    st.tuples(st.sampled_from(["c1", "c2", "c3", "c9"]), TEXT).map(
        lambda pair: ToolFinished(call=pair[0], attempt=1, content=pair[1])
    ),
)


@given(st.lists(BODY, max_size=20))
def test_any_events_after_a_prompt_make_a_conversation_that_providers_accept(
    bodies: list[Body],
) -> None:
    made = messages(events(prompted("begin"), *bodies))
    waiting: list[str] = []
    previous: Any = None
    assert made[0].role == "user"
    for message in made:
        if waiting:
            assert (message.role, message.call) == ("tool", waiting.pop(0))
            assert message.text.strip()
        else:
            assert message.role != "tool"
            assert message.role != previous
            assert message.calls or message.text.strip()
        waiting += [call.call for call in message.calls]
        previous = message.role
    assert not waiting


@given(st.lists(BODY, max_size=20))
def test_the_listed_seqs_alone_rebuild_the_same_request(bodies: list[Body]) -> None:
    thread = Thread()
    everything = events(prompted("begin"), *bodies)
    for each in everything:
        thread = thread.fold(each)
    chosen = [each for each in everything if each.seq in thread.seqs]
    assert [each.seq for each in chosen] == list(thread.seqs)
    assert messages(chosen) == messages(everything[seq - 1] for seq in thread.seqs)
