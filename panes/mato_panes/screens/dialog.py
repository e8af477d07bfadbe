"""The box that all dialogs are in: title, body, a line of keys; Esc leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget

from mato.text import display

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A modal box over the workspace; subclasses give its body."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $mato-surface-ground 55%; }
    Dialog > #box {
        width: 72;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        padding: 0 1;
        border: round $mato-line-focus;
        border-title-color: $mato-ink-accent;
        border-title-style: bold;
        border-subtitle-color: $mato-ink-dim;
        border-title-background: $mato-surface-overlay;
        border-subtitle-background: $mato-surface-overlay;
        background: $mato-surface-overlay;
        color: $mato-ink-text;
    }
    """

    AUTO_FOCUS: ClassVar[str | None] = "#box *"
    leaving: ClassVar[frozenset[str]] = frozenset({"escape", "ctrl+c"})
    """Keys that leave the dialog without an answer."""
    takes_typeahead: ClassVar[bool] = True
    """Whether keys typed before it was on the screen count; they never decide a call."""

    def __init__(self, title: str, keys: str = "Esc leaves") -> None:
        super().__init__()
        self.when_ready: Callable[[], None] = lambda: None
        """Called once the dialog has the focus; keys typed ahead come after it."""
        self._title = display(title, newline=False)
        self._keys = display(keys, newline=False)

    def body(self) -> Iterable[Widget]:
        """The widgets in the box, from top to bottom."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content(self._keys)
            yield from self.body()

    def say_keys(self, keys: str) -> None:
        """Change the line of keys."""
        self.query_one("#box").border_subtitle = Content(display(keys, newline=False))

    def on_screen_resume(self) -> None:
        if self.takes_typeahead:
            self.call_after_refresh(self.when_ready)
        else:
            self.when_ready()  # before its first picture: what is typed after that has seen it

    def on_key(self, event: events.Key) -> None:
        if event.key in self.leaving:
            event.stop()
            self.dismiss(None)
