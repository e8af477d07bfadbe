"""One calm line above the status bar: something to look at whenever one likes."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from mato.text import display
from mato_panes.rendering.line import Line, cells, clip
from mato_panes.widgets import paint


class Notice(Widget):
    """Takes no room while there is nothing to say."""

    DEFAULT_CSS = """
    Notice { height: 1; width: 1fr; display: none; background: $mato-surface-raised; }
    Notice.-said { display: block; }
    """

    class Pressed(Message):
        """The mouse chose it."""

    def __init__(self) -> None:
        super().__init__()
        self.sentence = ""
        self._hint = ""

    def show(self, sentence: str, hint: str = "") -> None:
        """Say this, and at the right edge what shows more; "" says nothing."""
        if (sentence, hint) != (self.sentence, self._hint):
            self.sentence, self._hint = sentence, hint
            self.set_class(bool(sentence), "-said")
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        hint: Line = ((f"  {display(self._hint, newline=False)} ", "key"),)
        room = max(width - cells(hint), 0)
        said = clip(((f" {display(self.sentence, newline=False)}", "warning"),), room)
        gap: Line = ((" " * max(room - cells(said), 0), "text"),)
        return paint.strip(self, (*said, *gap, *hint), width, "raised")

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Pressed())
