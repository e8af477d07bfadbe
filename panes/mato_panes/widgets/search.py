"""The search line of a transcript: what is typed is looked for at once."""

from __future__ import annotations

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from mato.text import one_line

LONGEST = 200
"""Characters of what can be searched for."""


class SearchLine(Horizontal):
    """One line below the transcript while a search is being typed."""

    DEFAULT_CSS = """
    SearchLine {
        height: 1;
        background: $mato-surface-raised;
        display: none;
    }
    SearchLine.-open { display: block; }
    SearchLine > Static { width: 3; color: $mato-ink-accent; text-style: bold; }
    SearchLine > Input, SearchLine > Input:focus {
        width: 1fr;
        height: 1;
        border: none;
        padding: 0;
        background: $mato-surface-raised;
        color: $mato-ink-text;
    }
    """

    class Typed(Message):
        """Look for this text."""

        def __init__(self, needle: str) -> None:
            super().__init__()
            self.needle = needle

    class Closed(Message):
        """The line is closed; `kept`: its hits stay marked."""

        def __init__(self, kept: bool) -> None:
            super().__init__()
            self.kept = kept

    def compose(self) -> ComposeResult:
        yield Static(Content(" / "))
        yield _SearchInput(
            placeholder="search · enter keeps · esc leaves",
            max_length=LONGEST,
            select_on_focus=True,
        )

    def open(self) -> None:
        """Show the line and type into it."""
        self.add_class("-open")
        self.query_one(Input).focus()

    def _close(self, kept: bool) -> None:
        self.remove_class("-open")
        self.post_message(self.Closed(kept))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close(bool(event.value))

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self._close(False)


class _SearchInput(Input):
    """An input that takes a paste as one cleaned line."""

    def on_mount(self) -> None:
        self.cursor_blink = False

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(one_line(event.text, LONGEST))
