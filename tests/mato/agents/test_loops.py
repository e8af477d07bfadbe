"""What counts as the same call that failed the same way."""

from __future__ import annotations

from typing import Any

import pytest

from mato.agents.native import loops
from mato_sessions.events import ToolFailed, ToolFinished, ToolProposed


def _mark(
    arguments: dict[str, Any], message: str = "no", code: int | None = 1, name: str = "shell"
) -> str:
    proposed = ToolProposed(
        call="c", name=name, title=name, arguments=arguments, key="k", policy="ask"
    )
    end = (
        ToolFailed(call="c", attempt=1, message=message)
        if code is None
        else ToolFinished(call="c", attempt=1, content=message, summary="", exit_code=code)
    )
    return loops.failure(proposed, end)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (({"command": "make  test"},), ({"command": " make test\n"},)),
        (({"path": "a", "limit": 3},), ({"limit": 3, "path": "a"},)),
        (({"edits": [{"old": "a b"}]},), ({"edits": [{"old": "a\tb "}]},)),
        (({}, "1 failed in 0.12s"), ({}, "1 failed in 12.3s\n")),
        (({}, "12:00:01 no such host"), ({}, "12:00:09,113 no such host")),
        (({}, "<Thing at 0x7f3a10>"), ({}, "<Thing at 0x7fbb20>")),
        (({}, "took 31 ms", None), ({}, "took 2 ms", None)),
    ],
)
def test_white_space_the_order_of_arguments_and_times_make_no_difference(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    assert _mark(*one) == _mark(*other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (({"command": "make test"},), ({"command": "maketest"},)),
        (({"limit": 3},), ({"limit": 4},)),
        (({}, "5 failed in 0.1s"), ({}, "4 failed in 0.1s")),
        (({}, "no", 1), ({}, "no", 2)),
        (({}, "no", 1), ({}, "no", None)),
        (({}, "no", 1, "shell"), ({}, "no", 1, "read")),
        (({"a": ["b", "c"]},), ({"a": ["c", "b"]},)),
    ],
)
def test_anything_else_does(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert _mark(*one) != _mark(*other)


def test_what_worked_or_was_cancelled_makes_no_loop() -> None:
    assert _mark({}, "fine", 0) == ""
    proposed = ToolProposed(call="c", name="x", title="x", arguments={}, key="k", policy="ask")
    assert (
        loops.failure(proposed, ToolFailed(call="c", attempt=1, message="", cause="cancelled"))
        == ""
    )
