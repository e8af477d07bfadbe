"""What is pasted is never typed, whatever is in it and however it is cut."""

from __future__ import annotations

from time import sleep

from hypothesis import given
from hypothesis import strategies as st
from textual._xterm_parser import XTermParser
from textual.events import AppBlur, Key, MouseMove, Paste
from textual.message import Message

from mato_panes.incoming import BURST_S, END, LARGEST, START, UNENDED_S, Incoming

HOSTILE = "a\nb\x1b[31m red\x1b\x1b[A\r\x02d\x1b[200~\x1b[<0;3;3M\x1b[20"


def said(*reads: str, gap_s: float = 0.0) -> list[Message]:
    """The events of these reads, and of silence after them."""
    incoming = Incoming()
    events: list[Message] = []
    now = 0.0
    for text in reads:
        events += incoming.feed(text, now)
        now += gap_s
    while incoming.patience is not None:
        events += incoming.quiet()
    return events


def pasted(events: list[Message]) -> str:
    """The text of the pastes; there must be nothing else."""
    assert all(isinstance(event, Paste) for event in events), events
    return "".join(event.text for event in events if isinstance(event, Paste))


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


@given(
    st.text(st.sampled_from("a\r\n\x1b[<0123~;MIOA\x02é"), max_size=60),
    st.lists(st.integers(0, 100), max_size=8),
)
def test_a_paste_is_one_event_whatever_is_in_it(text: str, places: list[int]) -> None:
    inside = text.replace(END, "")
    assert pasted(said(*cut(START + inside + END, places))) == inside


@given(st.lists(st.integers(0, 200), max_size=8))
def test_an_escape_inside_a_paste_does_not_end_it(places: list[int]) -> None:
    events = said(*cut(f"x{START}{HOSTILE}{END}", places))
    assert isinstance(events[0], Key)
    assert pasted(events[1:]) == HOSTILE


def test_what_follows_a_mark_of_the_end_in_the_text_at_once_is_pasted_too() -> None:
    for whole in (f"{START}one{END}rm -rf\r\x1b[A{END}", f"{START}one{END}{START}rm -rf\r{END}"):
        for size in (1, 3, 7, 4096):
            reads = [whole[at : at + size] for at in range(0, len(whole), size)]
            text = pasted(said(*reads, gap_s=BURST_S / 4))
            assert text.startswith("onerm -rf\r")
            assert END not in text


def test_after_a_pause_keys_are_keys_again() -> None:
    incoming = Incoming()
    assert not incoming.feed(f"{START}one{END}", 0.0)
    assert incoming.patience == BURST_S
    assert pasted(incoming.quiet()) == "one"
    (key,) = incoming.feed("\r", 1.0)
    assert isinstance(key, Key)
    assert key.key == "enter"


def test_the_mouse_holds_no_paste_back_and_types_nothing() -> None:
    incoming = Incoming()
    events: list[Message] = incoming.feed(f"{START}one{END}", 0.0)
    at = 0.0
    while not events:
        at += BURST_S / 4
        assert at <= 2 * BURST_S
        events = incoming.feed("\x1b[<35;10;5M", at)
    assert pasted(events) == "one"
    (moved,) = incoming.feed("\x1b[<35;11;5M", at)
    assert isinstance(moved, MouseMove)


def test_that_the_terminal_has_lost_the_focus_is_not_lost_behind_a_paste() -> None:
    events = said(f"{START}one{END}\x1b[O")
    assert pasted(events[:1]) == "one"
    assert [type(event) for event in events[1:]] == [AppBlur]


def test_a_paste_without_an_end_is_given_on_and_no_key_is_lost_afterwards() -> None:
    incoming = Incoming()
    assert not incoming.feed(f"{START}never\rended\x1b[20", 0.0)
    assert incoming.patience == UNENDED_S
    assert pasted(incoming.quiet()) == "never\rended\x1b[20"
    (key,) = incoming.feed("x", 9.0)
    assert isinstance(key, Key)


def test_an_endless_paste_comes_in_pieces_of_bounded_size() -> None:
    incoming = Incoming()
    incoming.feed(START, 0.0)
    piece = "y\r" * 500_000
    events: list[Message] = []
    for _ in range(40):
        events += incoming.feed(piece, 0.0)
    assert len(events) == 2
    assert all(
        len(event.text) <= LARGEST + len(piece) for event in events if isinstance(event, Paste)
    )
    assert pasted([*events, *incoming.feed(END, 0.0), *incoming.quiet()]) == piece * 40


@given(st.lists(st.integers(0, 200), max_size=8))
def test_outside_of_pastes_it_is_textuals_own_parser(places: list[int]) -> None:
    text = "ab\x1b[A\x1b[<35;3;4M\x7f\x1b[1;5Cö\x1b[20~\x1b[I\x1bOP\r"
    expected = [(type(event), str(event)) for event in XTermParser().feed(text)]
    assert [(type(event), str(event)) for event in said(*cut(text, places))] == expected


def test_an_escape_alone_is_a_key() -> None:
    incoming = Incoming()
    assert not incoming.feed("\x1b", 0.0)
    assert incoming.patience is not None
    sleep(incoming.patience)  # the parser looks at the clock itself
    (key,) = incoming.quiet()
    assert isinstance(key, Key)
    assert key.key == "escape"
    assert incoming.patience is None
