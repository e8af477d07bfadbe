"""Keys that come in one write take effect in their order, wherever they are typed."""

from __future__ import annotations

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
