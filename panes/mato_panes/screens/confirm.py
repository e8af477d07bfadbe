"""A question that one key answers; there is no default answer, Enter does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mato.text import display
from mato_panes.guarding import Guard
from mato_panes.screens.dialog import Dialog


class Confirm(Dialog[str]):
    """Ends with the key of the answer, or None."""

    DEFAULT_CSS = """
    Confirm > #box { width: 64; padding: 1 2; }
    Confirm Static { height: auto; }
    Confirm #answers { margin-top: 1; }
    """

    can_focus = True

    def __init__(
        self, title: str, text: str, answers: Mapping[str, str], *, careful: bool = False
    ) -> None:
        """`answers`: key → what it does, in the order shown. `careful`: no key counts that is
        pressed before the question has been in sight for a moment.
        """
        super().__init__(title)
        self._careful = careful
        self.guard = Guard()
        self._text = display(text)
        self._answers = dict(answers)

    def body(self) -> Iterable[Widget]:
        yield Static(Content(self._text), markup=False)
        parts: list[Content] = []
        for key, meaning in self._answers.items():
            if parts:
                parts.append(Content("\n"))
            parts.append(Content.styled(f"  {key}", "bold $mato-ink-accent"))
            parts.append(Content(f"   {display(meaning, newline=False)}"))
        yield Static(Content("").join(parts), id="answers", markup=False)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.guard.drawn({"": ""}, monotonic())

    def on_key(self, event: events.Key) -> None:
        pressed = event.character or event.key
        if pressed in self._answers and self._careful and not self.guard.lets("", event.time):
            event.stop()
            event.prevent_default()
        elif pressed in self._answers:
            event.stop()
            event.prevent_default()  # the dialog's own handler comes next
            self.dismiss(pressed)
