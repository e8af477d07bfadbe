"""A file is a room: it says what happens in it, and it does not grow into a hall."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(
    path
    for wing in ("mato", "sessions", "panes", "themes")
    for path in (ROOT / wing).rglob("*.py")
    if "sample" not in path.parts
)


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_says_what_it_is_for_and_has_at_most_350_lines(room: Path) -> None:
    text = room.read_text()
    assert ast.get_docstring(ast.parse(text)), "the first docstring line says what happens here"
    assert len(text.splitlines()) <= 350


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_is_called_after_nothing(room: Path) -> None:
    assert room.stem not in {"utils", "helpers", "common", "misc", "manager", "types"}
