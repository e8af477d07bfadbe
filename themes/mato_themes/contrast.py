"""Whether a palette can be read: contrast ratios as WCAG 2.2 defines them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mato_themes.palette import Palette, tokens

TEXT_RATIO = 4.5
"""WCAG 2.2 §1.4.3 (AA) for text."""
SHAPE_RATIO = 3.0
"""WCAG 2.2 §1.4.11 for what is no text but must be seen."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A pair of colours with too little contrast."""

    front: str
    """Token of the text or line."""
    back: str
    """Token of what it stands on."""
    ratio: float
    """Their contrast, 1 to 21."""
    needed: float
    """The least it should be."""


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 (black) to 1 (white); WCAG 2.2, "relative luminance"."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21, in either order; WCAG 2.2, "contrast ratio"."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def check(palette: Palette) -> list[Shortfall]:
    """Every pair that the workspace draws and that is too close, worst first; empty is good."""
    colours = dict(tokens(palette))
    short = [
        Shortfall(front, back, ratio(colours[front], colours[back]), needed)
        for front, back, needed in pairs(palette)
        if ratio(colours[front], colours[back]) < needed
    ]
    return sorted(short, key=lambda pair: pair.ratio - pair.needed)


def pairs(palette: Palette) -> Iterator[tuple[str, str, float]]:
    """What is drawn on what: token in front, token behind, the contrast it needs."""
    names = [name for name, _ in tokens(palette)]
    surfaces = [name for name in names if name.startswith("surface-")]
    inks = [
        name for name in names if name.startswith(("ink-", "state-")) and name != "ink-on-accent"
    ]
    for surface in surfaces:
        for ink in inks:
            yield ink, surface, TEXT_RATIO
        yield "line-focus", surface, SHAPE_RATIO
    yield "ink-on-accent", "ink-accent", TEXT_RATIO
    for change in ("added", "removed"):
        ground = f"diff-{change}-ground"
        for front in (f"diff-{change}", "ink-text", "ink-dim"):
            yield front, ground, TEXT_RATIO
        for surface in ("surface-pane", "surface-raised", "surface-code"):
            yield f"diff-{change}", surface, TEXT_RATIO


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
