"""Draws a window: its panes on the cells that the geometry gives them, and the lines between."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.strip import Strip
from textual.widget import AwaitMount, Widget

from mato_panes.layout import borders, geometry, tree
from mato_panes.rendering.line import fit
from mato_sessions.events.session import Node, PaneNode

USABLE_WIDTH = 16
USABLE_HEIGHT = 4
"""A pane with less room than this is shown as one line by the window itself."""


class _Placed(Layout):
    """Puts each pane where the window's geometry says."""

    name = "window"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        assert isinstance(parent, WindowView)
        boxes = parent.measure(size.width, size.height).panes
        at = {widget: boxes[pane] for pane, widget in parent.widgets.items() if pane in boxes}
        return [
            WidgetPlacement(Region(*at[child]), Offset(), Spacing(), child)
            for child in children
            if child in at and usable(at[child])
        ]


def usable(box: geometry.Box) -> bool:
    """Whether a pane can be drawn in the box, and not only its line."""
    return box.width >= USABLE_WIDTH and box.height >= USABLE_HEIGHT


class WindowView(Widget):
    """One window at a time; the widgets of the others stay, hidden, with their scroll."""

    DEFAULT_CSS = """
    WindowView {
        width: 1fr;
        height: 1fr;
        background: $mato-surface-ground;
        color: $mato-ink-dim;
    }
    WindowView > .window--line { color: $mato-line-border; background: $mato-surface-ground; }
    WindowView > .window--focus { color: $mato-line-focus; background: $mato-surface-ground; }
    WindowView > .window--pane { color: $mato-ink-text; background: $mato-surface-pane; }
    WindowView > .window--hint { color: $mato-ink-dim; background: $mato-surface-ground; }
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "window--line",
        "window--focus",
        "window--pane",
        "window--hint",
    }

    class BorderMoved(Message):
        """A border shall move by so many cells (negative: left or up)."""

        def __init__(self, border: geometry.Border, cells: int) -> None:
            super().__init__()
            self.border = border
            self.cells = cells

    class BorderDropped(Message):
        """The mouse has let go of the border."""

    class PanePressed(Message):
        """The mouse was pressed on this pane."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def __init__(
        self,
        make: Callable[[PaneNode], Widget],
        line: Callable[[PaneNode], str],
        *,
        id: str | None = None,
    ) -> None:
        """`make` gives the widget of a pane, `line` its one shown line where there is no room."""
        super().__init__(id=id)
        self._placed = _Placed()
        self.widgets: dict[str, Widget] = {}
        self.hint = ""
        """Shown text where the window is empty."""
        self._agents: dict[str, str] = {}
        self._make = make
        self._line = line
        self._root: Node | None = None
        self._focused: str | None = None
        self._geometry = geometry.Geometry({}, ())
        self._measured: tuple[Node | None, int, int] = (None, -1, -1)
        self._cells: borders.Cells | None = None
        self._held: geometry.Border | None = None

    @property
    def layout(self) -> Layout:
        """Textual asks here how the children lie; there is no name for it in CSS."""
        return self._placed

    @property
    def where(self) -> geometry.Geometry:
        """The geometry as it is now."""
        return self.measure(self.size.width, self.size.height)

    def measure(self, width: int, height: int) -> geometry.Geometry:
        key = (self._root, width, height)
        if key != self._measured:
            self._measured = key
            self._geometry = geometry.measure(self._root, width, height)
            self._cells = None
        return self._geometry

    def show(self, root: Node | None, focused: str | None, alive: set[str]) -> AwaitMount | None:
        """Show this tree; widgets of panes that are not `alive` in any window are removed.

        Gives what to await before new panes can take the focus, None where all are there.
        """
        wanted = {leaf.pane: leaf for leaf in tree.panes(root)}
        gone = {pane for pane in self.widgets if pane not in alive}
        gone |= {
            pane for pane, leaf in wanted.items() if pane in self.widgets and not self._shows(leaf)
        }
        new = {
            pane: self._make(leaf)
            for pane, leaf in wanted.items()
            if pane not in self.widgets or pane in gone
        }
        for pane in gone:
            self.widgets.pop(pane).remove()
        self.widgets |= new
        self._agents |= {pane: leaf.agent for pane, leaf in wanted.items()}
        mounting = self.mount(*new.values()) if new else None
        self._root, self._focused = root, focused
        for pane, widget in self.widgets.items():
            widget.display = pane in wanted
            widget.set_class(pane == focused, "-focused-pane")
        self._cells = None
        # Textual keeps where children lie by the size of their parent and by who they are; a
        # refresh of the layout forgets that of the ancestors only.
        self._clear_arrangement_cache()
        self.refresh(layout=True)
        return mounting

    def forget(self) -> None:
        """Remove all panes: another session comes."""
        for widget in self.widgets.values():
            widget.remove()
        self.widgets.clear()
        self._agents.clear()
        self._root = self._focused = None

    def _shows(self, leaf: PaneNode) -> bool:
        """The pane's widget shows the agent that the tree says."""
        return self._agents.get(leaf.pane) == leaf.agent

    def mark_focused(self, pane: str | None) -> None:
        """Draw the focus at this pane."""
        if pane != self._focused:
            for other, widget in self.widgets.items():
                widget.set_class(other == pane, "-focused-pane")
            self._focused = pane
            self._cells = None
            self.refresh()

    def visible_panes(self) -> list[str]:
        """Panes that are drawn now as more than a line."""
        return [pane for pane, box in self.where.panes.items() if usable(box)]

    def lines_shown(self) -> bool:
        """Some panes have only room for a line, which says their state."""
        return any(not usable(box) for box in self.where.panes.values())

    def render_line(self, y: int) -> Strip:
        """What the panes leave free: the lines between them, and panes that are too small."""
        width = self.size.width
        where = self.where
        ground = self.rich_style
        if not where.panes:
            return self._hint_line(y, width, ground)
        if self._cells is None:
            self._cells = borders.draw(where, self._focused)
        line_style = self.get_component_rich_style("window--line")
        focus_style = self.get_component_rich_style("window--focus")
        parts: list[tuple[int, str, Style]] = [
            (x, glyph, focus_style if at_focus else line_style)
            for x in range(width)
            if (cell := self._cells.get((x, y))) is not None
            for glyph, at_focus in [cell]
        ]
        leaves = {leaf.pane: leaf for leaf in tree.panes(self._root)}
        for pane, box in where.panes.items():
            if not usable(box) and box.y <= y < box.bottom and box.width:
                style = self.get_component_rich_style("window--pane")
                text = fit(self._line(leaves[pane]), box.width) if y == box.y else ""
                if pane == self._focused:
                    style += Style(bold=True, reverse=y == box.y)
                parts.append((box.x, text + " " * (box.width - cell_len(text)), style))
        segments: list[Segment] = []
        at = 0
        for x, text, style in sorted(parts, key=lambda part: part[0]):
            if x > at:
                segments.append(Segment(" " * (x - at), ground))
            segments.append(Segment(text, style))
            at = x + cell_len(text)
        if at < width:
            segments.append(Segment(" " * (width - at), ground))
        return Strip(segments, width)

    def _hint_line(self, y: int, width: int, ground: Style) -> Strip:
        lines = self.hint.split("\n")
        index = y - max(0, (self.size.height - len(lines)) // 2)
        if not 0 <= index < len(lines):
            return Strip.blank(width, ground)
        text = fit(lines[index], max(width - 2, 0))
        left = (width - cell_len(text)) // 2
        style = self.get_component_rich_style("window--hint")
        return Strip(
            [
                Segment(" " * left, ground),
                Segment(text, style),
                Segment(" " * (width - left - cell_len(text)), ground),
            ],
            width,
        )

    # Mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        x, y = event.screen_x - self.region.x, event.screen_y - self.region.y
        if (pane := self.where.pane_at(x, y)) is not None:
            self.post_message(self.PanePressed(pane))
        elif (border := self.where.border_at(x, y)) is not None:
            self._held = border
            self.capture_mouse()
            event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._held is None:
            return
        event.stop()
        held = self._held
        for border in self.where.borders:
            if (border.path, border.after) == (held.path, held.after):
                # From where the border is now: it may have been stopped, or moved from elsewhere.
                across = event.screen_x - self.region.x - border.box.x
                down = event.screen_y - self.region.y - border.box.y
                if moved := across if border.axis == "row" else down:
                    self.post_message(self.BorderMoved(border, moved))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._held is not None:
            self._held = None
            self.release_mouse()
            event.stop()
            self.post_message(self.BorderDropped())
