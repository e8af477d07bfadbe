"""Help: every key, from the two tables of keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.widget import Widget

from mato_panes import bindings
from mato_panes.kinds.keys import READING, WRITING, PaneKey
from mato_panes.rendering.line import Line, cells, clip
from mato_panes.screens.dialog import Dialog
from mato_panes.widgets.paper import Paper

_WIDE = 116
"""From so many columns on the groups stand in two columns."""
_KEYS = 12
"""Columns of the keys."""


class Help(Dialog[None]):
    """Scrolls where it is longer than the screen."""

    DEFAULT_CSS = """
    Help > #box { width: 112; max-height: 92%; padding: 1 2; }
    Help Paper { overflow-x: hidden; }
    """

    leaving: ClassVar[frozenset[str]] = frozenset({"escape", "ctrl+c", "q", "question_mark"})

    def __init__(self, prefix: str, note: str = "") -> None:
        super().__init__("Keys", "↑↓ scroll · Esc leaves")
        self._prefix = prefix
        self._note = note

    def body(self) -> Iterable[Widget]:
        yield Paper()

    def on_mount(self) -> None:
        self._fill()

    def on_resize(self, event: events.Resize) -> None:
        self._fill()

    def _fill(self) -> None:
        columns = 2 if self.screen.size.width >= _WIDE else 1
        width = (min(self.screen.size.width, 112) - 8) // columns
        head: list[Line] = [
            (
                ("Press ", "dim"),
                (self._prefix, "badge"),
                (", let go, then the key. Twice sends it to the pane.", "dim"),
            )
        ]
        if self._note:
            head.append(((self._note, "dim"),))
        blocks = [_block(name, members, width) for name, members in bindings.groups()]
        blocks.append(_part("Writing in a pane", WRITING, width))
        blocks.append(_part("Reading in a pane", READING, width))
        lines = _in_columns(blocks, columns, width)
        paper = self.query_one(Paper)
        paper.show([*head, (), *lines])
        paper.styles.height = len(head) + 1 + len(lines)


def _block(name: str, members: list[bindings.Binding], width: int) -> list[Line]:
    block: list[Line] = [((name, "strong"),)]
    for binding in members:
        direct = " or " + " ".join(bindings.named(key) for key in binding.direct)
        keys, others = bindings.keys_of(binding), ""
        if not binding.argument:
            keys, others = _that_fit([bindings.named(key) for key in binding.keys])
        note = others + (direct if binding.direct else "")
        note += f" {binding.note}" if binding.note else ""
        block.append(_entry(keys, binding.title, note, width))
    return [*block, ()]


def _part(name: str, members: Sequence[PaneKey], width: int) -> list[Line]:
    """Keys that belong to a part of a pane."""
    block: list[Line] = [((name, "strong"),)]
    for member in members:
        keys, others = _that_fit([bindings.named(key) for key in member.keys])
        block.append(_entry(keys, member.title, others, width))
    return [*block, ()]


def _that_fit(keys: list[str]) -> tuple[str, str]:
    """The keys that have room before the title, and the others after it."""
    shown = len(keys)
    while shown > 1 and len(" ".join(keys[:shown])) >= _KEYS:
        shown -= 1
    return " ".join(keys[:shown]), " or " + " ".join(keys[shown:]) if keys[shown:] else ""


def _entry(keys: str, title: str, note: str, width: int) -> Line:
    gap = " " * max(1, _KEYS - cells(((keys, "key"),)))
    line: Line = (("  ", "text"), (keys, "key"), (gap, "text"), (title, "text"), (note, "dim"))
    return clip(line, width)


def _in_columns(blocks: list[list[Line]], columns: int, width: int) -> list[Line]:
    if columns == 1:
        return [line for block in blocks for line in block]
    total = sum(len(block) for block in blocks)
    left: list[Line] = []
    right: list[Line] = []
    for block in blocks:
        (left if len(left) + len(block) / 2 <= total / 2 and not right else right).extend(block)
    height = max(len(left), len(right))
    while height and all(len(side) < height or not side[height - 1] for side in (left, right)):
        height -= 1
    left += [()] * (height - len(left))
    right += [()] * (height - len(right))
    return [
        (*one, (" " * max(width + 1 - cells(one), 1), "text"), *other)
        for one, other in zip(left[:height], right[:height], strict=False)
    ]
