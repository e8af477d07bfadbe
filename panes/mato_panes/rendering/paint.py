"""Lines become strips: roles get the theme's colours, decorations are laid over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from mato_panes.rendering.line import Line, Role, cells, clip, plain
from mato_themes.catalog import DARK, builtin_palettes
from mato_themes.textual import PREFIX, css_variables

_INKS: dict[Role, tuple[str, str]] = {
    # role: (token of its colour, attributes)
    "text": ("ink-text", ""),
    "strong": ("ink-text", "bold"),
    "emphasis": ("ink-text", "italic"),
    "heading": ("ink-accent", "bold"),
    "code": ("ink-code", ""),
    "link": ("ink-link", "underline"),
    "quote": ("ink-dim", "italic"),
    "bullet": ("ink-accent", ""),
    "dim": ("ink-dim", ""),
    "faint": ("line-border", ""),
    "fence": ("ink-text", ""),
    "code-bar": ("line-border", ""),
    "keyword": ("ink-accent", ""),
    "string": ("state-done", ""),
    "comment": ("ink-dim", "italic"),
    "number": ("ink-warning", ""),
    "name": ("ink-link", ""),
    "prompt": ("ink-text", "bold"),
    "prompt-mark": ("ink-accent", "bold"),
    "queued": ("ink-dim", "italic"),
    "reasoning": ("ink-reasoning", "italic"),
    "starting": ("state-starting", ""),
    "working": ("state-working", ""),
    "blocked": ("state-blocked", "bold"),
    "done": ("state-done", ""),
    "idle": ("state-idle", ""),
    "failed": ("state-failed", "bold"),
    "stopped": ("state-stopped", ""),
    "title": ("ink-text", "bold"),
    "output": ("ink-dim", ""),
    "key": ("ink-accent", "bold"),
    "added": ("diff-added", ""),
    "removed": ("diff-removed", ""),
    "added-mark": ("diff-added", "bold"),
    "removed-mark": ("diff-removed", "bold"),
    "hunk": ("ink-dim", ""),
    "info": ("ink-dim", ""),
    "warning": ("ink-warning", ""),
    "error": ("state-failed", ""),
    "hit": ("ink-text", "underline"),
    "hit-now": ("ink-on-accent", "bold"),
    "selection": ("ink-text", ""),
    "cursor": ("ink-accent", "bold"),
    "scrollbar": ("line-rule", ""),
    "thumb": ("line-border", ""),
    "badge": ("ink-on-accent", "bold"),
}
_GROUNDS: dict[Role, str] = {
    "added": "diff-added-ground",
    "removed": "diff-removed-ground",
    "added-mark": "diff-added-ground",
    "removed-mark": "diff-removed-ground",
    "hit": "surface-selection",
    "hit-now": "ink-accent",
    "selection": "surface-selection",
    "badge": "ink-accent",
}
_FILLED: frozenset[Role] = frozenset({"added", "removed", "added-mark", "removed-mark"})
"""Roles whose ground goes on to the end of the row."""


class Look(NamedTuple):
    """What is laid over a row."""

    cursor: bool = False
    selected: tuple[int, int] | None = None
    """Cells (first, end) of the selection; end -1: to the end of the row."""
    needle: str = ""
    """What is searched for, lower case; found in the row, it is marked."""
    found: bool = False
    """The row holds the hit that the search is at."""
    thumb: bool | None = None
    """Whether the scrollbar's thumb is at this row; None: there is no scrollbar."""
    badge: str = ""
    """A note over the right end of the row."""


PLAIN = Look()


class Paint:
    """The styles of all roles on the ground of a surface, in one theme."""

    def __init__(self, variables: Mapping[str, str], surface: str = "surface-pane") -> None:
        known = css_variables(builtin_palettes()[DARK]) | dict(variables)
        ground = known[PREFIX + surface]
        self.styles: dict[Role, Style] = {}
        for role, (ink, attributes) in _INKS.items():
            behind = known[PREFIX + _GROUNDS[role]] if role in _GROUNDS else ground
            style = Style.parse(f"{attributes} {known[PREFIX + ink]} on {behind}")
            self.styles[role] = style
        self.base = self.styles["text"]

    def strip(self, line: Line, width: int, look: Look = PLAIN) -> Strip:
        """The row of a transcript: cursor bar, the line, padding, scrollbar; `width` cells."""
        styles = self.styles
        bar = look.thumb is not None
        room = width - 1 - bar
        line = clip(line, max(0, room))
        used = cells(line)
        last: Role = line[-1][1] if line else "text"
        fill = styles[last] if last in _FILLED else self.base
        spans = [(text, styles[role]) for text, role in line]
        if used < room:
            spans.append((" " * (room - used), fill))
        if look.needle:
            spans = self._marked(spans, line, look)
        if look.selected is not None:
            first, end = look.selected
            text = "".join(piece for piece, _ in spans)
            stop = len(text) if end < 0 else index_at(text, end)
            spans = overlaid(spans, index_at(text, first), stop, styles["selection"])
        if look.badge and room > len(look.badge) + 2:
            keep = index_at("".join(piece for piece, _ in spans), room - len(look.badge))
            spans = overlaid(spans, keep, None, None)
            short = room - len(look.badge) - sum(map(_cells, spans))
            spans += [(" " * short, self.base), (look.badge, styles["badge"])]
        spans.insert(0, ("▎", styles["cursor"]) if look.cursor else (" ", self.base))
        if bar:
            spans.append(("▐", styles["thumb"]) if look.thumb else (" ", self.base))
        return Strip(joined(spans), width)

    def _marked(
        self, spans: list[tuple[str, Style]], line: Line, look: Look
    ) -> list[tuple[str, Style]]:
        text = plain(line).lower()
        if len(text) != len(plain(line)):
            return spans
        style = self.styles["hit-now" if look.found else "hit"]
        start = text.find(look.needle)
        while start >= 0:
            spans = overlaid(spans, start, start + len(look.needle), style)
            start = text.find(look.needle, start + len(look.needle))
        return spans


def _cells(span: tuple[str, Style]) -> int:
    return sum(map(get_character_cell_size, span[0]))


def joined(spans: Iterable[tuple[str, Style]]) -> list[Segment]:
    """The spans as segments, as few as their styles allow: each costs some forty bytes."""
    segments: list[Segment] = []
    for text, style in spans:
        if not text:
            continue
        if segments and segments[-1].style is style:
            segments[-1] = Segment(segments[-1].text + text, style)
        else:
            segments.append(Segment(text, style))
    return segments


def index_at(text: str, cell: int) -> int:
    """The index of the character that covers a cell; the text's length beyond its end."""
    if text.isascii():
        return min(cell, len(text))
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > cell:
            return index
    return len(text)


def overlaid(
    spans: list[tuple[str, Style]], start: int, end: int | None, style: Style | None
) -> list[tuple[str, Style]]:
    """The spans with `style` over the characters from `start` to `end`; without one, cut away."""
    result: list[tuple[str, Style]] = []
    offset = 0
    for text, own in spans:
        first = max(0, start - offset)
        stop = len(text) if end is None else max(0, end - offset)
        offset += len(text)
        if first >= len(text) or stop <= first:
            result.append((text, own))
            continue
        if first:
            result.append((text[:first], own))
        if style is not None:
            result.append((text[first:stop], own + style))
        if text[stop:]:
            result.append((text[stop:], own))
    return result
