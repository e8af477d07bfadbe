"""The transcript as a person uses it: reading, folding, answering, copying, searching."""

from __future__ import annotations

from time import monotonic
from types import ModuleType
from typing import Any

import pytest
from textual import events

from mato_panes.messages import (
    CallAnswered,
    CopyWanted,
    FrameFocusWanted,
    StopRequested,
    WholeOutputWanted,
)
from mato_sessions.events import BlobRef, ModelFailed, ToolFinished, ToolStarted


def long_scene(chat: ModuleType, turns: int = 40) -> Any:
    scene = chat.Scene()
    for number in range(turns):
        scene.prompt(f"question {number}", f"t-{number}")
        scene.said(f"r{number}", f"answer {number}\n\n- one\n- two\n- three")
        scene.end()
    return scene


async def ripe(pilot: Any, app: Any, call: str) -> None:
    """Wait until keys count for a card that waits."""
    while not app.pane.transcript.guard.lets(call, monotonic()):
        await pilot.pause(0.01)


async def test_everything_that_was_done_is_shown(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.rich()
    app = chat.Panes(scene)
    async with app.run_test(size=(100, 100)) as pilot:
        await pilot.pause()
        text = "\n".join(app.shown())
    for part in (
        "❯ The invoice total",
        "∴ thought for",
        "✓ search to_cents",
        "7 matches",
        "≡ plan  1/3",
        "✗ $ pytest -q",
        "exit 1",
        "+ ",
        "ROUND_HALF_EVEN",
        "What I changed",
        "✓ done",
        "! asks again in 2.5 s",
        "● $ make all",
        "running 0:07",
        "part_29",
        "waiting for you",
        chat.COMMAND,
        "[a] allow   [d] deny",
        "queued",
    ):
        assert part in text, part
    assert "part_10.c" not in text, "only the tail of a running tool's output is shown"


async def test_the_end_is_followed_while_text_streams(chat: ModuleType) -> None:
    scene = long_scene(chat)
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        scene.prompt("go on", "t-x")
        for number in range(60):
            scene.live("rx", f"line {number}\n")
            app.sync()
        await pilot.pause()
        assert any("line 59" in row for row in app.shown())


async def test_a_reader_who_scrolled_up_is_not_moved_by_what_comes(chat: ModuleType) -> None:
    scene = long_scene(chat)
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("pageup", "pageup")
        before = app.shown()
        scene.prompt("go on", "t-x")
        for number in range(60):
            scene.live("rx", f"line {number}\n")
            app.sync()
        await pilot.pause()
        assert app.shown()[:-1] == before[:-1]
        assert "↓ 2 new below" in app.shown()[-1]
        await pilot.press("G")
        assert any("line 59" in row for row in app.shown())
        assert not any("new below" in row for row in app.shown())


async def test_the_entry_at_the_top_stays_there_when_the_width_changes(chat: ModuleType) -> None:
    scene = chat.Scene()
    for number in range(60):
        scene.prompt(f"question {number} " + "word " * 30, f"t-{number}")
        scene.said(f"r{number}", f"answer {number} " + "text " * 60)
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("pageup", "pageup", "pageup")
        viewport = app.pane.transcript.viewport
        anchor = viewport.top.entry
        for width in (200, 44, 120):
            await pilot.resize_terminal(width, 30)
            await pilot.pause()
            assert viewport.top.entry == anchor


async def test_going_back_to_the_end_follows_again(chat: ModuleType) -> None:
    scene = long_scene(chat)
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        for keys in (["pageup", "pagedown"], ["g", "end"], ["ctrl+u", "ctrl+d"]):
            await pilot.press(*keys)
            assert app.pane.transcript.viewport.following, keys


async def test_the_wheel_scrolls(chat: ModuleType) -> None:
    app = chat.Panes(long_scene(chat))
    async with app.run_test(size=(80, 24)) as pilot:
        before = app.shown()
        transcript = app.pane.transcript
        # Pilots have keys and buttons, but no wheel of their own.
        await pilot._post_mouse_events([events.MouseScrollUp], transcript, button=0)
        await pilot.pause()
        assert app.shown()[3:-1] == before[:-4]
        assert not transcript.viewport.following


@pytest.mark.parametrize("count", [10, 10_000])
async def test_a_token_costs_the_same_in_a_long_transcript(chat: ModuleType, count: int) -> None:
    scene = chat.Scene()
    for number in range(count // 2):
        scene.prompt(f"question {number}", f"t-{number}")
        scene.said(f"r{number}", f"answer {number}")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        document = app.pane.transcript.document
        assert document.counts.rendered <= 40, "only what is visible was rendered"
        scene.live("rx", "beginning ")
        app.sync()
        rendered, fed = document.counts.rendered, document.counts.fed
        for _ in range(20):
            scene.live("rx", "token ")
            app.sync()
        assert document.counts.rendered - rendered == 20
        assert document.counts.fed - fed == 20 * len("token ")


async def test_a_resize_renders_what_is_visible_only(chat: ModuleType) -> None:
    app = chat.Panes(long_scene(chat, 2_000))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        document = app.pane.transcript.document
        rendered = document.counts.rendered
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert document.width == 96
        assert document.counts.rendered - rendered <= 60


async def test_nothing_is_drawn_when_nothing_has_changed(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.rich()
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        transcript = app.pane.transcript
        drawn: list[object] = []
        transcript.refresh = lambda *regions, **_: drawn.append(regions) or transcript  # type: ignore[method-assign]
        app.sync()
        assert not drawn
        scene.mono_us += chat.SECOND
        app.sync()
        assert len(drawn) == 1, "a second later the running call shows its time"


async def test_enter_unfolds_reasoning_and_cards(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("go", "t-1")
    scene.reasoning("r1", "first thought\nsecond thought", 12)
    scene.answered("r1", "", "first thought\nsecond thought")
    scene.ran("c1", "read", "read a.py", "the content of the file", "1 line")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("k")
        assert "the content of the file" not in "\n".join(app.shown())
        await pilot.press("enter")
        assert "the content of the file" in "\n".join(app.shown())
        await pilot.press("k", "space")
        assert any(row.strip(" ▎") == "second thought" for row in app.shown())
        await pilot.press("space")
        assert not any(row.strip(" ▎") == "second thought" for row in app.shown())


async def test_a_click_unfolds(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.ran("c1", "read", "read a.py", "the content of the file", "1 line")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.click(app.pane.transcript, offset=(5, 0))
        assert "the content of the file" in "\n".join(app.shown())


async def test_a_waiting_call_is_answered_only_from_the_transcript(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("go", "t-1")
    scene.asks("c1", "make all")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.press("a", "d")
        assert not app.sent_of(CallAnswered)
        await pilot.press("tab")
        await ripe(pilot, app, "c1")
        await pilot.press("d")
        (answer,) = app.sent_of(CallAnswered)
        assert (answer.call, answer.allowed) == ("c1", False)
        assert "denied" in answer.rule
        assert "denying" in "\n".join(app.shown())
        await pilot.press("a")
        assert len(app.sent_of(CallAnswered)) == 1, "one that is on its way"
        app.pane.answer_failed("c1")
        await pilot.press("a")
        assert [answer.allowed for answer in app.sent_of(CallAnswered)] == [False, True]


async def test_a_click_on_a_waiting_call_leads_its_keys_to_it(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.asks("c1", "make one")
    scene.asks("c2", "make two")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.pause()
        row = next(y for y, text in enumerate(app.shown()) if "make two" in text)
        await pilot.click(app.pane.transcript, offset=(5, row))
        assert not app.sent_of(CallAnswered)
        await ripe(pilot, app, "c2")
        await pilot.press("a")
        assert [answer.call for answer in app.sent_of(CallAnswered)] == ["c2"]


async def test_neither_enter_nor_space_allows_anything(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.asks("c1", "make all")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("enter", "space", "y", "enter")
        assert not app.sent_of(CallAnswered)


async def test_a_second_key_does_not_answer_a_card_that_nobody_looked_at(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.asks("c1", "make one")
    scene.asks("c2", "make two")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await ripe(pilot, app, "c1")
        await pilot.press("a")
        assert [answer.call for answer in app.sent_of(CallAnswered)] == ["c1"]
        scene.event(ToolStarted(call="c1", attempt=1))
        app.sync()
        await pilot.press("a")
        assert len(app.sent_of(CallAnswered)) == 1, "the cursor goes to the other card first"
        await ripe(pilot, app, "c2")
        await pilot.press("a")
        assert [answer.call for answer in app.sent_of(CallAnswered)] == ["c1", "c2"]


async def test_a_card_taller_than_the_pane_is_read_to_its_end_first(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.asks("c1", "\n".join(f"echo {number}" for number in range(60)))
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("g", "a")
        assert not app.sent_of(CallAnswered)
        assert "[a] allow" in "\n".join(app.shown())
        await ripe(pilot, app, "c1")
        await pilot.press("a")
        assert len(app.sent_of(CallAnswered)) == 1


async def test_a_key_that_was_on_its_way_when_the_card_came_decides_nothing(
    chat: ModuleType,
) -> None:
    scene = chat.Scene()
    scene.prompt("go", "t-1")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("k")
        late = events.Key("a", "a")  # pressed before the card comes, handled after it
        scene.asks("c1", "make all")
        app.sync()
        app.pane.transcript.reading.attend()
        app.pane.transcript.reading.step(1)
        app.pane.transcript.post_message(late)
        await pilot.pause()
        assert not app.sent_of(CallAnswered)
        await ripe(pilot, app, "c1")
        await pilot.press("a")
        assert [answer.call for answer in app.sent_of(CallAnswered)] == ["c1"]


async def test_a_card_that_moves_by_itself_has_to_be_seen_anew(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("go", "t-1")
    scene.asks("c1", "make all")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await ripe(pilot, app, "c1")
        scene.asks("c2", "make two")
        for number in range(12):
            scene.text(f"r{number}", "more and more")
        app.sync()
        moved_s = monotonic()
        assert not app.pane.transcript.guard.lets("c1", moved_s)
        assert not app.pane.transcript.guard.lets("c2", moved_s)


async def test_a_preview_is_shown_whole(chat: ModuleType) -> None:
    scene = chat.Scene()
    lines = "".join(f"+line {number}\n" for number in range(50))
    scene.asks(
        "c1", "notes.txt", preview=f"--- /dev/null\n+++ b/notes.txt\n@@ -0,0 +1,50 @@\n{lines}"
    )
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 80)) as pilot:
        await pilot.pause()
        text = "\n".join(app.shown())
        assert all(f"+ line {number}" in text for number in range(50))


async def test_y_copies_what_the_entry_says(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.said("r1", "copy **me** \x1b]52;c;eA==\x07")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("k", "y")
        (copied,) = app.sent_of(CopyWanted)
        assert copied.text == "copy **me** ␛]52;c;eA==␇"


async def test_copy_mode_marks_lines_with_tmux_keys(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.said("r1", "one\ntwo\nthree\nfour")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.scroll_mode()
        await pilot.pause()
        assert "copy 4/4" in app.shown()[-1]
        await pilot.press("k", "v", "k", "y")
        (copied,) = app.sent_of(CopyWanted)
        assert copied.text == "  two\n  three"
        assert "copy" not in app.shown()[-1]


async def test_copy_mode_decides_nothing(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.asks("c1", "make all")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.scroll_mode()
        await pilot.press("a", "d")
        assert not app.sent_of(CallAnswered)


async def test_what_failed_is_said_once(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("go", "t-1")
    message = "the key was refused"
    scene.event(ModelFailed(request="r1", attempt=1, fault="auth", message=message))
    scene.end("failed", message)
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert sum(message in row for row in app.shown()) == 1


async def test_dragging_the_mouse_copies_what_is_marked(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.said("r1", "one two three\nfour five six")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = app.pane.transcript
        await pilot.mouse_down(transcript, offset=(7, 0))
        await pilot.hover(transcript, offset=(6, 1))
        await pilot.mouse_up(transcript, offset=(6, 1))
        assert [copied.text for copied in app.sent_of(CopyWanted)] == ["two three\n  four"]


async def test_searching_counts_marks_and_goes_to_hits(chat: ModuleType) -> None:
    scene = long_scene(chat)
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("slash", *"answer 1", "enter")
        assert "11/11" in app.shown()[-1], "1 and 10 to 19: the last one first"
        assert any("answer 19" in row for row in app.shown())
        await pilot.press("N")
        assert "10/11" in app.shown()[-1]
        await pilot.press("n", "n")
        assert "1/11" in app.shown()[-1]
        assert any(row.strip(" ▎") == "answer 1" for row in app.shown())
        await pilot.press("escape")
        assert "11" not in app.shown()[-1]


async def test_a_hit_in_a_folded_entry_unfolds_it(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.ran("c1", "read", "read a.py", "hidden\nneedle\nhidden", "3 lines")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.search()
        await pilot.press(*"needle", "enter")
        assert any("needle" in row for row in app.shown())


async def test_what_is_not_there_is_said(chat: ModuleType) -> None:
    app = chat.Panes(long_scene(chat, 3))
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.search()
        await pilot.press(*"zebra", "enter")
        assert "not found" in app.shown()[-1]


async def test_o_asks_for_the_whole_output(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.proposed("c1", "shell", "$ make")
    scene.event(ToolStarted(call="c1", attempt=1))
    blob = BlobRef(sha256="ab" * 32, size_bytes=123_456)
    scene.event(ToolFinished(call="c1", attempt=1, content="a part", output=blob, exit_code=0))
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("k", "o")
        (wanted,) = app.sent_of(WholeOutputWanted)
        assert (wanted.sha256, wanted.title) == ("ab" * 32, "$ make")


async def test_escape_leaves_and_capital_s_stops(chat: ModuleType) -> None:
    app = chat.Panes(long_scene(chat, 2))
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_transcript()
        await pilot.press("S", "escape")
        assert app.sent_of(StopRequested)
        assert app.sent_of(FrameFocusWanted)


async def test_hostile_text_of_every_kind_is_harmless(
    chat: ModuleType, hostile_texts: tuple[Any, ...]
) -> None:
    scene = chat.Scene()
    for number, hostile in enumerate(hostile_texts):
        text = hostile.text[:2_000].encode("utf-8", "replace").decode()
        scene.prompt(text, f"t-{number}")
        scene.reasoning(f"r{number}", text)
        scene.said(f"r{number}", text)
        scene.ran(f"c{number}", text[:40], text, text, text, text, 1)
        scene.asks(f"d{number}", text, text)
        scene.end("failed", text)
    app = chat.Panes(scene)
    async with app.run_test(size=(60, 20)) as pilot:
        transcript = app.pane.transcript
        transcript.action_start()
        for _ in range(len(scene.store.transcript(chat.AGENT).entries)):
            for strip in transcript.render_lines(transcript.size.region):
                assert strip.cell_length == 59
                assert not [c for c in strip.text if ord(c) < 32 or 0x7F <= ord(c) < 0xA0]
            if transcript.viewport.following:
                break
            transcript.action_page(4.0)
        await pilot.pause()


async def test_a_pane_without_room_does_no_harm(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.rich()
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        for width, height in ((3, 3), (1, 1), (9, 5), (80, 2), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
        assert "waiting for you" in "\n".join(app.shown())
