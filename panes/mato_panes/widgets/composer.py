"""Where a prompt is written: grows with its lines, sends on enter, remembers what was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, cast

from rich.cells import get_character_cell_size
from rich.text import Text
from textual import events, on
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.keys import Keys
from textual.message import Message
from textual.widgets import Static, TextArea

from mato.text import MARKS_PER_BASE, display, one_line
from mato_panes.messages import CopyWanted, PromptSubmitted
from mato_panes.widgets import paint
from mato_panes.widgets.pasting import Pastes

MOST_LINES = 8
NEWLINE_KEYS = frozenset({"ctrl+j", "alt+enter", "shift+enter", "ctrl+enter"})

# Without the Kitty protocol alt+enter is ESC CR, for which Textual has no name: it reports a plain
# enter, and half a prompt would be sent. Its table is the only place where that can be said.
cast("dict[str, tuple[Keys, ...]]", ANSI_SEQUENCES_KEYS).setdefault("\x1b\r", (Keys.ControlJ,))


class Composer(Horizontal):
    """The draft of a prompt to one agent."""

    DEFAULT_CSS = """
    Composer {
        height: auto;
        max-height: 8;
        background: $mato-surface-raised;
    }
    Composer > Static {
        width: 3;
        color: $mato-ink-dim;
        text-style: bold;
    }
    Composer:focus-within > Static { color: $mato-ink-accent; }
    """

    class Left(Message):
        """The person wants out of the composer."""

    def __init__(self, agent: str, name: str, history: Callable[[], Sequence[str]]) -> None:
        super().__init__()
        self.agent = agent
        self._name = one_line(name, 24)
        self._busy = False
        self._told = (name, False)
        self.draft = Draft(history)

    def compose(self) -> ComposeResult:
        yield Static(Content(" ❯ "))
        yield self.draft

    def show(self, name: str, busy: bool) -> None:
        """The agent's name, and whether what is sent now waits for its turn."""
        if (name, busy) != self._told:
            self._told = name, busy
            self._name, self._busy = one_line(name, 24), busy
            self._prompt()

    def on_resize(self) -> None:
        self._prompt()

    def limit(self, lines: int) -> None:
        """Grow to this many lines at most; a draft that is longer scrolls."""
        self.draft.styles.max_height = lines

    def _prompt(self) -> None:
        """What the empty draft says can be done, as much as has room."""
        after = "enter queues" if self._busy else "enter sends"
        text = f"message {self._name}"
        room = self.size.width - 5
        for part in (f" · {after}", " · ctrl+j newline", " · tab to read"):
            if len(text) + len(part) <= room:
                text += part
        if str(self.draft.placeholder) != text:
            self.draft.placeholder = Content(text)

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()

    def submit(self) -> None:
        """Send the draft, if it says anything."""
        text = self.draft.whole()
        if text.strip():
            self.post_message(PromptSubmitted(self.agent, text))
            self.draft.reset()


class Draft(TextArea):
    """The editor of a composer."""

    DEFAULT_CSS = """
    Draft, Draft:focus {
        height: auto;
        max-height: 8;
        width: 1fr;
        border: none;
        padding: 0;
        background: $mato-surface-raised;
        color: $mato-ink-text;
        scrollbar-size-vertical: 1;
    }
    Draft .text-area--placeholder { color: $mato-ink-dim; }
    Draft .text-area--cursor { background: $mato-ink-accent; color: $mato-ink-on-accent; }
    Draft .text-area--selection { background: $mato-surface-selection; }
    Draft .text-area--cursor-line { background: transparent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "earlier", "earlier prompt", show=False),
        Binding("down", "later", "later prompt", show=False),
    ]

    def __init__(self, history: Callable[[], Sequence[str]]) -> None:
        super().__init__(
            soft_wrap=True, tab_behavior="focus", highlight_cursor_line=False, compact=True
        )
        self.cursor_blink = False
        self.match_cursor_bracket = False
        self._sent = history
        self._pastes = Pastes()
        self._back = 0  # how many prompts back the history is; 0: the draft itself
        self._kept = ""  # the draft, while an earlier prompt is shown

    def whole(self) -> str:
        """The text to be sent, pastes in full."""
        return self._pastes.expanded(self.text)

    def reset(self) -> None:
        """Begin an empty draft."""
        self._pastes.clear()
        self._back, self._kept = 0, ""
        self.load_text("")

    def take(self, text: str) -> None:
        """Insert text as if it was typed; long or odd text as a mark."""
        start, end = sorted(self.selection)
        result = self.replace(self._pastes.taken(text), start, end)
        self.move_cursor(result.end_location)
        self.scroll_cursor_visible()

    def get_line(self, line_index: int) -> Text:
        """A line of the draft, safe to show: one shown character for each of its own."""
        source = self.document.get_line(line_index)
        shown = source
        if not source.isascii() or display(source) != source:
            shown = _masked(source)
        text = Text(shown, end="", no_wrap=True)
        for start, end in self._pastes.marks(source):
            text.stylize(paint.styles(self, "raised")["link"], start, end)
        return text

    async def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            parent = self.parent
            assert isinstance(parent, Composer)
            parent.submit()
        elif event.key in NEWLINE_KEYS:
            self.replace("\n", *sorted(self.selection))
        elif event.key == "escape":
            self.post_message(Composer.Left())
        else:
            return
        event.stop()
        event.prevent_default()

    async def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        # Terminals send the line ends of a paste as CR.
        self.take(event.text.replace("\r\n", "\n").replace("\r", "\n"))

    def action_paste(self) -> None:
        """Insert what was cut or copied here."""
        self.take(paint.app_of(self).clipboard)

    def action_copy(self) -> None:
        """Copy the selection; without one, put the draft aside. An empty draft: nothing."""
        if text := self.selected_text:
            self.post_message(CopyWanted(text))
        elif self.text:
            kept = self.whole()
            self.reset()
            self._kept = kept

    def action_delete_left(self) -> None:
        """Delete a character, or the whole mark of a paste."""
        row, column = self.cursor_location
        if self.selection.is_empty:
            for start, end in self._pastes.marks(self.document.get_line(row)):
                if start < column <= end:
                    self.delete((row, start), (row, end))
                    return
        super().action_delete_left()

    def action_earlier(self) -> None:
        """One line up; in the first, the prompt that was sent before."""
        if not self.cursor_at_first_line:
            self.action_cursor_up()
        else:
            self._recall(self._back + 1)

    def action_later(self) -> None:
        """One line down; in the last, the prompt that was sent after."""
        if not self.cursor_at_last_line:
            self.action_cursor_down()
        elif self._back:
            self._recall(self._back - 1)
        elif self._kept and not self.text:
            self._show(self._kept)
            self._kept = ""

    def _recall(self, back: int) -> None:
        sent = self._sent()
        if back > len(sent):
            return
        if self._back == 0 and self.text:
            self._kept = self.whole()
        self._back = back
        self._show(sent[-back] if back else self._kept)

    def _show(self, text: str) -> None:
        self._pastes.clear()
        self.load_text("")
        self.take(text)


def _masked(source: str) -> str:
    """The line with a visible character for each one that must not reach a terminal."""
    masked: list[str] = []
    marks = 0
    for character in source:
        shown = display("o" + character)
        if len(shown) != 2:
            masked.append("\ufffd")
            continue
        marks = 0 if get_character_cell_size(character) else marks + 1
        masked.append(shown[1] if marks <= MARKS_PER_BASE else "\ufffd")
    return "".join(masked)
