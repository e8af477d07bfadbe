"""The key table of panes says what is true."""

from __future__ import annotations

from itertools import chain
from types import ModuleType

import pytest

from mato_panes.kinds.keys import READING, WRITING, PaneKey
from mato_panes.widgets.transcript import Transcript


def test_no_key_of_a_transcript_does_two_things() -> None:
    keys = list(chain.from_iterable(key.keys for key in READING))
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("key", READING, ids=lambda key: key.title)
def test_every_key_of_a_transcript_has_its_action(key: PaneKey) -> None:
    assert callable(getattr(Transcript, f"action_{key.action.partition('(')[0]}"))


@pytest.mark.parametrize("key", chain.from_iterable(one.keys for one in (*READING, *WRITING)))
async def test_every_key_can_be_pressed_in_any_pane(chat: ModuleType, key: str) -> None:
    scene = chat.Scene()
    scene.rich()
    for start in (scene, chat.Scene()):
        app = chat.Panes(start)
        async with app.run_test(size=(80, 24)) as pilot:
            app.pane.focus_transcript()
            await pilot.press(key, key)
            app.pane.focus_composer()
            await pilot.press(key)
            assert app.is_running
