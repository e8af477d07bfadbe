"""Names of sessions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato_sessions.naming import name_from_task


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("Fix the login bug", "fix-the-login-bug"),
        ("  Don't  break:  it!\nsecond line", "dont-break-it-second-line"),
        ("Überprüfe die Größe", "uberprufe-die-grosse"),
        ("ログインを直す", "session"),
        ("", "session"),
        ("x" * 50, "x" * 32),
        ("a very long task that goes on and on", "a-very-long-task-that-goes-on"),
        ("\x1b[31mred\x07", "31mred"),
    ],
)
def test_a_task_becomes_a_name(task: str, name: str) -> None:
    assert name_from_task(task) == name


@given(task=st.text(), taken=st.integers(0, 12))
def test_names_are_short_plain_and_not_taken(task: str, taken: int) -> None:
    names: set[str] = set()
    for _ in range(taken + 1):
        name = name_from_task(task, names)
        assert name not in names
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert len(name) <= 32
        names.add(name)
