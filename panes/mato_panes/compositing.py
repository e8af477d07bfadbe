"""Partial screen updates that cost what has changed, not what surrounds it.

Textual renders, for each partial update, every widget that touches the rectangle around all dirty
regions. With many panes in which text streams that is the whole screen, thirty times a second.
Here each dirty piece of a row is asked of the one widget that is seen there, and what is on the
screen already is not written again.

This is Textual's private ground. `install` looks whether it is shaped as it was when this was
written; where it is not, Textual's own way stays, slower and as right.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise, takewhile
from operator import eq
from typing import Any, ClassVar
from weakref import ref

from rich.cells import get_character_cell_size
from rich.console import RenderableType
from rich.segment import Segment
from textual import screen
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

FIRST_S = 0.3
"""How long a first picture waits for what there is to show."""

Place = tuple[int, int]
"""Row and first column of a piece of the screen that one widget draws (Textual: a chop)."""


def install() -> bool:
    """Let all screens made from now on draw so; False where Textual is not as it is known."""
    if not _known():
        return False
    screen.Compositor = FrontToBack  # pyright: ignore[reportPrivateImportUsage] - the name that `Screen` makes its compositor by
    return True


def hold(here: Screen[Any]) -> None:
    """Draw nothing of a screen until `release_when`: not every step of its making."""
    _hold(here, True)


async def release_when(here: Screen[Any], ready: asyncio.Event) -> None:
    """Draw all of a screen once it is ready and laid out, but not later than `FIRST_S`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_S):
            await ready.wait()
            await here.wait_for_refresh()
    _hold(here, False)
    here.refresh()


def _hold(here: Screen[Any], held: bool) -> None:
    compositor = here._compositor  # pyright: ignore[reportPrivateUsage] - what `install` has put there
    if isinstance(compositor, FrontToBack):
        compositor.held = held


def uninstall() -> None:
    """Let screens made from now on draw as Textual does."""
    screen.Compositor = Compositor  # pyright: ignore[reportPrivateImportUsage] - see above


def _known() -> bool:
    try:
        partial = Compositor.render_partial_update.__code__
        names = {"_dirty_regions", "_regions_to_spans", "_render_chops", "cuts", "size"}
        return (
            names <= {*partial.co_names}
            and _parameters(Compositor.render_partial_update) == ["self"]
            and _parameters(Compositor.render_full_update) == ["self", "simplify"]
            and _parameters(Compositor._render_chops) == ["self", "crop", "is_rendered_line"]  # pyright: ignore[reportPrivateUsage] - that is what is asked here
            and _parameters(ChopsUpdate.__init__) == ["self", "chops", "spans", "chop_ends"]
            and isinstance(Compositor.visible_widgets, property)
            and isinstance(Compositor.cuts, property)
            and screen.Compositor in (Compositor, FrontToBack)  # pyright: ignore[reportPrivateImportUsage] - see above
        )
    except AttributeError:
        return False


def _parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


class FrontToBack(Compositor):
    """Textual's compositor with a partial update of its own."""

    _latest: ClassVar[ref[FrontToBack] | None] = None
    """Whose picture is on the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._cut: list[list[int]] | None = None  # the cuts that what follows belongs to
        self._seen_widget: list[dict[int, Widget]] = []  # by row and first column
        self._on_screen: dict[Place, Strip] = {}
        self.held = False
        """While it is, nothing is drawn, and nothing that is to be drawn gets lost."""

    def render_update(
        self,
        full: bool = False,
        screen_stack: list[Screen[Any]] | None = None,
        simplify: bool = False,
    ) -> RenderableType | None:
        if self.held and not full:
            return None
        return super().render_update(full, screen_stack, simplify)  # pyright: ignore[reportUnknownMemberType] - Textual leaves its screens' type argument open

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        self._on_screen.clear()
        return super().render_full_update(simplify)

    def render_partial_update(self) -> ChopsUpdate | None:
        dirty = self._dirty_regions.copy()
        self._dirty_regions.clear()
        if not dirty:
            return None
        self._settle()
        chops: list[dict[int, Strip | None]] = [{} for _ in self.cuts]
        ends: list[list[int]] = [[] for _ in self.cuts]
        spans: list[tuple[int, int, int]] = []
        drawn = self._drawn(self._places(dirty))
        for place in sorted(drawn):
            strip = drawn[place]
            part = difference(self._on_screen.get(place), strip)
            self._on_screen[place] = strip
            if part is None:
                continue
            y, x = place
            if part != (0, strip.cell_length):
                strip = strip.crop(*part)
            x += part[0]
            chops[y][x] = strip
            ends[y].append(x + strip.cell_length)
            spans.append((y, x, x + strip.cell_length))
        return ChopsUpdate(chops, spans, ends) if spans else None

    def _settle(self) -> None:
        """Forget what is known where widgets have moved, or another screen has been drawn since."""
        latest = FrontToBack._latest
        if latest is None or latest() is not self:
            FrontToBack._latest = ref(self)
            self._on_screen.clear()
        if self.root is not None and self.root.app._batch_count:  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType] - frames of a batch are dropped
            self._on_screen.clear()
        cuts = self.cuts
        if cuts is self._cut:
            return
        self._cut = cuts
        self._on_screen.clear()
        self._seen_widget = [{} for _ in cuts]
        for widget, (region, clip) in self.visible_widgets.items():
            shown = region.intersection(clip)
            first, end = shown.column_span
            for y in range(max(0, shown.y), min(shown.bottom, len(cuts))):
                seen = self._seen_widget[y]
                for x in cuts[y]:
                    if first <= x < end and x not in seen:
                        seen[x] = widget

    def _places(self, dirty: set[Region]) -> dict[Widget, dict[int, set[int]]]:
        """What is to be drawn: widget → row → first columns."""
        wanted: dict[Widget, dict[int, set[int]]] = {}
        height = self.size.height
        for y, x1, x2 in self._regions_to_spans(dirty):
            if not 0 <= y < height:
                continue
            row = self.cuts[y]
            seen = self._seen_widget[y]
            for x, end in pairwise(row):
                if x < x2 and end > x1 and (widget := seen.get(x)) is not None:
                    wanted.setdefault(widget, {}).setdefault(y, set()).add(x)
        return wanted

    def _drawn(self, wanted: dict[Widget, dict[int, set[int]]]) -> dict[Place, Strip]:
        drawn: dict[Place, Strip] = {}
        for widget, rows in wanted.items():
            region, clip = self.visible_widgets[widget]
            shown = region.intersection(clip)
            first, end = shown.column_span
            for top, count in _runs(sorted(rows)):
                crop = Region(shown.x - region.x, top - region.y, shown.width, count)
                strips = widget.render_lines(crop)
                for y, strip in zip(range(top, top + count), strips, strict=False):
                    within = [x for x in self.cuts[y] if first <= x <= end]
                    parts = strip.divide([x - first for x in within[1:]])
                    wanted_here = rows[y]
                    for x, part in zip(within, parts, strict=False):
                        if x in wanted_here:
                            drawn[y, x] = part
        return drawn


def _runs(rows: list[int]) -> list[tuple[int, int]]:
    """Rows, ascending, as (first, how many) of those that follow each other."""
    runs: list[tuple[int, int]] = []
    for y in rows:
        if runs and y == runs[-1][0] + runs[-1][1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((y, 1))
    return runs


def difference(old: Strip | None, new: Strip) -> tuple[int, int] | None:
    """The cells (first, end) of `new` that have to be written over `old`; None: none.

    All of it where less would not save half: a strip that is written whole is rendered only once.
    """
    width = new.cell_length
    if old is None or old.cell_length != width:
        return 0, width
    if old is new:
        return None
    before, after = list(old), list(new)
    same = _same_cells(before, after)
    if same >= width:
        return None
    same_at_end = _same_cells(before[::-1], after[::-1], from_the_end=True)
    if same + same_at_end >= width:
        return None
    if (same + same_at_end) * 2 < width or _has_marks(new.text):
        return 0, width
    return same, width - same_at_end


def _same_cells(before: list[Segment], after: list[Segment], *, from_the_end: bool = False) -> int:
    """How many cells are the same before the first that is not."""
    cells = 0
    for old, new in zip(before, after, strict=False):
        if old == new:
            cells += new.cell_length
            continue
        if old.style == new.style and old.text.isascii() and new.text.isascii():
            step = -1 if from_the_end else 1
            cells += sum(takewhile(bool, map(eq, old.text[::step], new.text[::step])))
        break
    return cells


def _has_marks(text: str) -> bool:
    """Whether a character combines with the one before: then both must be written together."""
    return not text.isascii() and any(
        character > "\x7f" and not get_character_cell_size(character) for character in text
    )
