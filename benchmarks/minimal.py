"""The yardstick for a screen: the least that Textual can show, run as a program of its own.

``python minimal.py`` shows one line of text; ``python minimal.py keys`` an input line as well.
"""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import Static

TEXT = "the least that can be shown"
EMPTY = "nothing typed"
"""What the input line shows while it is empty."""


class Text(App[None]):
    """One line."""

    def compose(self) -> ComposeResult:
        yield Static(TEXT)


class Keys(App[None]):
    """One line, and one to type in."""

    def compose(self) -> ComposeResult:
        # Only what types needs it: the first line is to come as early as Textual can.
        from textual.widgets import Input

        yield Static(TEXT)
        line = Input(placeholder=EMPTY)
        # A blinking cursor would be work where the other side has none.
        line.cursor_blink = False
        yield line


if __name__ == "__main__":
    (Keys if sys.argv[1:] == ["keys"] else Text)().run()
