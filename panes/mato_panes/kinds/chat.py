"""A pane of an agent that talks: header, transcript, composer. The frame is drawn around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from mato.text import Shown, one_line
from mato_panes.messages import PaneFocused
from mato_panes.store import SessionStore
from mato_panes.widgets.composer import MOST_LINES, Composer
from mato_panes.widgets.header import PaneHeader
from mato_panes.widgets.pause import PauseLine
from mato_panes.widgets.search import SearchLine
from mato_panes.widgets.states import RUNNING
from mato_panes.widgets.transcript import Transcript
from mato_sessions.catalog import AgentSummary
from mato_sessions.clock import SystemClock
from mato_sessions.entries import PromptEntry

HISTORY = 200
"""Prompts that the composer can go back to."""


class ChatPane(Widget):
    """One agent's pane."""

    DEFAULT_CSS = """
    ChatPane {
        layout: vertical;
        width: 1fr;
        height: 1fr;
        background: $mato-surface-pane;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,shift+tab", "switch", "write or read", show=False),
    ]

    def __init__(
        self,
        pane_id: str,
        agent: AgentSummary,
        store: SessionStore,
        *,
        tick_us: Callable[[], int],
        wall_us: Callable[[], int] | None = None,
    ) -> None:
        """`tick_us` is the clock of events' mono_us, `wall_us` that of at_us (the system's)."""
        super().__init__()
        self.pane_id = pane_id
        self.agent = agent
        self._store = store
        self._tick_us = tick_us
        self._wall_us = wall_us or SystemClock().wall_us
        self._reader = store.reader(agent.id)
        self.header = PaneHeader(agent)
        self.transcript = Transcript(agent.id, store.transcript(agent.id).entries)
        self.search_line = SearchLine()
        self.pause = PauseLine(agent.id)
        self.composer = Composer(agent.id, agent.name, self._history)

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.transcript
        yield self.search_line
        yield self.pause
        yield self.composer

    def on_mount(self) -> None:
        self.sync(self.agent)

    def on_resize(self, event: events.Resize) -> None:
        # What is read keeps at least half of a low pane.
        self.composer.limit(max(1, min(MOST_LINES, event.size.height // 2 - 1)))

    def on_show(self) -> None:
        # While it was hidden nobody called `sync`.
        self.sync(self.agent)

    def on_unmount(self) -> None:
        self._store.leave(self.agent.id, self._reader)

    @property
    def title(self) -> Shown:
        """The pane's name for the frame."""
        return one_line(self.agent.name, 40)

    def sync(self, agent: AgentSummary) -> None:
        """Show what has changed since the last call; cheap when nothing has."""
        self.agent = agent
        changed = self._store.changed(agent.id, self._reader)
        self.header.show(agent, self._wall_us())
        self.pause.show(agent)
        self.composer.show(agent.name, busy=agent.state in RUNNING)
        name = one_line(agent.name, 24)
        hint = "" if agent.state == "stopped" else f"Write below what {name} shall do."
        wait = self._store.waits.get(agent.id) if agent.state == "working" else None
        self.transcript.sync(changed, self._tick_us(), wait, hint)

    def _history(self) -> list[str]:
        """What was sent to the agent, oldest first, repetitions left out."""
        entries = self._store.transcript(self.agent.id).entries
        texts = [entry.text for entry in entries if isinstance(entry, PromptEntry)][-HISTORY:]
        return [text for i, text in enumerate(texts) if i == 0 or text != texts[i - 1]]

    # --- focus ------------------------------------------------------------------------------

    def focus_composer(self) -> None:
        """Write to the agent."""
        self.composer.draft.focus()

    def focus_transcript(self) -> None:
        """Read: keys go to the transcript."""
        self.transcript.focus()

    def scroll_mode(self) -> None:
        """Read with tmux's copy-mode keys."""
        self.transcript.copy_mode()

    def search(self) -> None:
        """Open the search line."""
        self.search_line.open()

    def answer_failed(self, call: str) -> None:
        """The answer to a waiting call has not been taken: it can be given again."""
        self.transcript.answer_failed(call)

    def action_switch(self) -> None:
        """From the composer to the transcript and back."""
        if self.composer.draft.has_focus:
            self.focus_transcript()
        else:
            self.focus_composer()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.header.activate(True)
        self.post_message(PaneFocused(self.pane_id))

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self.header.activate(False)

    @on(Transcript.SearchWanted)
    def _search_wanted(self, event: Transcript.SearchWanted) -> None:
        event.stop()
        self.search()

    @on(Transcript.ComposerWanted)
    def _composer_wanted(self, event: Transcript.ComposerWanted) -> None:
        event.stop()
        self.focus_composer()

    @on(Composer.Left)
    def _composer_left(self, event: Composer.Left) -> None:
        event.stop()
        self.focus_transcript()

    @on(SearchLine.Typed)
    def _search_typed(self, event: SearchLine.Typed) -> None:
        event.stop()
        self.transcript.find(event.needle)

    @on(SearchLine.Closed)
    def _search_closed(self, event: SearchLine.Closed) -> None:
        event.stop()
        if not event.kept:
            self.transcript.find("")
        self.focus_transcript()
