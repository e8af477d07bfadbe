"""Lines of spans become strips in the theme's colours, for everything around the panes."""

from __future__ import annotations

from typing import cast

from rich.style import Style
from textual.app import App
from textual.dom import DOMNode
from textual.strip import Strip
from textual.widget import Widget

from mato_panes.rendering.line import Line, Role, cells, clip
from mato_panes.rendering.paint import Paint, joined


def app_of(node: DOMNode) -> App[object]:
    """The app of a node, with its type said."""
    return cast("App[object]", node.app)  # pyright: ignore[reportUnknownMemberType] - Textual leaves its type argument open


_PAINTS: dict[tuple[str, str], Paint] = {}
# By theme and surface: a few dozen at most, since a name means one theme within a process.


def styles(widget: Widget, surface: str) -> dict[Role, Style]:
    """The styles of all roles on a surface of the theme (``raised``, ``overlay`` …)."""
    app = app_of(widget)
    key = (app.theme, surface)
    if key not in _PAINTS:
        _PAINTS[key] = Paint(app.theme_variables, f"surface-{surface}")
    return _PAINTS[key].styles


def strip(widget: Widget, line: Line, width: int, surface: str) -> Strip:
    """The line as a strip of exactly `width` cells, cut with an ellipsis where it is longer."""
    roles = styles(widget, surface)
    line = clip(line, width)
    spans = [(text, roles[role]) for text, role in line]
    if (used := cells(line)) < width:
        last = line[-1][1] if line else "text"
        fill = last if last in ("added", "removed") else "text"
        spans.append((" " * (width - used), roles[fill]))
    return Strip(joined(spans), width)
