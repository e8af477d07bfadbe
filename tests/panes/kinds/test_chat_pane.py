"""A chat pane whole: its parts together, focus, and how it looks at two sizes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from mato_panes.messages import PaneFocused
from mato_themes.catalog import builtin_palettes
from mato_themes.textual import to_theme


@pytest.mark.parametrize(
    ("size", "count", "theme", "keys"),
    [
        ((80, 24), 2, "kaamos", ()),
        ((160, 50), 1, "kaamos", ("tab", "tab", "g")),
        ((160, 50), 2, "kaamos", ()),
        ((80, 24), 1, "usva", ()),
    ],
    ids=["80x24", "160x50 from the top", "160x50 two panes", "80x24 light"],
)
def test_a_rich_transcript_looks_as_it_did(
    chat: ModuleType, snap_compare: Any, size: Any, count: int, theme: str, keys: Any
) -> None:
    scene = chat.Scene()
    scene.rich()
    app = chat.Panes(scene, count, theme)
    assert snap_compare(app, terminal_size=size, press=keys)


async def test_two_panes_of_one_agent_show_the_same(chat: ModuleType) -> None:
    scene = chat.Scene()
    app = chat.Panes(scene, 2)
    async with app.run_test(size=(160, 24)) as pilot:
        scene.prompt("for both", "t-1")
        app.sync()
        scene.live("r1", "answer")
        app.sync()
        await pilot.pause()
        for pane in app.panes:
            rows = [s.text for s in pane.transcript.render_lines(pane.transcript.size.region)]
            assert any("for both" in row for row in rows)
            assert any("answer" in row for row in rows)


async def test_the_pane_that_gets_the_focus_says_so(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene(), 2)
    async with app.run_test(size=(160, 24)) as pilot:
        await pilot.pause()
        app.sent.clear()
        app.panes[1].focus_composer()
        await pilot.pause()
        assert [message.pane for message in app.sent_of(PaneFocused)] == ["p-1"]


async def test_the_title_is_safe_to_show(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)):
        app.pane.sync(chat.agent(name="evil\x1b[31m\nname"))
        assert app.pane.title == "evil␛[31m name"


async def test_a_pane_that_is_closed_leaves_nothing_behind(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene(), 2)
    async with app.run_test(size=(160, 24)) as pilot:
        reader = app.panes[1]._reader
        await app.panes[1].remove()
        app.scene.prompt("go", "t-1")
        app.pane.sync(app.pane.agent)
        assert reader.take() == []
        await pilot.pause()


async def test_another_theme_repaints_the_transcript(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.rich()
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        transcript = app.pane.transcript
        dark = next(iter(transcript.render_lines(transcript.size.region)[0])).style
        app.register_theme(to_theme(builtin_palettes()["usva"]))
        app.theme = "usva"
        await pilot.pause()
        light = next(iter(transcript.render_lines(transcript.size.region)[0])).style
        assert dark.bgcolor != light.bgcolor
