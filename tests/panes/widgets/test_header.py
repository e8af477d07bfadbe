"""The header line of a pane: what it says, and what goes first when there is less room."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from mato_panes.rendering.line import cells, plain
from mato_panes.widgets.header import header_line
from mato_panes.widgets.states import GLYPHS

NOW = 75_000_000


def shown(agent: Any, width: int) -> str:
    return plain(header_line(agent, width, NOW, active=False))


def test_a_wide_header_says_everything(chat: ModuleType) -> None:
    text = shown(chat.agent(), 120)
    for part in (
        "● working",
        "coder",
        "qwen2.5-coder-0.5b (embedded)",
        "1:14",
        "13.6k tok",
        "$0.03",
    ):
        assert part in text


def test_state_and_name_are_the_last_to_go(chat: ModuleType) -> None:
    agent = chat.agent()
    parts = ["(embedded)", "qwen", "$0.03", "tok", "1:14", "working", "coder"]
    gone: list[str] = []
    for width in range(120, 4, -1):
        text = shown(agent, width)
        for part in parts:
            if part not in text and part not in gone:
                gone.append(part)
    assert gone == parts
    assert shown(agent, 10).startswith(" ● ")


@pytest.mark.parametrize("width", range(1, 130, 3))
def test_a_header_never_is_wider_than_the_pane(chat: ModuleType, width: int) -> None:
    agent = chat.agent(name="a very long name of an agent 漢字", model="m" * 80)
    assert cells(header_line(agent, width, NOW, active=True)) <= width


@pytest.mark.parametrize("state", GLYPHS)
def test_every_state_has_a_glyph_and_a_word(chat: ModuleType, state: Any) -> None:
    text = shown(chat.agent(state=state), 80)
    assert f"{GLYPHS[state]} {state}" in text


def test_a_blocked_agent_shows_how_long_it_has_waited(chat: ModuleType) -> None:
    assert "0:15" in shown(chat.agent(state="blocked", since_us=60_000_000), 80)
    assert "1:1" not in shown(chat.agent(state="idle"), 80)


def test_an_unknown_price_is_never_shown_as_free(chat: ModuleType) -> None:
    assert "$" not in shown(chat.agent(cost_usd=0.0, unpriced=3), 120)
    assert "≥$0.03" in shown(chat.agent(unpriced=1), 120)
    assert "$0.00" in shown(chat.agent(cost_usd=0.0), 120)


def test_figures_stand_still_while_they_grow(chat: ModuleType) -> None:
    before = shown(chat.agent(input=900, output=50), 100)
    after = shown(chat.agent(input=90_000, output=50), 100)
    assert before.index("0.5b") == after.index("0.5b")
    assert before.index("tok") == after.index("tok")


def test_hostile_names_are_harmless(chat: ModuleType, hostile_texts: tuple[Any, ...]) -> None:
    for hostile in hostile_texts:
        agent = chat.agent(name=hostile.text, model=hostile.text, model_source=hostile.text)
        text = shown(agent, 100)
        assert not [c for c in text if ord(c) < 32 or 0x7F <= ord(c) < 0xA0], hostile.name
