"""Letters over the panes: typing one goes there."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from mato.text import display
from mato_panes.layout.geometry import Box

LETTERS = "asdfghjklqwertyuiopzxcvbnm"
"""The keys under resting fingers first."""


class Jump(ModalScreen[str]):
    """Ends with the id of the pane, or None."""

    DEFAULT_CSS = """
    Jump { background: $mato-surface-ground 35%; layers: letters; }
    Jump Static {
        position: absolute;
        layer: letters;
        width: 7;
        height: 3;
        content-align: center middle;
        text-style: bold;
        border: round $mato-line-focus;
        background: $mato-surface-overlay;
        color: $mato-ink-accent;
    }
    Jump Static.-small { border: none; width: 3; height: 1; }
    """

    AUTO_FOCUS = None

    def __init__(self, boxes: Mapping[str, Box]) -> None:
        """`boxes`: pane id → its cells on the screen, in the order of letters."""
        super().__init__()
        shown = [pane for pane, box in boxes.items() if box.width and box.height]
        self.panes = dict(zip(LETTERS, shown, strict=False))
        self._boxes = dict(boxes)

    def compose(self) -> ComposeResult:
        for letter, pane in self.panes.items():
            box = self._boxes[pane]
            label = Static(Content(display(letter)), markup=False)
            small = box.width < 9 or box.height < 5
            label.set_class(small, "-small")
            width, height = (min(3, box.width), 1) if small else (7, 3)
            label.styles.offset = (
                box.x + (box.width - width) // 2,
                box.y + (box.height - height) // 2,
            )
            yield label

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self.dismiss(self.panes.get((event.character or "").lower()))

    def on_click(self) -> None:
        self.dismiss(None)

    def on_resize(self, event: events.Resize) -> None:
        if event.size != self.size:
            self.dismiss(None)  # the panes are somewhere else now
