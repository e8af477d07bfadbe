"""The workspace on an older daemon: a calm word in the status bar, and a restart for one key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from mato.protocol.methods import Arrange, Looked, Prompt, Shutdown
from mato.protocol.version import OLDEST, PROTOCOL
from mato_panes.app import MatoApp
from mato_panes.screens.confirm import Confirm
from mato_panes.testing import FakeDaemon
from mato_panes.widgets.statusbar import StatusBar

WIDE = (160, 40)


async def until(pilot: Pilot[Any], holds: Callable[[], object]) -> None:
    """Let the app work until something holds; fails when it never does."""
    for _ in range(600):
        await pilot.pause(0.005)
        if holds():
            return
    raise AssertionError("it never came to be")


def bar(app: MatoApp) -> str:
    return app.workspace.query_one(StatusBar).render_line(0).text


@pytest.fixture
def daemon() -> FakeDaemon:
    """One that is older; an agent whose last turn nobody has seen."""
    it = FakeDaemon()
    it.protocol = OLDEST
    it.open_session("here", "fix the parser")
    it.spawn("here", "coder", state="done")
    it.spawn("here", "tester")
    return it


async def restart_key(pilot: Pilot[Any]) -> None:
    await pilot.press("ctrl+b", "R")
    await pilot.pause()


async def test_it_is_said_calmly_and_the_restart_is_offered(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "read-only: an older daemon, ctrl+b R restarts it" in bar(app))
        daemon.state("here", "tester", "working")
        await until(pilot, lambda: "to be restarted when all are idle" in bar(app))
        assert "ctrl+b R" not in bar(app)


async def test_in_a_narrow_terminal_the_reason_goes_before_the_key(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=(60, 20)) as pilot:
        await until(pilot, lambda: "read-only: an older daemon" in bar(app))
        assert len(bar(app)) == 60


async def test_what_is_sent_by_itself_is_kept_back_in_silence(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "read-only" in bar(app))
        await pilot.press("ctrl+b", "c")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: daemon.requests(Arrange))
        await pilot.pause(0.05)
        assert not daemon.requests(Looked)
        assert "so this is read-only" not in bar(app)
        assert app.workspace.agents["coder"].state == "done"


async def test_a_prompt_is_refused_with_the_reason_and_given_back(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    daemon.arrange("here", *app.workspace.desk.windows)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "read-only" in bar(app))
        app.open_window("coder")
        await until(pilot, lambda: app.workspace.chats())
        await pilot.press("h", "i", "enter")
        await until(pilot, lambda: daemon.requests(Prompt))
        await until(pilot, lambda: "protocol 1), so this is read-only" in bar(app))
        (pane,) = app.workspace.chats()
        await until(pilot, lambda: pane.composer.draft.text == "hi")


async def test_while_agents_work_it_is_not_restarted(app: MatoApp, daemon: FakeDaemon) -> None:
    daemon.state("here", "tester", "working")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "when all are idle" in bar(app))
        await restart_key(pilot)
        await until(pilot, lambda: "not yet: tester at work" in bar(app))
        assert not daemon.requests(Shutdown)


@pytest.mark.parametrize("answer", ["y", "n"])
async def test_a_confirmed_restart_leaves_the_same_place_and_a_newer_daemon(
    app: MatoApp, daemon: FakeDaemon, answer: str
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "ctrl+b R restarts it" in bar(app))
        await restart_key(pilot)
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press(answer)
        await until(pilot, lambda: app.screen is app.workspace)
        if answer == "n":
            assert not daemon.requests(Shutdown)
            return
        await until(pilot, lambda: "disconnected, the daemon restarts" in bar(app))
        assert daemon.requests(Shutdown) == [Shutdown(restart=True)]
        daemon.protocol = PROTOCOL
        daemon.come_back()
        await until(pilot, lambda: "disconnected" not in bar(app))
        assert "read-only" not in bar(app)
        assert app.reading.store.session == "here"
        app.open_window("coder")
        await until(pilot, lambda: daemon.requests(Looked))


async def test_a_daemon_of_this_mato_can_be_restarted_while_agents_work(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    daemon.protocol = PROTOCOL
    daemon.state("here", "tester", "working")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "fix the parser" in bar(app))
        assert "read-only" not in bar(app)
        await restart_key(pilot)
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: daemon.requests(Shutdown))
