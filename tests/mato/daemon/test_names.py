"""Names: found whole or by a beginning of the id; unknown ones get the nearest."""

from __future__ import annotations

import pytest

from mato.daemon import names
from mato_sessions.errors import UnknownName, UsageError

SESSIONS = {"s-01-aaaa": "fix-login", "s-01-bbbb": "write-docs", "s-02-cccc": "s-01-aaaa-copy"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("fix-login", "s-01-aaaa"),
        ("s-01-bbbb", "s-01-bbbb"),
        ("s-02", "s-02-cccc"),
        ("s-01-aaaa", "s-01-aaaa"),
        ("s-01-aaaa-copy", "s-02-cccc"),
    ],
)
def test_a_session_is_found_by_id_beginning_or_name(query: str, found: str) -> None:
    assert names.find("session", query, SESSIONS) == found


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("fix-logn", "did you mean 'fix-login'"),
        ("WRITE-DOCS", "did you mean 'write-docs'"),
        ("zzz", "there are 'fix-login'"),
        ("s-01", "means several sessions: s-01-aaaa, s-01-bbbb"),
        ("", "no session ''"),
    ],
)
def test_an_unknown_name_gets_the_nearest(query: str, said: str) -> None:
    with pytest.raises(UnknownName, match="session") as caught:
        names.find("session", query, SESSIONS)
    assert said in str(caught.value)


def test_where_nothing_is_nothing_is_offered() -> None:
    with pytest.raises(UnknownName, match="there is no agent yet"):
        names.find("agent", "x", {})


@pytest.mark.parametrize(
    "name",
    ["", "  ", " a", "a" * 121, "a\x1b[2J", "a\nb", "a:b", "\x9b", "t", "s-01m87sk8t1-dpt7rf9w"],
)
def test_names_that_could_not_be_typed_back_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        names.check("session", name, taken=["t"])


@pytest.mark.parametrize("name", ["fix login", "日本語", "\u202egnp", "a" * 120, "-x"])
def test_odd_names_are_kept_as_given(name: str) -> None:
    assert names.check("session", name) == name


def test_a_taken_name_gets_a_number() -> None:
    assert names.number("coder", []) == "coder"
    assert names.number("coder", ["coder", "coder-2"]) == "coder-3"
