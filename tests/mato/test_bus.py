"""The bus: one ring and one set of open tails for all readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato import bus as rooms
from mato.bus import Bus, Packed, Watcher, is_fact
from mato_sessions import codec
from mato_sessions.events import (
    KINDS,
    Body,
    Event,
    ModelAnswered,
    OutputStreamed,
    TextStreamed,
    ToolFinished,
    TurnEnded,
)
from mato_sessions.events import SessionRenamed as Renamed
from mato_sessions.pieces import Piece

STREAM = "r-1/1/text"


def _event(position: int, body: Body, session: str = "s-1", turn: str | None = "t-1") -> Event:
    return Event(
        position=position,
        session=session,
        seq=position,
        at_us=0,
        mono_us=0,
        boot="b",
        epoch=1,
        agent="a-1",
        turn=turn,
        cause=None,
        kind=body.kind,
        version=body.version,
        body=body,
        hash=b"\0" * 32,
    )


def _piece(offset: int, text: str, stream: str = STREAM, turn: str = "t-1") -> Piece:
    return Piece(
        kind="text",
        session="s-1",
        agent="a-1",
        turn=turn,
        stream=stream,
        attempt=1,
        offset=offset,
        text=text,
    )


def _streamed(offset: int, text: str) -> TextStreamed:
    return TextStreamed(stream=STREAM, attempt=1, offset=offset, text=text)


def _every(_: Packed) -> bool:
    return True


def test_a_reader_gets_what_came_after_its_cursor_in_order_and_packed_once() -> None:
    bus = Bus(10)
    bus.publish([_event(11, Renamed(name="a")), _event(12, Renamed(name="b"))])
    bus.publish([_event(13, Renamed(name="c"))])
    chosen, reached = bus.after(11, _every, 1_000_000)
    assert ([packed.position for packed in chosen], reached) == ([12, 13], 13)
    again, _ = bus.after(10, _every, 1_000_000)
    assert again[1].raw is chosen[0].raw
    assert codec.unpack(again[0].raw).body == Renamed(name="a")


def test_a_long_wait_comes_in_pages() -> None:
    bus = Bus(0)
    bus.publish([_event(number, Renamed(name="x" * 500)) for number in range(1, 11)])
    seen: list[int] = []
    position = 0
    while position < bus.position:
        chosen, position = bus.after(position, _every, 1500)
        assert len(chosen) <= 3
        seen += [packed.position for packed in chosen]
    assert seen == list(range(1, 11))


def test_what_is_not_wanted_is_passed_over() -> None:
    bus = Bus(0)
    bus.publish([_event(1, Renamed(name="a")), _event(2, Renamed(name="b"), session="s-2")])
    chosen, reached = bus.after(0, lambda packed: packed.session == "s-1", 1000)
    assert ([packed.position for packed in chosen], reached) == ([1], 2)


def test_a_cursor_older_than_the_ring_is_not_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "RING_EVENTS", 3)
    bus = Bus(0)
    assert bus.covers(0)
    bus.publish([_event(number, Renamed(name="a")) for number in range(1, 6)])
    assert not bus.covers(1)
    assert bus.covers(2)
    chosen, _ = bus.after(2, _every, 1_000_000)
    assert [packed.position for packed in chosen] == [3, 4, 5]


def test_the_ring_is_bounded_by_bytes_too() -> None:
    bus = Bus(0)
    half = "x" * (rooms.RING_BYTES // 2)
    bus.publish([_event(number, Renamed(name=half)) for number in range(1, 4)])
    assert not bus.covers(1)
    assert bus.covers(2)


def test_only_those_are_woken_who_care() -> None:
    bus = Bus(0)
    rung: list[str] = []
    bus.watch(Watcher(lambda: rung.append("one"), ["s-1"], facts=False))
    bus.watch(Watcher(lambda: rung.append("two"), ["s-2"], facts=False))
    listing = Watcher(lambda: rung.append("facts"), [], facts=True)
    bus.watch(listing)
    bus.publish([_event(1, _streamed(0, "a"))])
    assert rung == ["one"]
    bus.publish([_event(2, Renamed(name="x"))])
    assert sorted(rung[1:]) == ["facts", "one"]
    bus.unwatch(listing)
    bus.piece(_piece(1, "b"))
    assert rung[3:] == ["one"]


def test_open_text_is_given_once_to_each_reader_and_whole_to_a_new_one() -> None:
    bus = Bus(0)
    shown: dict[str, int] = {}
    bus.piece(_piece(0, "Hel"))
    assert [piece.text for piece in bus.open_text("s-1", shown)] == ["Hel"]
    bus.piece(_piece(3, "lo "))
    bus.piece(_piece(6, "you"))
    (piece,) = bus.open_text("s-1", shown)
    assert (piece.offset, piece.text) == (3, "lo you")
    assert bus.open_text("s-1", shown) == []
    (whole,) = bus.open_text("s-1", {})
    assert (whole.offset, whole.text) == (0, "Hello you")


def test_journaled_text_leaves_the_tail() -> None:
    bus = Bus(0)
    bus.piece(_piece(0, "Hello"))
    bus.publish([_event(1, _streamed(0, "Hel"))])
    (rest,) = bus.open_text("s-1", {})
    assert (rest.offset, rest.text) == (3, "lo")
    bus.publish([_event(2, _streamed(3, "lo you"))])
    assert bus.open_text("s-1", {}) == []
    bus.piece(_piece(9, "!"))
    (rest,) = bus.open_text("s-1", {})
    assert (rest.offset, rest.text) == (9, "!")


def test_a_piece_beyond_a_gap_waits_for_its_journaled_stretch() -> None:
    bus = Bus(0)
    bus.piece(_piece(0, "ab"))
    bus.piece(_piece(5, "lost"))
    (piece,) = bus.open_text("s-1", {})
    assert piece.text == "ab"
    bus.publish([_event(1, _streamed(0, "abcdelost"))])
    bus.piece(_piece(9, "!"))
    (piece,) = bus.open_text("s-1", {})
    assert (piece.offset, piece.text) == (9, "!")


def test_a_tail_that_nobody_journals_stops_growing() -> None:
    bus = Bus(0)
    block = "x" * (rooms.TAIL_CHARACTERS // 4)
    for number in range(6):
        bus.piece(_piece(number * len(block), block))
    (piece,) = bus.open_text("s-1", {})
    assert len(piece.text) == rooms.TAIL_CHARACTERS


@pytest.mark.parametrize(
    "body",
    [
        ModelAnswered(request="r-1", attempt=1, finish="stop", first_us=0, latency_us=0),
        TurnEnded(reason="cancelled"),
    ],
)
def test_the_end_of_an_answer_or_turn_ends_its_streams(body: Body) -> None:
    bus = Bus(0)
    shown: dict[str, int] = {}
    bus.piece(_piece(0, "Hello"))
    bus.piece(_piece(0, "other", stream="r-2/1/text", turn="t-2"))
    bus.open_text("s-1", shown)
    bus.publish([_event(1, body)])
    (piece,) = bus.open_text("s-1", {})
    assert piece.text == "other"
    bus.open_text("s-1", shown)
    assert shown == {"r-2/1/text": 5}


def test_the_output_of_a_tool_is_a_stream_like_the_others() -> None:
    bus = Bus(0)
    output = "c-1/1/output"
    bus.piece(_piece(0, "line\nline\n", stream=output))
    bus.publish([_event(1, OutputStreamed(call="c-1", attempt=1, offset=0, text="line\n"))])
    (piece,) = bus.open_text("s-1", {})
    assert (piece.offset, piece.text) == (5, "line\n")
    bus.publish([_event(2, ToolFinished(call="c-1", attempt=1, content=""))])
    assert bus.open_text("s-1", {}) == []


def test_an_agent_that_is_gone_leaves_no_tail() -> None:
    bus = Bus(0)
    bus.piece(_piece(0, "Hello"))
    bus.forget("s-1", "a-2")
    assert bus.open_text("s-1", {})
    bus.forget("s-1", "a-1")
    assert bus.open_text("s-1", {}) == []


def test_listings_are_made_of_the_same_kinds_everywhere() -> None:
    facts = {kind for kind in KINDS if is_fact(kind)}
    assert {"session.opened", "agent.spawned", "turn.ended", "tool.proposed"} <= facts
    assert {"permission.asked", "usage.reported"} <= facts
    assert not {kind for kind in facts if kind.startswith(("model.", "tool.s", "text."))}


@given(st.lists(st.tuples(st.sampled_from("pjr"), st.integers(1, 9)), max_size=40))
def test_however_text_is_shown_journaled_and_read_a_reader_sees_all_of_it_once(
    steps: list[tuple[str, int]],
) -> None:
    """p: the agent shows n more characters; j: it journals n more; r: the reader comes."""
    text = "".join(chr(0x61 + number % 26) for number in range(1000))
    bus = Bus(0)
    shown: dict[str, int] = {}
    position = written = journaled = 0
    seen = ""

    def read() -> None:
        nonlocal seen, position
        chosen, position = bus.after(position, _every, 1_000_000)
        for packed in chosen:
            body = codec.unpack(packed.raw).body
            assert isinstance(body, TextStreamed)
            assert body.offset <= len(seen), "a gap"
            seen += body.text[max(0, len(seen) - body.offset) :]
        for piece in bus.open_text("s-1", shown):
            assert piece.offset <= len(seen), "a gap"
            seen += piece.text[max(0, len(seen) - piece.offset) :]

    for action, count in steps:
        if action == "p":
            bus.piece(_piece(written, text[written : written + count]))
            written += count
        elif action == "j":
            upto = min(written, journaled + count)
            if upto > journaled:
                body = _streamed(journaled, text[journaled:upto])
                bus.publish([_event(bus.position + 1, body)])
                journaled = upto
        else:
            read()
    read()
    assert seen == text[:written]
