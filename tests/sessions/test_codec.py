"""Bodies and events as bytes, and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato_sessions import chain, codec
from mato_sessions.errors import JournalError
from mato_sessions.events import (
    KINDS,
    Body,
    Event,
    ModelFailed,
    Purged,
    SessionRenamed,
    TextStreamed,
    ToolProposed,
    Unknown,
)
from tests.sessions import golden_events
from tests.sessions.happenings import chained, stories

ANY_TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def _proposed(arguments: Any) -> ToolProposed:
    return ToolProposed(call="c", name="n", arguments=arguments, key="k", policy="ask", title="t")


def test_bytes_and_hashes_are_those_of_the_golden_file() -> None:
    assert golden_events.rendered() == json.loads(golden_events.GOLDEN.read_text())


def test_the_golden_file_has_every_kind() -> None:
    assert {event.kind for event in golden_events.events()} >= set(KINDS)


def test_golden_events_come_back_from_lines_and_from_the_socket() -> None:
    for event in golden_events.events():
        read = codec.from_json_line(codec.to_json_line(event))
        assert codec.encode(read.body) == codec.encode(event.body)
        assert read.hash == event.hash
        assert codec.Envelope.of(read) == codec.Envelope.of(event)
        assert codec.unpack(codec.pack(event)) == read
        assert chain.link(chain.genesis("x"), codec.Envelope.of(read).encode(), b"") == chain.link(
            chain.genesis("x"), codec.Envelope.of(event).encode(), b""
        )


@given(arguments=st.dictionaries(ANY_TEXT, JSON, max_size=4), text=ANY_TEXT)
def test_encoding_is_total_and_stable(arguments: dict[str, Any], text: str) -> None:
    for body in (_proposed(arguments), SessionRenamed(name=text)):
        read, data = codec.canonical(body)
        assert codec.encode(read) == data
        again = codec.decode(body.kind, body.version, data)
        assert type(again) is type(body)
        assert codec.encode(again) == data
        assert codec.canonical(read) == (read, data)


@given(text=ANY_TEXT)
def test_text_is_kept_but_for_surrogates_one_for_one(text: str) -> None:
    body, _ = codec.canonical(TextStreamed(stream="s", attempt=1, offset=0, text=text))
    assert isinstance(body, TextStreamed)
    expected = "".join("\ufffd" if 0xD800 <= ord(char) < 0xE000 else char for char in text)
    assert body.text == expected


@given(kind=st.sampled_from(sorted(KINDS)) | st.text(), version=st.integers(), data=st.binary())
def test_what_cannot_be_decoded_is_kept_byte_for_byte(kind: str, version: int, data: bytes) -> None:
    assert codec.encode(codec.decode(kind, version, data)) == data


@pytest.mark.parametrize(
    ("kind", "version", "data"),
    [
        ("session.moved", 1, b'{"name":"x"}'),
        ("session.renamed", 2, b'{"name":"x"}'),
        ("session.renamed", 1, b'{"name":1}'),
        ("session.renamed", 1, b'{"name":"x","place":"a field of a newer Mato"}'),
        ("session.renamed", 1, b'{ "name": "x" }'),
        ("session.renamed", 1, b"\xff"),
    ],
)
def test_unknown_kinds_versions_and_fields_are_unknown(
    kind: str, version: int, data: bytes
) -> None:
    body = codec.decode(kind, version, data)
    assert isinstance(body, Unknown)
    assert bytes(body.raw) == data


def test_numbers_take_the_type_of_their_field() -> None:
    body, data = codec.canonical(
        ModelFailed(request="r", attempt=1, fault="server", message="", retry_in_s=2)
    )
    assert isinstance(body, ModelFailed)
    assert isinstance(body.retry_in_s, float)
    assert b'"retry_in_s":2.0' in data


class _Foreign(Body, frozen=True, kw_only=True):
    kind = "session.renamed"  # type: ignore[misc]


_DEEP: dict[str, Any] = {}
_DEEP["again"] = _DEEP


@pytest.mark.parametrize(
    "body",
    [
        SessionRenamed(name=7),  # type: ignore[arg-type]
        SessionRenamed(name=object()),  # type: ignore[arg-type]
        _proposed(_DEEP),
        _Foreign(),
        Unknown(raw=msgspec.Raw(b"{}")),
    ],
)
def test_a_body_that_is_not_of_the_vocabulary_is_refused(body: Body) -> None:
    with pytest.raises(JournalError, match="cannot journal"):
        codec.canonical(body)


def test_a_body_that_is_not_json_survives_a_line() -> None:
    for data in (b"\xff\x00", b"{ \n }", b""):
        body = codec.decode("future.thing", 1, data)
        [event] = chained([(None, None, body)])
        line = codec.to_json_line(event)
        assert b"\n" not in line
        json.loads(line)
        assert codec.encode(codec.from_json_line(line).body) == data


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"position":1}', b"\xff"])
def test_something_else_is_not_a_line_nor_packed(line: bytes) -> None:
    with pytest.raises(JournalError, match="not a line of a journal"):
        codec.from_json_line(line)
    with pytest.raises(JournalError, match="not a packed event"):
        codec.unpack(line)


def test_a_line_with_a_broken_hash_is_refused() -> None:
    [event] = chained([(None, None, SessionRenamed(name="x"))])
    line = json.loads(codec.to_json_line(event))
    line["hash"] = "xyz"
    with pytest.raises(JournalError, match="not a line"):
        codec.from_json_line(json.dumps(line).encode())


@given(story=stories())
def test_packed_events_come_back_the_same(story: list[Any]) -> None:
    for event in story:
        if isinstance(event, Event):
            assert codec.unpack(codec.pack(event)) == event
            assert codec.from_json_line(codec.to_json_line(event)) == event


def test_a_purged_body_travels_and_its_chain_still_verifies() -> None:
    whole = chained([(None, None, SessionRenamed(name=name)) for name in "abc"])
    digest = chain.digest(codec.encode(whole[1].body))
    purged = msgspec.structs.replace(whole[1], body=Purged(sha256=digest.hex()))
    assert chain.verify([whole[0], purged, whole[2]]) is None
    assert codec.unpack(codec.pack(purged)) == purged
    line = codec.to_json_line(purged)
    assert codec.from_json_line(line) == purged
    assert json.loads(line)["body"] is None
    assert json.loads(line)["purged"] == digest.hex()
    other = msgspec.structs.replace(purged, body=Purged(sha256="0" * 64))
    assert chain.verify([whole[0], other, whole[2]]) is not None
    with pytest.raises(JournalError):
        codec.canonical(purged.body)
