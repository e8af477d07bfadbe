"""The frame agrees with itself, says where help is, and goes without a fault."""

from __future__ import annotations

import asyncio
import re

import pytest
from textual.widget import Widget
from textual.widgets import Input

from mato_panes.app import MatoApp
from mato_panes.rendering.line import cells, plain
from mato_panes.screens.inbox import Inbox
from mato_panes.screens.picker import Picker
from mato_panes.screens.workspace import Workspace
from mato_panes.testing import FakeDaemon
from mato_panes.widgets.listing import Listing
from mato_panes.widgets.sidebar import WIDTH, Around, rows_of
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.events import AgentStateChanged, TurnEnded, TurnPrompted
from mato_sessions.events.session import PaneNode, WindowNode
from mato_sessions.events.turn import TextBlock
from mato_sessions.pieces import Piece
from tests.panes.frame.conftest import MakeApp
from tests.panes.frame.test_workspace import WIDE, bar, prefix, screen_text, until


async def test_the_bar_says_where_help_is_while_it_has_room(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "ctrl+b ? help" in bar(app))
        app.workspace.say("a sentence " * 12)
        await until(pilot, lambda: "a sentence" in bar(app))
        assert "help" not in bar(app)
        await pilot.resize_terminal(60, 20)
        app.workspace.say("")
        await until(pilot, lambda: "2 wait" in bar(app))
        assert "help" not in bar(app)


async def test_an_empty_window_names_the_keys_that_are_in_force(
    make_app: MakeApp, daemon: FakeDaemon
) -> None:
    app = make_app(daemon, "night")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "ctrl+b c opens an agent; ctrl+b ? is help" in screen_text(app))


def times(app: MatoApp) -> list[str]:
    """The running times of the coder: in its header, and in the sidebar."""
    return re.findall(r"working .*?(\d+:\d\d)", screen_text(app))


async def test_sidebar_and_header_show_the_same_time(daemon: FakeDaemon, make_app: MakeApp) -> None:
    daemon.arrange("here", WindowNode("w1", "main", PaneNode("p1", "coder")))
    # Its second turn: it has been working for longer than this turn.
    daemon.clock.advance(5_000_000)
    ended = TurnEnded(reason="end_turn")
    prompt = TurnPrompted(blocks=(TextBlock("And now the docs."),))
    daemon.emit("here", ended, agent="coder", turn="turn-coder")
    daemon.emit("here", prompt, agent="coder", turn="turn-2")
    state = AgentStateChanged(state="working", evidence="prompted")
    daemon.emit("here", state, agent="coder", turn="turn-2")
    app = make_app(daemon)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(times(app)) == 2)
        for step in range(12):
            daemon.clock.advance(370_000)
            frames = app.workspace.frames
            daemon.stream(
                Piece(
                    kind="text",
                    session="here",
                    agent="coder",
                    turn="turn-2",
                    stream="coder/2/text",
                    attempt=1,
                    offset=step,
                    text="x",
                )
            )
            await until(pilot, lambda frames=frames: app.workspace.frames > frames)
            await pilot.pause()
            assert len(set(times(app))) == 1, times(app)
        await until(pilot, lambda: times(app) == ["0:04", "0:04"])


def test_the_sidebar_keeps_names_apart_that_end_differently() -> None:
    daemon = FakeDaemon()
    daemon.open_session("here", "here")
    long = ("streamer", "a-very-long-name-of-an-agent", "流れる流れる流れる流れる")
    names = [f"{name}-{number}" for name in long for number in (2, 3, 14)]
    for name in names:
        daemon.spawn("here", name, name)
        daemon.emit("here", TurnPrompted(blocks=(TextBlock("go"),)), agent=name, turn=f"t-{name}")
        daemon.state("here", name, "working")
    now_us = daemon.clock.wall_us() + 4_000_000_000
    rows = list(rows_of(list(daemon.listing().sessions), Around("here", now_us=now_us)))
    shown = [plain(row.left) for row in rows if "/" in row.key and not row.key.endswith("/")]
    assert len(set(shown)) == len(names)
    for text, number in zip(shown, [2, 3, 14] * 3, strict=True):
        assert text.endswith(f"{number})")
    assert any("(streamer-14)" in text for text in shown)
    assert all(cells(row.left) + cells(row.right) <= WIDTH - 5 for row in rows)


def test_agents_that_agents_started_stand_under_them() -> None:
    def agent(name: str, parent: str = "", depth: int = 0) -> AgentSummary:
        return AgentSummary(
            id=name, name=name, kind="native", since_us=0, state="idle", parent=parent, depth=depth
        )

    agents = [agent("lead"), agent("other"), agent("hand", "lead", 1), agent("deep", "hand", 2)]
    session = SessionSummary(id="s", name="s", created_us=0, last_us=0, agents=agents)
    around = Around("s", shown=frozenset(each.id for each in agents))
    rows = [plain(row.left) for row in rows_of([session], around)]
    assert rows == ["s", " ○ lead", "  ○ hand", "   ○ deep", " ○ other"]
    agents[3].state = "blocked"
    rows = [plain(row.left) for row in rows_of([session], around)]
    assert rows[1] == " ▲ deep"


@pytest.mark.parametrize("mode", ["read", "ask", "edit", "full"])
async def test_the_picker_of_modes_shows_them_all(
    app: MatoApp, daemon: FakeDaemon, mode: str
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await prefix(pilot, "M")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        app.screen.query_one(Input).value = mode
        await pilot.press("enter")
        await until(pilot, lambda: app.workspace.agents["coder"].mode == mode)
        await prefix(pilot, "M")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.pause()
        listing = app.screen.query_one(Listing)
        shown = screen_text(app)
        assert len(listing.rows) == 4
        for row in listing.rows:
            assert plain(row.left)[:20] in shown
        assert listing.key == mode


async def test_an_empty_inbox_offers_nothing_to_allow(make_app: MakeApp) -> None:
    daemon = FakeDaemon()
    daemon.open_session("here", "here")
    app = make_app(daemon)
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "i")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        await until(pilot, lambda: "Nothing waits for you." in screen_text(app))
        assert "allow" not in screen_text(app)
        assert "Esc leaves" in screen_text(app)


class Slow(Widget):
    """Takes its time to go, while the widgets beside it have gone."""

    async def on_unmount(self) -> None:
        workspace = self.screen
        assert isinstance(workspace, Workspace)
        for _ in range(20):
            workspace.changed()
            await asyncio.sleep(0.005)


async def test_nothing_is_drawn_while_it_ends(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        await app.workspace.mount(Slow())
    assert app.failure is None
