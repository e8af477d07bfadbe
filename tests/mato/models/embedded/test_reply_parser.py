"""The incremental parser of constrained replies, for any content and any cut."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mato.models.embedded.reply import (
    ArgumentsPiece,
    CallBegun,
    Part,
    ReplyParser,
    StringDecoder,
    TextPiece,
)

texts = st.text(st.characters(codec="utf-8"), max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
arguments = st.dictionaries(texts, values, max_size=4)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in pieces of any size."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in pairwise([0, *places, len(text)])]


def parse(pieces: list[str]) -> tuple[list[Part], ReplyParser]:
    parser = ReplyParser("answer")
    return [part for piece in pieces for part in parser.feed(piece)], parser


@given(st.data(), texts, st.booleans(), st.sampled_from([None, 1]))
def test_an_answer_comes_out_as_it_was_meant(
    data: st.DataObject, text: str, escaped: bool, indent: int | None
) -> None:
    whole = json.dumps(
        {"tool": "answer", "args": {"text": text}}, ensure_ascii=escaped, indent=indent
    )
    parts, parser = parse(data.draw(cut(whole)))
    assert all(isinstance(part, TextPiece) for part in parts)
    assert "".join(part.text for part in parts if isinstance(part, TextPiece)) == text
    assert parser.complete
    assert parser.called == ""


@given(st.data(), texts.filter(lambda name: name != "answer" and name), arguments, st.booleans())
def test_arguments_come_out_exactly_as_generated(
    data: st.DataObject, name: str, given_arguments: dict[str, object], escaped: bool
) -> None:
    raw = json.dumps(given_arguments, ensure_ascii=escaped)
    whole = f'{{"tool": {json.dumps(name, ensure_ascii=escaped)}, "args": {raw}}}'
    parts, parser = parse(data.draw(cut(whole)))
    assert parts[0] == CallBegun(name)
    assert "".join(part.text for part in parts if isinstance(part, ArgumentsPiece)) == raw
    assert parser.complete
    assert parser.called == name


@given(st.data(), texts)
def test_a_cut_answer_is_a_beginning_of_the_whole(data: st.DataObject, text: str) -> None:
    whole = json.dumps({"tool": "answer", "args": {"text": text}})
    end = data.draw(st.integers(0, len(whole) - 3))
    parts, parser = parse(data.draw(cut(whole[:end])))
    assert text.startswith("".join(part.text for part in parts if isinstance(part, TextPiece)))
    assert not parser.complete


@given(st.data(), st.text(st.characters(), max_size=20))
def test_halves_of_surrogate_pairs_become_a_replacement(data: st.DataObject, text: str) -> None:
    inside = json.dumps(text)[1:]
    decoder = StringDecoder()
    decoded = "".join(decoder.feed(piece) for piece in data.draw(cut(inside)))
    assert decoder.closed
    # UTF-16 pairs up neighbouring halves and replaces the lonely ones.
    wanted = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert decoded == wanted


def test_a_piece_is_given_as_soon_as_it_is_known() -> None:
    parser = ReplyParser("answer")
    assert parser.feed('{"tool":"read","args":') == []
    assert parser.feed('{"path') == [CallBegun("read"), ArgumentsPiece('{"path')]
    assert parser.feed('":"a}') == [ArgumentsPiece('":"a}')]
    assert parser.feed('"}} rest') == [ArgumentsPiece('"}')]
    assert parser.feed("more") == []


def test_half_an_emoji_is_held_back() -> None:
    decoder = StringDecoder()
    assert decoder.feed("ok \\ud83d") == "ok "
    assert decoder.feed("\\ude0") == ""
    assert decoder.feed('0"') == "\U0001f600"
