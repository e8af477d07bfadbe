"""Keys that come in one write take effect in their order, wherever they are typed."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.widgets import Input

from mato.protocol.methods import Prompt
from mato_panes.app import MatoApp
from mato_panes.testing import FakeDaemon
from tests.panes.frame.test_workspace import WIDE, until

WRITES = [
    ("abc\x7fx", "abx"),
    ("abc\x1b[D\x1b[Dx", "axbc"),  # left, left
    ("abc\x15x", "x"),  # ctrl+u
    ("one two\x17x", "one x"),  # ctrl+w
    ("abc\x1b[Hx\x1b[Fy", "xabcy"),  # home, end
    ("abc\x1b[D\x1b[3~x", "abx"),  # left, delete
    ("\x7f".join("abcdefghij") + "\x7fx", "x"),
]


def write(app: App[Any], data: str) -> None:
    """As a terminal hands it over: all keys at once."""
    for event in XTermParser().feed(data):
        assert isinstance(event, events.Key)
        app.post_message(event)


async def test_what_is_typed_into_a_composer_keeps_its_order(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        for data, _ in WRITES:
            write(app, data + "\r")
        await until(pilot, lambda: len(daemon.requests(Prompt)) == len(WRITES))
        assert [each.text for each in daemon.requests(Prompt)] == [text for _, text in WRITES]


@pytest.mark.parametrize("opening", ["\x02$", "\x02w", "\t/"])
async def test_what_is_typed_into_a_dialog_or_a_search_keeps_its_order(
    app: MatoApp, opening: str
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        write(app, opening)
        await until(pilot, lambda: isinstance(app.screen.focused, Input))
        line = app.screen.focused
        assert isinstance(line, Input)
        for data, text in WRITES:
            write(app, "\x1b[F\x15" + data)
            await until(pilot, lambda text=text: line.value == text)


async def test_keys_after_one_that_moves_the_focus_go_where_it_went(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        write(app, "ab\tjki!")  # to the transcript, down, up, back, a letter
        pane = app.workspace.focused_pane
        assert pane is not None
        await until(pilot, lambda: pane.composer.draft.text == "ab!")


def button(app: MatoApp, kind: type[events.MouseEvent], x: int, y: int) -> None:
    """As a terminal tells of a button of the mouse."""
    app.post_message(kind(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y))


async def test_a_click_between_keys_parts_them(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        drafts = {pane.pane_id: pane.composer.draft for pane in app.workspace.chats()}
        # At the right: a click there puts the cursor behind the text.
        places = {pane: draft.region.bottom_right for pane, draft in drafts.items()}
        await until(pilot, lambda: drafts["p1"].has_focus)
        for _ in range(5):
            for pane in ("p2", "p3", "p1"):
                write(app, "ab\x1b[Dx\x7fy\x1b[C")
                x, y = places[pane]
                button(app, events.MouseDown, x - 2, y - 1)
                button(app, events.MouseUp, x - 2, y - 1)
        await until(pilot, lambda: {draft.text for draft in drafts.values()} == {"ayb" * 5})


async def test_keys_behind_one_that_leaves_a_dialog_are_not_lost(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        pane = app.workspace.focused_pane
        assert pane is not None
        for opening in ("$", "%", "?", "M", "w", "i", "x", ":", "t"):
            write(app, f"\x02{opening}")
            await until(pilot, lambda: app.screen is not app.workspace)
            app.post_message(events.Key("escape", "\x1b"))
            write(app, "hey\x7f!")
            await until(pilot, lambda: pane.composer.draft.text == "he!")
            write(app, "\x15")
            await until(pilot, lambda: not pane.composer.draft.text)


async def test_a_key_that_is_held_lags_nobody(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        pane = app.workspace.focused_pane
        assert pane is not None
        pane.composer.draft.load_text("x" * 3_000)
        started = monotonic()
        write(app, "\x1b[C" * 300 + "!")  # ten seconds of a key that repeats
        await until(pilot, lambda: "!" in pane.composer.draft.text)
        assert pane.composer.draft.text.index("!") == 300
        assert monotonic() - started < 10.0
