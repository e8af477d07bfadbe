"""The review of a turn, and trust in the folder: seen first, then decided, file by file."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from mato.protocol.methods import TrustFolder, Undo, UndoFile, UndoResult, UndoTurn
from mato.protocol.trusting import FolderStanding, TrustedFile
from mato_panes.app import MatoApp
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.picker import Picker
from mato_panes.screens.review import Review
from mato_panes.screens.trust import Trust
from mato_panes.testing import FakeDaemon
from mato_panes.widgets.listing import Listing
from mato_panes.widgets.notice import Notice
from mato_sessions.errors import UsageError
from tests.panes.frame.test_workspace import WIDE, bar, prefix, screen_text, until

SIZES = [(80, 24), (120, 40)]
CHANGE = "--- a/{0}\n+++ b/{0}\n@@ -1,2 +1,2 @@\n # {0}\n-teh spine\n+the spine\n"


def turn(name: str, prompt: str) -> UndoTurn:
    return UndoTurn(turn=name, at_us=1_700_000_000_000_000, prompt=prompt, files=3, undone=0)


@pytest.fixture
def daemon(daemon: FakeDaemon) -> FakeDaemon:
    paths = ("docs/a.md", "docs/b.md")
    changed = [UndoFile(path=p, state="changed", change=CHANGE.format(p)) for p in paths]
    other = UndoFile(
        path="docs/c\x1b[31m.md",
        state="refused",
        reason="it was changed since by something else than this turn",
        change=CHANGE.format("c"),
    )
    turns = (turn("t2", "correct the spelling"), turn("t1", "write the docs"))
    daemon.undo = UndoResult(
        session="here", agent="coder", turn="t2", files=(*changed, other), turns=turns
    )
    daemon.standing = FolderStanding(
        folder="/home/ada/parser",
        state="changed",
        sentence="this folder is not trusted any more: 'AGENTS.md' changed; its files instruct "
        "nobody until `mato trust` (which shows the difference)",
        files=(
            TrustedFile(
                path="AGENTS.md", state="changed", size_bytes=40, diff=CHANGE.format("AGENTS.md")
            ),
            TrustedFile(path=".mcp.json", state="same", size_bytes=12),
        ),
        digest="d1",
        whole=True,
    )
    return daemon


async def opened(pilot: Pilot[Any], app: MatoApp) -> None:
    await prefix(pilot, "U")
    await until(pilot, lambda: isinstance(app.screen, Review))
    await until(pilot, lambda: "+ the spine" in screen_text(app))


def applied(daemon: FakeDaemon) -> list[tuple[str, tuple[str, ...] | None]]:
    return [(each.turn, each.files) for each in daemon.requests(Undo) if each.apply]


async def test_files_are_accepted_and_rejected_one_by_one(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        assert "correct the spelling" in screen_text(app)
        await pilot.press("a")
        await until(pilot, lambda: "accepted" in screen_text(app))
        assert not applied(daemon), "what is accepted stays as it is"
        listing = app.screen.query_one(Listing)
        await until(pilot, lambda: listing.key == "docs/b.md")
        await pilot.press("r")
        await until(pilot, lambda: applied(daemon) == [("t2", ("docs/b.md",))])
        await until(pilot, lambda: "as before the turn" in screen_text(app))
        await pilot.press("end")
        await until(pilot, lambda: "It cannot be put back" in screen_text(app))
        await pilot.press("r", "a")
        assert len(applied(daemon)) == 1
        assert "docs/c␛[31m.md" in screen_text(app)
        await pilot.press("escape")
        await opened(pilot, app)
        assert "✓ docs/a.md" in screen_text(app), "it is remembered"


async def test_the_whole_turn_is_undone_after_a_question(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        early = events.Key("y", "y")
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        screen = app.screen
        assert isinstance(screen, Confirm)
        screen.post_message(early)
        await pilot.pause()
        assert not applied(daemon)
        await until(pilot, lambda: screen.guard.lets("", monotonic()))
        await pilot.press("y")
        await until(pilot, lambda: applied(daemon) == [("t2", ("docs/a.md", "docs/b.md"))])


async def test_another_turn_can_be_chosen(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "write the docs" in screen_text(app))
        await pilot.press("r")
        await until(pilot, lambda: applied(daemon) == [("t1", ("docs/a.md",))])


async def test_where_there_is_nothing_to_review_one_sentence_says_so(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        daemon.refusal = UsageError("there is nothing to undo")
        await prefix(pilot, "U")
        await until(pilot, lambda: "there is nothing to undo" in bar(app))
        assert app.screen is app.workspace


async def test_a_folder_that_is_not_trusted_is_told_calmly_and_trusted_as_it_was_shown(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        notice = app.workspace.query_one(Notice)
        await until(pilot, lambda: "'AGENTS.md' changed" in notice.sentence)
        assert "ctrl+b T shows it" in screen_text(app)
        early = events.Key("y", "y")
        await prefix(pilot, "T")
        await until(pilot, lambda: isinstance(app.screen, Trust))
        screen = app.screen
        assert isinstance(screen, Trust)
        await until(pilot, lambda: "- teh spine" in screen_text(app))
        screen.post_message(early)
        await pilot.pause()
        assert app.screen is screen
        await until(pilot, lambda: screen.guard.lets("", monotonic()))
        await pilot.press("y")
        await until(pilot, lambda: daemon.requests(TrustFolder))
        [wish] = daemon.requests(TrustFolder)
        assert (wish.cwd, wish.digest) == ("/home/ada/parser", "d1")
        await until(pilot, lambda: not notice.sentence)


async def test_the_notice_can_be_hidden_and_opened_with_the_mouse(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        notice = app.workspace.query_one(Notice)
        await until(pilot, lambda: notice.sentence)
        await until(pilot, lambda: notice.region.height == 1)
        await pilot.click(notice, offset=(3, 0))
        await until(pilot, lambda: isinstance(app.screen, Trust))
        await pilot.press("n")
        await until(pilot, lambda: not notice.sentence)
        assert not daemon.requests(TrustFolder)


async def test_what_could_not_be_shown_whole_is_nothing_to_say_yes_to(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    it = daemon.standing
    daemon.standing = FolderStanding(
        folder=it.folder, state=it.state, sentence=it.sentence, files=it.files, digest="d2",
        whole=False,
    )  # fmt: skip
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        await prefix(pilot, "T")
        await until(pilot, lambda: isinstance(app.screen, Trust))
        await until(pilot, lambda: "trusted by `mato trust` in a terminal" in screen_text(app))
        screen = app.screen
        assert isinstance(screen, Trust)
        await until(pilot, lambda: screen.guard.lets("", monotonic()))
        await pilot.press("y")
        assert not daemon.requests(TrustFolder)


async def test_a_folder_that_cannot_be_looked_at_is_said_so(
    app: MatoApp, daemon: FakeDaemon
) -> None:
    sentence = "'/home/ada/parser' holds more than 1000 files"
    daemon.standing = FolderStanding(
        folder="/", state="untrusted", sentence=sentence, files=(), digest="", whole=False
    )
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        await until(pilot, lambda: "holds more than" in app.workspace.query_one(Notice).sentence)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["U", "T"])
def test_they_look_as_they_did(
    app: MatoApp, size: tuple[int, int], key: str, snap_compare: Any
) -> None:
    async def settled(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "off by one" in screen_text(app))
        await prefix(pilot, key)
        await until(pilot, lambda: isinstance(app.screen, Review | Trust))
        await until(pilot, lambda: "the spine" in screen_text(app))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=settled)
