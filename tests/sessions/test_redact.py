"""No value that Mato holds gets through, however it is spelled or cut."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mato_sessions import codec
from mato_sessions.events import ModelAnswered, PlanUpdated, SessionRenamed, ToolProposed, Unknown
from mato_sessions.events.model import Call
from mato_sessions.events.tool import PlanItem
from mato_sessions.redact import REPLACEMENT, Redactor

KEY = "sk-live-0123456789"


def _holding(*values: str) -> Redactor:
    redactor = Redactor()
    for value in values:
        redactor.hold(value)
    return redactor


# Brackets are left out: text around a replacement may form a new value only with its brackets.
LETTERS = st.sampled_from('ab"\\\nü')
VALUES = st.lists(st.text(LETTERS, min_size=8, max_size=11), min_size=1, max_size=3)


@st.composite
def leaks(draw: st.DrawFn) -> tuple[list[str], str]:
    """Held values, and a text that is likely to hold them, whole, in part and overlapping."""
    values = draw(VALUES)
    escaped = [json.dumps(value)[1:-1] for value in values]
    parts = st.sampled_from([*values, *escaped]) | st.text(LETTERS, max_size=5)
    cut = st.builds(lambda part, n: part[:n], parts, st.integers(0, 12))
    return values, "".join(draw(st.lists(parts | cut, max_size=8)))


@given(leak=leaks())
def test_no_held_value_stays_in_a_text(leak: tuple[list[str], str]) -> None:
    values, text = leak
    out = _holding(*values).text(text)
    for value in values:
        assert value not in out
        assert json.dumps(value)[1:-1] not in out


@given(leak=leaks(), data=st.data())
def test_a_stream_gives_the_same_however_it_is_cut(
    leak: tuple[list[str], str], data: st.DataObject
) -> None:
    values, text = leak
    redactor = _holding(*values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    stream = redactor.stream()
    out = ""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        out += stream.feed(text[start:end])
        for value in values:
            assert value not in out
    out += stream.flush()
    assert out == redactor.text(text)
    assert stream.flush() == ""


@given(text=st.text(), cuts=st.integers(1, 5))
def test_other_text_passes_as_it_is(text: str, cuts: int) -> None:
    redactor = _holding(KEY)
    stream = redactor.stream()
    pieces = [text[at : at + cuts] for at in range(0, len(text), cuts)]
    assert "".join(stream.feed(piece) for piece in pieces) + stream.flush() == text
    assert redactor.text(text) is text


@given(data=st.binary())
def test_other_bytes_pass_as_they_are(data: bytes) -> None:
    assert _holding(KEY).data(data) == data


def test_text_that_cannot_begin_a_value_is_not_held_back() -> None:
    stream = _holding(KEY).stream()
    assert stream.feed("hello sk") == "hello "
    assert stream.feed("y") == "sky"
    assert stream.feed(KEY[:5]) == ""
    assert stream.feed(KEY[5:] + "!") == REPLACEMENT + "!"


def test_with_nothing_held_nothing_waits() -> None:
    stream = Redactor().stream()
    assert stream.feed(KEY) == KEY
    assert stream.flush() == ""
    assert Redactor().body(SessionRenamed(name=KEY)) == (SessionRenamed(name=KEY), False)


def test_a_value_held_while_a_stream_is_open_counts_from_then_on() -> None:
    redactor = Redactor()
    stream = redactor.stream()
    assert stream.feed("a ") == "a "
    redactor.hold(KEY)
    assert stream.feed(f"b {KEY} c") + stream.flush() == f"b {REPLACEMENT} c"


def test_short_values_and_the_replacement_itself_are_not_held() -> None:
    redactor = _holding("secret", "redacted")
    assert redactor.forms == ()
    assert redactor.text("secret [redacted]") == "secret [redacted]"


def test_overlapping_values_go_together() -> None:
    assert _holding("abcdefgh", "efghijkl").text("<abcdefghijkl>") == f"<{REPLACEMENT}>"


def test_a_body_loses_values_wherever_they_stand() -> None:
    redactor = _holding(KEY, 'with"quote and more', "1234567890")
    arguments: dict[str, Any] = {
        "plain": f"a {KEY} b",
        f"key {KEY}": [1, {"deep": (f"{KEY}", "x")}],
        "number": 1234567890,
        "other": [1, 2.5, None, True],
        "json": json.dumps({"inner": 'with"quote and more'}),
    }
    body = ToolProposed(
        call="c", name="n", arguments=arguments, key="k", policy="ask", title=f"$ {KEY}"
    )
    clean, found = redactor.body(body)
    assert found
    assert isinstance(clean, ToolProposed)
    data = codec.encode(clean)
    for form in redactor.forms:
        assert form.encode() not in data
    assert clean.arguments["other"] == [1, 2.5, None, True]
    assert clean.arguments["number"] == REPLACEMENT
    assert clean.call == "c"


def test_structs_in_a_body_are_walked_too() -> None:
    redactor = _holding(KEY)
    answered = ModelAnswered(
        request="r",
        attempt=1,
        calls=(Call("c", "shell", "fine"), Call("d", "shell", KEY)),
        finish="stop",
        first_us=1,
        latency_us=2,
    )
    clean, found = redactor.body(answered)
    assert found
    assert isinstance(clean, ModelAnswered)
    assert clean.calls == (
        Call("c", "shell", "fine"),
        Call("d", "shell", REPLACEMENT, redacted=True),
    )


def test_a_body_without_values_is_the_same_object() -> None:
    redactor = _holding(KEY)
    for body in (
        PlanUpdated(items=(PlanItem("a", "pending"),)),
        ToolProposed(
            call="c", name="n", arguments={"a": [1, {"b": 2}]}, key="k", policy="ask", title=""
        ),
        Unknown(raw=msgspec.Raw(b'{"a":"\xff"}')),
    ):
        clean, found = redactor.body(body)
        assert clean is body
        assert not found


def test_an_unknown_body_loses_values_in_its_bytes() -> None:
    clean, found = _holding(KEY).body(Unknown(raw=msgspec.Raw(b'{"a":"' + KEY.encode() + b'"}')))
    assert found
    assert codec.encode(clean) == b'{"a":"[redacted]"}'


def test_bytes_lose_values_even_between_bytes_that_are_no_text() -> None:
    data = b"\xff\x00" + KEY.encode() + b"\xfe"
    assert _holding(KEY).data(data) == b"\xff\x00[redacted]\xfe"
