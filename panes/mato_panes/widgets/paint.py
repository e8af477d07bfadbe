"""Lines of spans become strips in the theme's colours, for everything that is not a transcript."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.dom import DOMNode
from textual.strip import Strip
from textual.widget import Widget

from mato_panes.rendering.line import Line, Role, clip

_INKS: dict[Role, tuple[str, str]] = {
    "text": ("ink-text", ""),
    "strong": ("ink-text", "bold"),
    "dim": ("ink-dim", ""),
    "faint": ("line-border", ""),
    "title": ("ink-text", "bold"),
    "key": ("ink-accent", ""),
    "badge": ("ink-accent", "bold"),
    "code": ("ink-code", ""),
    "name": ("ink-code", ""),
    "info": ("ink-dim", ""),
    "warning": ("ink-warning", ""),
    "error": ("state-failed", ""),
    "starting": ("state-starting", ""),
    "working": ("state-working", ""),
    "blocked": ("state-blocked", "bold"),
    "idle": ("state-idle", ""),
    "done": ("state-done", ""),
    "failed": ("state-failed", ""),
    "stopped": ("state-stopped", ""),
    "added": ("diff-added", ""),
    "removed": ("diff-removed", ""),
    "hunk": ("ink-dim", ""),
    "hit": ("ink-accent", "bold underline"),
    "output": ("ink-text", ""),
}


def app_of(node: DOMNode) -> App[object]:
    """The app of a node, with its type said."""
    return cast("App[object]", node.app)  # pyright: ignore[reportUnknownMemberType] - Textual leaves its type argument open


@lru_cache(maxsize=1024)
def _style(ink: str, ground: str, attributes: str) -> Style:
    return Style.parse(f"{attributes} {ink} on {ground}".strip())


def style(widget: Widget, role: Role, surface: str, *, attributes: str = "") -> Style:
    """A role's style on a surface of the theme (``raised``, ``overlay`` …)."""
    token, own = _INKS.get(role, ("ink-text", ""))
    colours = app_of(widget).theme_variables
    ink, ground = colours[f"mato-{token}"], colours[f"mato-surface-{surface}"]
    return _style(ink, ground, f"{own} {attributes}".strip())


def strip(widget: Widget, line: Line, width: int, surface: str, *, attributes: str = "") -> Strip:
    """The line as a strip of exactly `width` cells, cut with an ellipsis where it is longer."""
    segments = [
        Segment(text, style(widget, role, surface, attributes=attributes))
        for text, role in clip(line, width)
    ]
    used = sum(cell_len(segment.text) for segment in segments)
    if used < width:
        blank = style(widget, "text", surface, attributes=attributes)
        segments.append(Segment(" " * (width - used), blank))
    return Strip(segments, width)
