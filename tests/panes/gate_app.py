"""A Textual app that shows hostile texts in many widgets, uncleaned: run as a program by the tests.

Run: python gate_app.py TEXTS.json gated|open
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.text import Text
from textual.app import App, ComposeResult
from textual.content import Content
from textual.widgets import (
    DataTable,
    Input,
    Label,
    Log,
    OptionList,
    RichLog,
    Static,
    TextArea,
    Tree,
)

from mato_panes import gate


class HostileApp(App[None]):
    CSS = "Screen > * { height: 4; } Static { border: round blue; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self.texts = texts

    def compose(self) -> ComposeResult:
        yield Static(markup=False, id="static")
        yield Static(id="rich")
        yield Static(id="content")
        yield Label(markup=False, id="label")
        yield RichLog(markup=False)
        yield Log()
        yield Input(id="input")
        yield TextArea()
        yield DataTable[Text]()
        yield Tree[None](Text("root"))
        yield OptionList(markup=False)

    def on_mount(self) -> None:
        self.query_one(DataTable).add_column("cell", width=60)
        self.show_next()

    def show_next(self) -> None:
        if not self.texts:
            self.exit(message="bye \x1b]0;owned\x07 \x1b[?1003h")
            return
        text = self.texts.pop()
        static = self.query_one("#static", Static)
        static.update(text)
        static.border_title = Content(text)
        self.query_one("#rich", Static).update(Text(text, style=f"link {text or 'x'}"))
        self.query_one("#content", Static).update(Content(text))
        self.query_one("#label", Label).update(text)
        self.query_one(RichLog).write(text)
        self.query_one(Log).write_line(text)
        self.query_one("#input", Input).value = text
        self.query_one(TextArea).text = text
        self.query_one(DataTable).clear()
        self.query_one(DataTable).add_row(Text(text))
        tree = self.query_one(Tree)
        tree.clear()
        tree.root.set_label(Text(text))
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_option(text)
        if len(self.texts) % 20 == 0:
            self.clear_notifications()
            self.notify(text, title=text, markup=False)
        self.call_after_refresh(self.show_next)


if __name__ == "__main__":
    if sys.argv[2] == "gated":
        gate.install()
    HostileApp(json.loads(Path(sys.argv[1]).read_text())).run()
