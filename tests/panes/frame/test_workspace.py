"""The workspace on a daemon in memory, driven by its keys."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from mato.protocol.methods import (
    Answer,
    Arrange,
    Kill,
    Looked,
    Prompt,
    Reconfigure,
    RenameSession,
    Spawn,
    Stop,
)
from mato_panes.app import MatoApp
from mato_panes.bindings import BY_COMMAND
from mato_panes.kinds.keys import READING, WRITING
from mato_panes.layout import tree
from mato_panes.messages import CopyWanted, WholeOutputWanted
from mato_panes.screens.help import Help
from mato_panes.screens.inbox import Inbox
from mato_panes.screens.jump import Jump
from mato_panes.screens.output import OutputViewer
from mato_panes.screens.picker import Picker
from mato_panes.testing import FakeDaemon
from mato_panes.widgets.listing import Listing
from mato_panes.widgets.sidebar import Sidebar
from mato_panes.widgets.statusbar import StatusBar
from mato_sessions.errors import UnknownName
from mato_sessions.events import PermissionAsked
from mato_sessions.events.session import PaneNode, WindowNode

WIDE = (140, 40)


async def until(pilot: Pilot[Any], holds: Callable[[], object]) -> None:
    """Let the app work until something holds; fails when it never does."""
    for _ in range(600):
        await pilot.pause(0.005)
        if holds():
            return
    raise AssertionError("it never came to be")


async def ripe(pilot: Pilot[Any], app: MatoApp) -> None:
    """Wait until keys count for what is under the inbox's cursor."""

    def holds() -> bool:
        screen = app.screen
        if not isinstance(screen, Inbox):
            return False
        return screen.guard.lets(screen.query_one(Listing).key, monotonic())

    await until(pilot, holds)


async def prefix(pilot: Pilot[Any], key: str) -> None:
    await pilot.press("ctrl+b", key)
    await pilot.pause()


def panes(app: MatoApp) -> list[str]:
    return [leaf.pane for leaf in tree.panes(app.workspace.desk.root)]


def agents(app: MatoApp) -> list[str]:
    return [leaf.agent for leaf in tree.panes(app.workspace.desk.root)]


def focused(app: MatoApp) -> str:
    pane = app.workspace.desk.focused
    assert pane is not None
    return pane.pane


def screen_text(app: MatoApp) -> str:
    """What is drawn, without styles; Textual has no public way to it."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def bar(app: MatoApp) -> str:
    status = app.workspace.query_one(StatusBar)
    return status.render_line(0).text


def test_every_command_of_the_table_can_be_given(app: MatoApp) -> None:
    assert app.commands.known == set(BY_COMMAND)


async def test_at_first_the_window_of_the_session_is_there(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        shown = screen_text(app)
        for word in ("coder", "reviewer", "tester", "fix the parser", "2:notes", "2 wait"):
            assert word in shown
        assert focused(app) == "p1"
        assert app.workspace.focused_pane is not None
        assert app.workspace.focused_pane.composer.draft.has_focus


async def test_keys_that_are_not_the_workspaces_go_to_the_composer(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        await pilot.press("h", "i", "enter")
        await until(pilot, lambda: daemon.requests(Prompt))
        (prompt,) = daemon.requests(Prompt)
        assert (prompt.session, prompt.agent, prompt.text) == ("here", "coder", "hi")


async def test_a_refused_prompt_comes_back_to_where_it_was_written(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        await pilot.press("h", "i", "enter")
        await until(pilot, lambda: daemon.requests(Prompt))
        pane = app.workspace.focused_pane
        assert pane is not None
        daemon.refusal = UnknownName("no such agent")  # the profiles are known by now
        await pilot.press("y", "o", "enter")
        await until(pilot, lambda: "no such agent" in bar(app))
        await until(pilot, lambda: pane.composer.draft.text == "yo")


async def test_focus_moves_with_its_keys_and_typing_follows_at_once(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        await pilot.press("ctrl+b", "right", "o", "k", "enter")
        await until(pilot, lambda: daemon.requests(Prompt))
        assert daemon.requests(Prompt)[0].agent == "reviewer"
        await prefix(pilot, "j")
        assert focused(app) == "p3"
        await prefix(pilot, "left")
        assert focused(app) == "p1"
        await prefix(pilot, "l")
        assert focused(app) == "p3"  # the one used last
        await prefix(pilot, "o")
        assert focused(app) == "p1"
        await prefix(pilot, ";")
        assert focused(app) == "p3"


async def test_a_split_asks_and_starts_the_profile_that_was_chosen(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "%")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"new rev", "enter")
        await until(pilot, lambda: len(panes(app)) == 4)
        (spawn,) = daemon.requests(Spawn)
        assert spawn.agent.profile == "reviewer"
        assert agents(app) == ["coder", "spawned1", "reviewer", "tester"]
        await until(pilot, lambda: daemon.requests(Arrange))
        assert daemon.requests(Arrange)[-1].windows == app.workspace.desk.windows
        await until(pilot, lambda: "spawned1" in [c.agent.id for c in app.workspace.chats()])


async def test_an_agent_without_a_pane_is_offered_first(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, '"')
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("enter")
        await until(pilot, lambda: len(panes(app)) == 4)
        assert "scribe" in agents(app)
        assert not daemon.requests(Spawn)


async def test_leaving_the_question_changes_nothing(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "v")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.workspace)
        assert len(panes(app)) == 3
        assert not daemon.requests(Arrange)


async def test_zoom_gives_one_pane_the_window(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "z")
        assert app.workspace.view.visible_panes() == ["p1"]
        await until(pilot, lambda: "main*Z" in bar(app))
        await prefix(pilot, "z")
        assert len(app.workspace.view.visible_panes()) == 3


@pytest.mark.parametrize(("answer", "left", "killed"), [("y", 2, 0), ("n", 3, 0), ("k", 2, 1)])
async def test_closing_a_pane_leaves_its_agent_alone_unless_asked(
    app: MatoApp, daemon: FakeDaemon, answer: str, left: int, killed: int
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "x")
        await until(pilot, lambda: app.screen is not app.workspace)
        await pilot.press("enter")  # there is no default
        await pilot.press(answer)
        await until(pilot, lambda: app.screen is app.workspace)
        await until(pilot, lambda: len(panes(app)) == left)
        assert len(daemon.requests(Kill)) == killed
        assert "coder" in app.workspace.agents


async def test_a_new_window_is_opened_named_and_closed(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "c")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("enter")
        await until(pilot, lambda: len(app.workspace.desk.windows) == 3)
        assert agents(app) == ["scribe"]
        await prefix(pilot, ",")
        await until(pilot, lambda: app.screen is not app.workspace)
        app.screen.query_one(Input).value = ""
        await pilot.press(*"logs", "enter")
        await until(pilot, lambda: "3:logs*" in bar(app))
        await prefix(pilot, "&")
        await until(pilot, lambda: app.screen is not app.workspace)
        await pilot.press("y")
        await until(pilot, lambda: len(app.workspace.desk.windows) == 2)
        await until(pilot, lambda: daemon.requests(Arrange))


async def test_windows_are_walked_by_number_and_step(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "2")
        assert focused(app) == "p4"
        await prefix(pilot, "n")
        assert app.workspace.desk.current == "w1"
        await prefix(pilot, "p")
        assert app.workspace.desk.current == "w2"
        await prefix(pilot, "w")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("up", "enter")
        await until(pilot, lambda: app.workspace.desk.current == "w1")
        await prefix(pilot, "7")
        await until(pilot, lambda: "there is no window 7" in bar(app))


async def test_panes_swap_even_out_and_resize(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "}")
        assert panes(app) == ["p2", "p1", "p3"]
        await prefix(pilot, "{")
        assert panes(app) == ["p1", "p2", "p3"]
        before = app.workspace.view.where.panes["p1"].width
        await pilot.press("ctrl+b", "ctrl+right", "ctrl+right")
        await pilot.pause()
        assert app.workspace.view.where.panes["p1"].width == before + 8
        root = app.workspace.desk.root
        await prefix(pilot, "space")
        assert app.workspace.desk.root != root
        await until(pilot, lambda: daemon.requests(Arrange))


async def test_a_border_follows_the_mouse(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        view = app.workspace.view
        border = view.where.borders[0].box
        x, y = view.region.x + border.x, 5
        await pilot.mouse_down(offset=(x, y))
        await pilot.hover(offset=(x - 10, y))
        await pilot.mouse_up(offset=(x - 10, y))
        await until(pilot, lambda: view.where.borders[0].box.x == border.x - 10)
        await until(pilot, lambda: daemon.requests(Arrange))


async def test_a_click_focuses_the_pane(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        box = app.workspace.view.widgets["p3"].region
        await pilot.click(offset=(box.x + 5, box.y + 3))
        await until(pilot, lambda: focused(app) == "p3")


async def test_scroll_mode_and_search_go_to_the_transcript(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        pane = app.workspace.focused_pane
        assert pane is not None
        await prefix(pilot, "[")
        await until(pilot, lambda: pane.transcript.has_focus)
        await prefix(pilot, "/")
        await until(pilot, lambda: pane.search_line.display)
        assert app.workspace.focused_pane is pane


async def test_a_narrow_bar_keeps_who_waits(app: MatoApp) -> None:
    async with app.run_test(size=(36, 12)) as pilot:
        await until(pilot, lambda: "▲ 2 wait" in bar(app))
        assert "openai" not in bar(app)


async def test_jump_letters_lead_to_their_pane(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "g")
        await until(pilot, lambda: isinstance(app.screen, Jump))
        await pilot.press("d")
        await until(pilot, lambda: focused(app) == "p3")
        await pilot.press("escape")  # from the composer to the transcript
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Jump))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.workspace)
        assert focused(app) == "p3"


async def test_the_next_blocked_agent_is_found_in_other_sessions_too(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "!")
        assert focused(app) == "p2"
        await prefix(pilot, "!")
        await until(pilot, lambda: app.reading.store.session == "docs")
        assert focused(app) == "p9"
        await until(pilot, lambda: "docs sweep" in bar(app))


async def test_the_inbox_answers_and_keeps_every_call_in_its_place(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "i")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        await until(pilot, lambda: "make test && make lint" in screen_text(app))
        await ripe(pilot, app)
        await pilot.press("a")
        await until(pilot, lambda: daemon.requests(Answer))
        await until(pilot, lambda: not daemon.catalog.pending()[0].call.endswith("1"))
        await until(pilot, lambda: "allowed" in screen_text(app))
        rows = app.screen.query_one(Listing).rows
        assert [row.key for row in rows] == ["call-1", "call-2"]
        await pilot.press("a")  # answered already
        await pilot.press("down")
        await until(pilot, lambda: "+the spine" in screen_text(app))
        await ripe(pilot, app)
        await pilot.press("d")
        await until(pilot, lambda: len(daemon.requests(Answer)) == 2)
        answers = [(each.call, each.allowed) for each in daemon.requests(Answer)]
        assert answers == [("call-1", True), ("call-2", False)]


async def test_a_call_that_was_cut_off_is_decided_in_the_inbox(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    waiting = daemon.catalog.pending()[0]
    asked = PermissionAsked(
        call=waiting.call,
        tool=waiting.tool,
        action=waiting.action,
        resource=waiting.resource,
        arguments=waiting.arguments,
        question="recovery",
        decisions=("done", "give_up"),
    )
    for call in daemon.catalog.pending():
        daemon.emit(call.session, asked, agent=call.agent, turn=call.turn)
        break
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "i")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        await pilot.press("down")
        await until(pilot, lambda: "f it is done   d give up   " in screen_text(app))
        await ripe(pilot, app)
        assert "Whether it took effect is not known." in screen_text(app)
        await pilot.press("a")  # it cannot run again
        await pilot.press("f")
        await until(pilot, lambda: daemon.requests(Answer))
        [answer] = daemon.requests(Answer)
        assert (answer.call, answer.allowed, answer.decision) == (waiting.call, False, "done")


async def test_enter_in_the_inbox_goes_to_the_pane_and_answers_nothing(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "i")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.reading.store.session == "docs")
        assert not daemon.requests(Answer)


async def test_an_answer_that_was_refused_can_be_given_again(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "i")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        daemon.refusal = UnknownName("no such call")
        await ripe(pilot, app)
        await pilot.press("a")
        await until(pilot, lambda: "no such call" in bar(app))
        await ripe(pilot, app)
        await pilot.press("a")
        await until(pilot, lambda: len(daemon.requests(Answer)) == 2)


async def test_a_refused_request_is_one_sentence_in_the_bar(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        daemon.refusal = UnknownName("no turn runs \x1b[31m here")
        await prefix(pilot, "ctrl+c")
        await until(pilot, lambda: "no turn runs ␛[31m here" in bar(app))
        assert daemon.requests(Stop)[0].agent == "coder"


async def test_a_file_that_is_no_profile_is_named_where_profiles_are_chosen(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    daemon.broken_profiles = ("mine.md: its head is not TOML",)
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "%")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await until(pilot, lambda: "mine.md: its head is not TOML" in bar(app))


async def test_the_model_can_be_typed_and_the_mode_chosen(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "m")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"my/own", "enter")
        await until(pilot, lambda: daemon.requests(Reconfigure))
        assert daemon.requests(Reconfigure)[0].model == "my/own"
        await prefix(pilot, "M")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"edit", "enter")
        await until(pilot, lambda: len(daemon.requests(Reconfigure)) == 2)
        assert daemon.requests(Reconfigure)[1].mode == "edit"
        await until(pilot, lambda: app.workspace.agents["coder"].mode == "edit")


async def test_the_palette_gives_any_command(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"zoom", "enter")
        await until(pilot, lambda: app.workspace.desk.zoomed)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"open scribe", "enter")
        await until(pilot, lambda: agents(app) == ["scribe"])


async def test_help_lists_every_command(app: MatoApp) -> None:
    async with app.run_test(size=(160, 60)) as pilot:
        await prefix(pilot, "?")
        await until(pilot, lambda: isinstance(app.screen, Help))
        await until(pilot, lambda: "Keys" in screen_text(app))
        shown = screen_text(app)
        for entry in (*BY_COMMAND.values(), *WRITING, *READING):
            assert entry.title in shown
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.workspace)


async def test_a_sidebar_that_was_hidden_shows_what_has_come_since(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "b")
        await prefix(pilot, "b")
        await until(pilot, lambda: not app.query_one(Sidebar).display)
        daemon.spawn("here", "late", "latecomer")
        await until(pilot, lambda: "late" in app.workspace.agents)
        await pilot.pause(0.1)
        await prefix(pilot, "b")
        await until(pilot, lambda: "latecomer" in screen_text(app))


async def test_sessions_are_switched_and_renamed(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "s")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"nightly", "enter")
        await until(pilot, lambda: app.reading.store.session == "night")
        await until(pilot, lambda: "Nothing is shown here" in screen_text(app))
        await prefix(pilot, "$")
        await until(pilot, lambda: app.screen is not app.workspace)
        await pilot.press(*"!", "enter")
        await until(pilot, lambda: daemon.requests(RenameSession))
        assert daemon.requests(RenameSession)[0].name == "nightly!"
        await until(pilot, lambda: "nightly!" in bar(app))


async def test_the_sidebar_comes_and_goes_and_opens_agents(app: MatoApp) -> None:
    async with app.run_test(size=(90, 30)) as pilot:
        sidebar = app.workspace.query_one(Sidebar)
        assert not sidebar.display
        await prefix(pilot, "b")
        assert sidebar.display
        await until(pilot, lambda: "(scribe)" in screen_text(app))
        await pilot.press(*["down"] * 4, "enter")
        await until(pilot, lambda: agents(app) == ["scribe"])
        await prefix(pilot, "b")
        await prefix(pilot, "b")
        assert not sidebar.display


async def test_the_sidebar_has_who_waits_on_top(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        listing = app.workspace.query_one(Sidebar).query_one(Listing)
        await until(pilot, lambda: listing.rows)
        keys = [row.key for row in listing.rows]
        assert keys[:3] == ["here/", "here/reviewer", "here/coder"]
        assert keys[6:9] == ["docs/", "docs/writer", "night/"]
        daemon.state("here", "scribe", "blocked")
        await until(pilot, lambda: listing.rows[2].key == "here/scribe")


async def test_detaching_sends_the_last_arrangement_and_kills_nobody(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("ctrl+b", "}", "ctrl+q")
        await until(pilot, lambda: daemon.requests(Arrange))
    assert app.return_value == 0
    assert not daemon.requests(Kill)


async def test_an_arrangement_from_another_client_keeps_the_panes_that_stay(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "o")
        kept = app.workspace.view.widgets["p2"]
        window = app.workspace.desk.windows[0]
        root = tree.split(window.root, "p3", "row", PaneNode("p7", "scribe"))
        daemon.arrange("here", WindowNode("w1", "theirs", root))
        await until(pilot, lambda: "p7" in panes(app))
        assert focused(app) == "p2"
        assert app.workspace.view.widgets["p2"] is kept
        await until(pilot, lambda: "1:theirs*" in bar(app))
        assert not daemon.requests(Arrange)


async def test_an_agent_that_somebody_starts_elsewhere_is_in_the_sidebar(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        daemon.spawn("here", "fresh")
        await until(pilot, lambda: "(fresh)" in screen_text(app))
        assert "fresh" not in agents(app)


async def test_looking_at_what_is_done_is_told_once(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "tester" in screen_text(app))
        assert not daemon.requests(Looked)
        await prefix(pilot, "l")
        await prefix(pilot, "j")
        await until(pilot, lambda: daemon.requests(Looked))
        assert [each.agent for each in daemon.requests(Looked)] == ["tester"]
        await until(pilot, lambda: app.workspace.agents["tester"].state == "idle")
        assert len(daemon.requests(Looked)) == 1


async def test_a_lost_connection_is_said_until_it_is_back(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        daemon.lose()
        await until(pilot, lambda: "disconnected, reconnecting" in bar(app))
        daemon.come_back()
        await until(pilot, lambda: "disconnected" not in bar(app))


async def test_panes_without_room_are_one_line_each(app: MatoApp) -> None:
    async with app.run_test(size=(40, 8)) as pilot:
        await until(pilot, lambda: "▲ reviewer blocked" in screen_text(app))
        assert "✓ tester done" in screen_text(app)


async def test_the_prefix_shows_and_an_unknown_key_is_explained(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("ctrl+b")
        await until(pilot, lambda: "ctrl+b …" in bar(app))
        await pilot.press("Q")
        await until(pilot, lambda: "does nothing" in bar(app))


async def test_the_theme_changes_at_once(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        assert app.theme == "kaamos"
        await prefix(pilot, "t")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"usva", "enter")
        await until(pilot, lambda: app.theme == "usva")


async def test_the_whole_output_of_a_call_can_be_read_and_copied(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    daemon.blobs["ab" * 32] = "first line\n" + "more\x1b]0;owned\x07\n" * 200
    async with app.run_test(size=WIDE) as pilot:
        app.post_message(WholeOutputWanted("ab" * 32, "$ make test"))
        await until(pilot, lambda: isinstance(app.screen, OutputViewer))
        await until(pilot, lambda: "first line" in screen_text(app))
        assert "␛]0;owned␇" in screen_text(app)
        await pilot.press("G")
        await until(pilot, lambda: "first line" not in screen_text(app))
        await pilot.press("c")
        await until(pilot, lambda: app.clipboard.startswith("first line"))


async def test_what_is_copied_goes_to_the_clipboard(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        app.post_message(CopyWanted("the text"))
        await until(pilot, lambda: app.clipboard == "the text")
        await until(pilot, lambda: "copied" in bar(app))


async def test_the_mouse_can_be_given_to_the_terminal(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await prefix(pilot, "y")
        await until(pilot, lambda: "select with" in bar(app))
        assert not app.workspace.mouse
        await prefix(pilot, "y")
        assert app.workspace.mouse
