"""Keys typed ahead of a dialog reach it in their order, and never what lies behind it."""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

from mato.protocol.methods import Answer, Prompt, RenameSession, Spawn
from mato_panes.app import MatoApp
from mato_panes.screens.inbox import Inbox
from mato_panes.testing import FakeDaemon
from tests.panes.frame.test_workspace import WIDE, ripe, until

NAMED = {"ctrl+b": "\x02", "enter": "\r", "ctrl+u": "\x15", "backspace": "\x7f"}


def at_once(app: MatoApp, *keys: str) -> None:
    """Type without waiting for anything, as fingers that know the keys do."""
    for key in keys:
        app.post_message(events.Key(key, NAMED.get(key, key)))


async def test_a_name_typed_ahead_is_the_name_that_is_given(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        at_once(app, "ctrl+b", "$", "ctrl+u", *"pears", "enter", *"hi")
        await until(pilot, lambda: daemon.requests(RenameSession))
        assert daemon.requests(RenameSession)[0].name == "pears"
        await until(pilot, lambda: [a.text for a in app.query(TextArea) if a.text] == ["hi"])
        assert daemon.requests(Prompt) == []


async def test_a_choice_typed_ahead_is_made_although_the_choices_are_asked_of_the_daemon(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        at_once(app, "ctrl+b", "%", *"new rev", "enter")
        await until(pilot, lambda: daemon.requests(Spawn))
        assert daemon.requests(Spawn)[0].agent.profile == "reviewer"
        assert not [a.text for a in app.query(TextArea) if a.text]


async def test_no_call_is_decided_by_a_key_typed_before_the_inbox_was_there(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        at_once(app, "ctrl+b", "i", "a", "d")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        await pilot.pause()
        assert daemon.requests(Answer) == []
        await ripe(pilot, app)
        await pilot.press("d")
        await until(pilot, lambda: daemon.requests(Answer))


async def test_backspace_and_the_letter_after_it_never_change_places(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        at_once(app, "a", *(key for letter in "bcdefghijk" for key in ("backspace", letter)))
        await until(pilot, lambda: [a.text for a in app.query(TextArea) if a.text] == ["k"])
