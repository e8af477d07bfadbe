"""Every place where the workspace hands text to Textual or the terminal, by its source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mato_panes

CLEANERS = {"display", "one_line", "terminal_text"}
DRAWERS = {"Static", "Label", "Content"}
"""They show their first argument; `Content` does not read markup, and text has to be in it."""
KNOWN = {
    # Cleaned where the widget is made, or given a new name.
    "dialog.py: Content(self._title)",
    "dialog.py: Content(self._keys)",
    "confirm.py: Content(self._text)",
    "composer.py: Content(text)",
}


def bare(source: str) -> list[str]:
    """Calls that draw or write something that is neither constant nor cleaned."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if _draws(call) and not _harmless(call.args[0])]


def _draws(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in DRAWERS and bool(call.args)
        case ast.Attribute(attr="notify" | "from_markup"):
            return bool(call.args)
        case ast.Attribute(attr="write", value=ast.Name(id="self") | ast.Attribute(attr="_driver")):
            return bool(call.args)
        case _:
            return False


def _harmless(node: ast.expr) -> bool:
    match node:
        case ast.Constant() | ast.Name(id="_PUSH_TITLE" | "_POP_TITLE"):
            return True
        case ast.Call(func=ast.Name(id=name)) if name in CLEANERS:
            return True
        case ast.Call(func=ast.Name(id="Content"), args=[_]):
            return True  # it is looked at by itself
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="Content")))):
            return True  # styled or joined: the same text
        case ast.JoinedStr(values=values):
            return all(map(_harmless, values))
        case ast.FormattedValue(value=value):
            return _harmless(value)
        case _:
            return False


def test_nothing_is_drawn_without_a_cleaner() -> None:
    files = sorted(Path(mato_panes.__file__).parent.rglob("*.py"))
    assert len(files) > 40
    found = {f"{file.name}: {call}" for file in files for call in bare(file.read_text())}
    assert found - KNOWN == set()
    assert found >= KNOWN, "what is no longer there is taken off the list"


@pytest.mark.parametrize(
    "planted",
    [
        "yield Static(entry.title)",
        "yield Label(f'{name} ended')",
        "box.border_title = Content(name)",
        "self.notify(str(error))",
        "self.write(f'\\x1b]2;{title}\\x07')",
        "self._driver.write(text)",
        "Content.from_markup(text)",
    ],
)
def test_a_planted_bare_sink_is_found(planted: str) -> None:
    assert bare(f"def f(self, box, entry, name, error, title, text):\n    {planted}\n")
