"""What a theme says: the colours of the workspace, by what they mean and never by what they are.

A palette has five groups. Surfaces lie on one another from `ground` up to `overlay`; inks are
written on surfaces; lines separate; states colour what an agent is doing (always next to a word or
a glyph, never alone); diffs have inks and grounds of their own. Every colour is `#rrggbb`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

COLOUR = re.compile(r"#[0-9a-f]{6}")


class ThemeError(ValueError):
    """A theme cannot be read or found; the message is one sentence and names the file or theme."""


@dataclass(frozen=True, slots=True)
class Surfaces:
    """Backgrounds, from the lowest up."""

    ground: str
    """Behind everything: the gaps between panes, the sidebar."""
    pane: str
    """Where transcripts and terminals are read."""
    raised: str
    """Cards, the composer, pane headers."""
    overlay: str
    """Dialogs, the palette, menus."""
    bar: str
    """The status bar."""
    code: str
    """Code blocks and tool output."""
    selection: str
    """The selected row or text."""


@dataclass(frozen=True, slots=True)
class Inks:
    """Text colours; each can be read on every surface."""

    text: str
    """What is read."""
    dim: str
    """Times, counts, hints."""
    accent: str
    """The one accent: titles of the focused pane, keys, the prompt's mark."""
    on_accent: str
    """Text on a ground of accent colour."""
    code: str
    """Inline code and file names."""
    reasoning: str
    """What a model thinks before it answers."""
    link: str
    """Addresses."""
    warning: str
    """What wants attention without being an error."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Borders and rules; no text."""

    border: str
    """Around a pane without focus."""
    focus: str
    """Around the pane with focus: at least 3:1 on its neighbours."""
    rule: str
    """Inside a pane: between turns, around cards."""


@dataclass(frozen=True, slots=True)
class States:
    """What an agent is doing."""

    starting: str
    working: str
    blocked: str
    idle: str
    done: str
    failed: str
    stopped: str


@dataclass(frozen=True, slots=True)
class Diffs:
    """Added and removed lines."""

    added: str
    added_ground: str
    removed: str
    removed_ground: str


@dataclass(frozen=True, slots=True)
class Palette:
    """One theme, whole."""

    name: str
    """What the configuration calls it: lower case, digits and hyphens."""
    title: str
    """What people read."""
    dark: bool
    """Whether text is lighter than what it stands on."""
    surface: Surfaces
    ink: Inks
    line: Lines
    state: States
    diff: Diffs


GROUPS: dict[str, type[Surfaces] | type[Inks] | type[Lines] | type[States] | type[Diffs]] = {
    "surface": Surfaces,
    "ink": Inks,
    "line": Lines,
    "state": States,
    "diff": Diffs,
}
"""Group name → its struct, as in a theme file and in the names of tokens."""


def tokens(palette: Palette) -> Iterator[tuple[str, str]]:
    """Every colour with its name as `group-token`, such as `diff-added-ground`."""
    for group, struct in GROUPS.items():
        values = getattr(palette, group)
        for field in fields(struct):
            yield f"{group}-{field.name.replace('_', '-')}", getattr(values, field.name)
