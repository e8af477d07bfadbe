"""One client's desk: the shared windows, and its own focus, zoom and current window.

The windows are what all clients of a session share (`SessionArranged`); everything else here is
this client's alone. Pure state, no I/O: who holds it draws it, and sends `windows` on change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mato_panes.layout import geometry, tree
from mato_sessions.events.session import Node, PaneNode, WindowNode

REMEMBERED = 256
"""Panes and windows whose last use is remembered."""


class Desk:
    """Changes of the shared windows give a new `windows` tuple; all else changes in place."""

    def __init__(self, windows: Sequence[WindowNode] = ()) -> None:
        self.windows: tuple[WindowNode, ...] = tree.mend(windows)
        self.current = self.windows[0].window if self.windows else ""
        self._used: list[str] = []  # pane ids, the one used last first
        self._zoomed: set[str] = set()  # pane ids

    # What there is

    @property
    def window(self) -> WindowNode | None:
        """The current window."""
        return next((each for each in self.windows if each.window == self.current), None)

    @property
    def root(self) -> Node | None:
        """The current window's tree."""
        return self.window.root if self.window else None

    @property
    def focused(self) -> PaneNode | None:
        """The focused pane of the current window: the one used last."""
        leaves = {leaf.pane: leaf for leaf in tree.panes(self.root)}
        for pane in self._used:
            if pane in leaves:
                return leaves[pane]
        return next(iter(leaves.values()), None)

    @property
    def zoomed(self) -> bool:
        """The focused pane has the window's whole room."""
        return self.focused is not None and self.focused.pane in self._zoomed

    @property
    def shown(self) -> Node | None:
        """What the current window shows: its tree, or the zoomed pane alone."""
        return self.focused if self.zoomed else self.root

    def whole(self, width: int, height: int) -> geometry.Geometry:
        """Where the window's panes are without zoom."""
        return geometry.measure(self.root, width, height)

    def panes(self) -> Iterator[PaneNode]:
        """The panes of all windows."""
        for window in self.windows:
            yield from tree.panes(window.root)

    def pane_of(self, agent: str) -> PaneNode | None:
        """A pane that shows the agent, in the current window where there is one."""
        here = [leaf for leaf in tree.panes(self.root) if leaf.agent == agent]
        return next(iter(here), None) or next(
            (leaf for leaf in self.panes() if leaf.agent == agent), None
        )

    def window_of(self, pane: str) -> WindowNode | None:
        return next((each for each in self.windows if tree.find(each.root, pane)), None)

    # This client's own

    def focus(self, pane: str) -> bool:
        """Focus a pane of any window; False when there is none with this id."""
        window = self.window_of(pane)
        if window is None:
            return False
        was_zoomed = self.zoomed and self.current == window.window
        before = self.focused
        self.current = window.window
        self._used = [pane, *(other for other in self._used if other != pane)][:REMEMBERED]
        if was_zoomed and before is not None and before.pane != pane:
            self._zoomed.discard(before.pane)
        return True

    def focus_beside(self, where: geometry.Geometry, direction: geometry.Direction) -> bool:
        """Focus the neighbour, the one used last where there are several (as tmux)."""
        if self.focused is None:
            return False
        found = geometry.neighbours(where, self.focused.pane, direction)
        recent = [pane for pane in self._used if pane in found]
        return bool(found) and self.focus((recent or found)[0])

    def focus_step(self, step: int) -> bool:
        """Focus the next (1) or previous (-1) pane of the window."""
        leaves = [leaf.pane for leaf in tree.panes(self.root)]
        if self.focused is None or len(leaves) < 2:
            return False
        return self.focus(leaves[(leaves.index(self.focused.pane) + step) % len(leaves)])

    def focus_last(self) -> bool:
        """Focus the pane of this window that was used before the focused one."""
        here = {leaf.pane for leaf in tree.panes(self.root)}
        recent = [pane for pane in self._used if pane in here]
        return len(recent) > 1 and self.focus(recent[1])

    def zoom(self) -> None:
        """Give the focused pane the whole window, or give the others back their places."""
        if self.focused is not None and isinstance(self.root, PaneNode):
            self._zoomed.discard(self.focused.pane)
        elif self.focused is not None:
            self._zoomed ^= {self.focused.pane}

    def go(self, window: str) -> bool:
        """Make a window the current one."""
        if all(each.window != window for each in self.windows):
            return False
        self.current = window
        return True

    def go_step(self, step: int) -> bool:
        names = [each.window for each in self.windows]
        if len(names) < 2 or self.current not in names:
            return False
        return self.go(names[(names.index(self.current) + step) % len(names)])

    # Shared by all clients

    def adopt(self, windows: Sequence[WindowNode]) -> None:
        """Take over an arrangement from elsewhere; focus and zoom stay where they can."""
        self._settle()
        places = [each.window for each in self.windows]
        at = places.index(self.current) if self.current in places else 0
        self.windows = tree.mend(windows)
        alive = {leaf.pane for leaf in self.panes()}
        self._used = [pane for pane in self._used if pane in alive]
        self._zoomed &= alive
        if self.window is None:
            self.current = (
                self.windows[min(at, len(self.windows) - 1)].window if self.windows else ""
            )

    def split(self, axis: tree.Axis, new: PaneNode) -> None:
        """Put a pane beside the focused one, and focus it."""
        focused = self.focused
        if focused is None:
            return
        self._zoomed.discard(focused.pane)
        self._change(lambda root: tree.split(root, focused.pane, axis, new))
        self.focus(new.pane)

    def close(self, pane: str) -> None:
        """Take a pane away; a window without panes goes too."""
        window = self.window_of(pane)
        if window is None:
            return
        root = tree.close(window.root, pane)
        if root is None:
            self.close_window(window.window)
            return
        beside = [leaf.pane for leaf in tree.panes(window.root)]
        at = beside.index(pane)
        was_focused = self.focused is not None and self.focused.pane == pane
        self.adopt(
            [
                WindowNode(each.window, each.name, root) if each is window else each
                for each in self.windows
            ]
        )
        here = {leaf.pane for leaf in tree.panes(root)}
        if was_focused and not here.intersection(self._used):
            self.focus(beside[at - 1] if at else beside[1])

    def close_window(self, window: str) -> None:
        """Take a window away; the one in its place comes."""
        self.adopt([each for each in self.windows if each.window != window])

    def open_window(self, window: str, name: str, root: Node) -> None:
        """Add a window after the others and go to it."""
        self.windows = (*self.windows, WindowNode(window, name, root))
        self.current = window

    def rename_window(self, window: str, name: str) -> None:
        self.windows = tuple(
            WindowNode(each.window, name, each.root) if each.window == window else each
            for each in self.windows
        )

    def swap_step(self, step: int) -> None:
        """Swap the focused pane with the next (1) or previous (-1) one; focus goes with it."""
        leaves = [leaf.pane for leaf in tree.panes(self.root)]
        if self.focused is None or len(leaves) < 2:
            return
        self._settle()
        one = self.focused.pane
        other = leaves[(leaves.index(one) + step) % len(leaves)]
        self._change(lambda root: tree.swap(root, one, other))

    def even(self) -> None:
        """The next even layout."""
        self._change(
            lambda root: tree.arrange(list(tree.panes(root)), tree.next_style(root)) or root
        )

    def resize(self, direction: geometry.Direction, cells: int, width: int, height: int) -> None:
        focused = self.focused
        if focused is not None and not self.zoomed:
            self._change(
                lambda root: geometry.resize(root, focused.pane, direction, cells, width, height)
            )

    def move_border(self, border: geometry.Border, cells: int, width: int, height: int) -> None:
        self._change(lambda root: geometry.move_border(root, border, cells, width, height))

    def _settle(self) -> None:
        """Remember the focus where nobody has chosen it yet: places are about to change."""
        if self.focused is not None:
            self.focus(self.focused.pane)

    def _change(self, how: Callable[[Node], Node]) -> None:
        window = self.window
        if window is None:
            return
        root = how(window.root)
        if root != window.root:
            self.windows = tuple(
                WindowNode(each.window, each.name, root) if each is window else each
                for each in self.windows
            )
