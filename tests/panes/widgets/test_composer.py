"""The composer as a person uses it: writing, sending, recalling, pasting."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual._xterm_parser import XTermParser

from mato_panes.messages import CopyWanted, PromptSubmitted
from mato_panes.widgets.pasting import Pastes


def sent(app: Any) -> list[str]:
    return [message.text for message in app.sent_of(PromptSubmitted)]


async def test_enter_sends_and_empties(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.press(*"hello", "enter")
        assert sent(app) == ["hello"]
        assert app.sent_of(PromptSubmitted)[0].agent == chat.AGENT
        assert app.pane.composer.draft.text == ""


async def test_nothing_is_not_sent(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.press("enter", "space", "enter")
        assert sent(app) == []


async def test_ctrl_j_alt_enter_and_shift_enter_begin_a_line(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.press("a", "ctrl+j", "b", "alt+enter", "c", "shift+enter", "d")
        assert app.pane.composer.draft.text == "a\nb\nc\nd"
        await pilot.pause()
        assert app.pane.composer.size.height == 4
        await pilot.press("enter")
        assert sent(app) == ["a\nb\nc\nd"]
        await pilot.pause()
        assert app.pane.composer.size.height == 1


async def test_it_grows_to_eight_lines_and_no_further(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        for _ in range(12):
            await pilot.press("x", "ctrl+j")
        await pilot.pause()
        assert app.pane.composer.size.height == 8


async def test_in_a_low_pane_it_leaves_half_to_the_transcript(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 8)) as pilot:
        app.pane.focus_composer()
        for _ in range(12):
            await pilot.press("x", "ctrl+j")
        await pilot.pause()
        assert app.pane.composer.size.height == 3
        assert app.pane.transcript.size.height == 4


async def test_up_and_down_go_through_what_was_sent(chat: ModuleType) -> None:
    scene = chat.Scene()
    for number in range(3):
        scene.prompt(f"prompt {number}", f"t-{number}")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        draft = app.pane.composer.draft
        await pilot.press(*"new", "up")
        assert draft.text == "prompt 2"
        await pilot.press("up", "up", "up")
        assert draft.text == "prompt 0"
        await pilot.press("down", "down", "down")
        assert draft.text == "new", "the draft is still there"


async def test_up_moves_within_a_draft_of_several_lines_first(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("before", "t-1")
    app = chat.Panes(scene)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.press("a", "ctrl+j", "b", "up")
        assert app.pane.composer.draft.text == "a\nb"
        await pilot.press("up")
        assert app.pane.composer.draft.text == "before"


async def test_a_megabyte_is_folded_and_sent_whole(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    text = "0123456789abcde\n" * 65_536
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.press(*"see ")
        app.pane.composer.draft.post_message(events.Paste(text))
        await pilot.pause()
        assert app.pane.composer.draft.text == "see [pasted 1.0 MB #1]"
        await pilot.press(*" ok", "enter")
        assert sent(app) == [f"see {text} ok"]


async def test_a_short_paste_is_text(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        app.pane.composer.draft.post_message(events.Paste("one\rtwo\r\nthree"))
        await pilot.pause()
        assert app.pane.composer.draft.text == "one\ntwo\nthree"


async def test_backspace_takes_the_mark_of_a_paste_as_one(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        app.pane.composer.draft.post_message(events.Paste("x" * 9_000))
        await pilot.pause()
        await pilot.press("backspace")
        assert app.pane.composer.draft.text == ""


async def test_hostile_text_is_sent_exactly_and_shown_harmlessly(
    chat: ModuleType, hostile_texts: tuple[Any, ...]
) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        draft = app.pane.composer.draft
        for hostile in hostile_texts:
            text = hostile.text.replace("\r\n", "\n").replace("\r", "\n")
            draft.take(text)
            for _ in range(2):
                for y in range(draft.size.height):
                    shown = draft.render_line(y).text
                    bad = [c for c in shown if ord(c) < 32 or 0x7F <= ord(c) < 0xA0]
                    assert not bad, hostile.name
                # Once more as if it had been typed, past the marks.
                draft.load_text(text[:500])
            draft.reset()
            draft.take(text)
            assert draft.whole() == text, hostile.name
            draft.reset()
        await pilot.pause()


async def test_escape_and_tab_lead_to_the_transcript_and_back(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        await pilot.press("escape")
        assert app.pane.transcript.has_focus
        await pilot.press("tab")
        assert app.pane.composer.draft.has_focus
        await pilot.press("tab")
        assert app.pane.transcript.has_focus
        await pilot.press("i")
        assert app.pane.composer.draft.has_focus


async def test_ctrl_c_copies_a_selection_and_puts_a_draft_aside(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus_composer()
        draft = app.pane.composer.draft
        await pilot.press("ctrl+c")
        assert app.is_running
        await pilot.press(*"word", "shift+home", "ctrl+c")
        assert [copied.text for copied in app.sent_of(CopyWanted)] == ["word"]
        await pilot.press("end", "ctrl+c")
        assert draft.text == ""
        await pilot.press("down")
        assert draft.text == "word"


async def test_the_empty_draft_says_what_can_be_done(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        pane = app.pane
        assert "enter queues · ctrl+j newline" in str(pane.composer.draft.placeholder)
        pane.sync(chat.agent(state="idle", name="[bold]x[/bold]"))
        assert str(pane.composer.draft.placeholder).startswith(
            "message [bold]x[/bold] · enter sends"
        )
        await pilot.resize_terminal(24, 24)
        await pilot.pause()
        assert len(str(pane.composer.draft.placeholder)) <= 24


async def test_the_cursor_does_not_blink(chat: ModuleType) -> None:
    app = chat.Panes(chat.Scene())
    async with app.run_test(size=(80, 24)):
        app.pane.focus_composer()
        assert not app.pane.composer.draft.cursor_blink


@given(st.lists(st.text(max_size=40) | st.just("x\n" * 30), max_size=6))
def test_a_draft_of_pastes_is_expanded_exactly(texts: list[str]) -> None:
    pastes = Pastes()
    draft = "|".join(pastes.taken(text) for text in texts)
    assert len(draft) <= sum(map(len, texts)) + 60 * len(texts)
    if not any("[pasted" in text for text in texts):
        assert pastes.expanded(draft) == "|".join(texts)


def test_a_mark_that_was_typed_stands_for_nothing() -> None:
    assert Pastes().expanded("[pasted 1.0 MB #1]") == "[pasted 1.0 MB #1]"


def test_alt_enter_as_terminals_send_it_begins_a_line() -> None:
    keys = [event.key for event in XTermParser().feed("\x1b\r") if isinstance(event, events.Key)]
    assert keys == ["ctrl+j"]
