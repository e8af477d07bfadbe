"""A transcript at a width: each entry's lines, rendered when they are looked at, and kept.

Heights of entries that nobody has looked at are estimates. The end of a growing text is the only
part of it that is rendered again; how much there is before it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from mato_panes.rendering import entry as rendering
from mato_panes.rendering.line import BLANK, Line
from mato_panes.rendering.markdown import Markdown
from mato_panes.rendering.reply import Reply
from mato_panes.rendering.view import View
from mato_sessions.entries import (
    AnyEntry,
    CallEntry,
    NoticeEntry,
    ReasoningEntry,
    TextEntry,
    TurnEndEntry,
)

KEPT_LINES = 50_000
"""Rendered lines that are kept; beyond, those far from what was last looked at are dropped and
rendered again when somebody comes back."""
LEAST_WIDTH = 12


@dataclass(slots=True)
class _Block:
    """What is known of one entry."""

    key: str
    body: list[Line] | None = None
    """Its lines without the gap before it; None: to be rendered."""
    writer: Markdown | None = None
    """While its text is open."""
    seen: str = ""
    """What the writer has been fed."""


@dataclass(slots=True)
class _Counts:
    """What was done, for tests that hold cost against what is visible."""

    rendered: int = 0
    """Entries."""
    fed: int = 0
    """Characters of streaming text."""


@dataclass
class Document:
    """The lines of the entries of `source` in `width` cells."""

    source: Sequence[AnyEntry]
    """Goes on growing and shrinking by itself."""
    width: int
    entries: list[AnyEntry] = field(default_factory=list[AnyEntry], init=False)
    """Those of `source` that `update` has taken in: a key may come before it has."""
    sizes: list[int] = field(default_factory=list[int])
    """Height of each entry with the gap before it; exact once it was looked at."""
    total: int = 0
    """Sum of `sizes`."""
    counts: _Counts = field(default_factory=_Counts)
    now_us: int = 0
    focused: bool = False

    def __post_init__(self) -> None:
        self._blocks: list[_Block] = []
        self._unfolded: dict[str, bool] = {}
        self._answering: dict[str, Reply] = {}
        self._ticking: set[int] = set()
        self._second = 0
        self._kept = 0
        self.width = max(LEAST_WIDTH, self.width)
        self.update(range(len(self.source)))

    # --- what has changed -------------------------------------------------------------------

    def update(self, changed: Iterable[int]) -> None:
        """Take in that the entries at these indices, ascending, are new or different."""
        count = len(self.source)
        if count < len(self._blocks):
            del self.entries[count:]
            for block in self._blocks[count:]:
                self._kept -= len(block.body or ())
            del self._blocks[count:]
            self.total -= sum(self.sizes[count:])
            del self.sizes[count:]
        for index in changed:
            if index >= count:
                break
            self._changed(index)
        for index in range(len(self._blocks), count):
            self._changed(index)

    def _changed(self, index: int) -> None:
        entry = self.source[index]
        self.entries[index : index + 1] = [entry]
        if index >= len(self._blocks):
            self._blocks.append(_Block(entry.key))
            self.sizes.append(0)
            self._resize(index, rendering.estimate(entry, self.width) + 1)
        elif self._blocks[index].key != entry.key:
            self._kept -= len(self._blocks[index].body or ())
            self._blocks[index] = _Block(entry.key)
        else:
            self._stale(index)
        if isinstance(entry, CallEntry) and entry.status != "waiting":
            self._answering.pop(entry.call, None)
        if rendering.ticks(entry):
            self._ticking.add(index)

    def _stale(self, index: int) -> None:
        block = self._blocks[index]
        if block.body is not None:
            self._kept -= len(block.body)
            block.body = None

    def tick(self, now_us: int) -> None:
        """Go on to this time; entries that show it are rendered anew, once a second."""
        self.now_us = now_us
        if now_us // 1_000_000 == self._second:
            return
        self._second = now_us // 1_000_000
        for index in list(self._ticking):
            if index < len(self.entries) and rendering.ticks(self.entries[index]):
                self._stale(index)
            else:
                self._ticking.discard(index)

    def rewrap(self, width: int) -> None:
        """Lines shall have this width from now on; nothing is rendered before it is looked at."""
        self.width = max(LEAST_WIDTH, width)
        self._blocks = [_Block(entry.key) for entry in self.entries]
        self._kept = 0
        self.sizes = [rendering.estimate(entry, self.width) + 1 for entry in self.entries]
        self.total = sum(self.sizes)

    def focus(self, focused: bool) -> None:
        """Whether keys go to the transcript: waiting cards say how to reach them."""
        if focused != self.focused:
            self.focused = focused
            for index in self.waiting():
                self._stale(index)

    # --- folding, answering -----------------------------------------------------------------

    def unfolded(self, index: int) -> bool:
        return self._unfolded.get(self.entries[index].key, False)

    def fold(self, index: int, unfolded: bool) -> bool:
        """Fold or unfold an entry; whether that makes a difference."""
        entry = self.entries[index]
        if not rendering.foldable(entry) or self.unfolded(index) == unfolded:
            return False
        self._unfolded[entry.key] = unfolded
        self._blocks[index].writer = None
        self._stale(index)
        return True

    def waiting(self) -> list[int]:
        """Indices of the calls that wait for a person; they are among the last entries."""
        found: list[int] = []
        for index in range(len(self.entries) - 1, max(-1, len(self.entries) - 200), -1):
            entry = self.entries[index]
            if isinstance(entry, CallEntry) and entry.status == "waiting":
                found.append(index)
        return found[::-1]

    def answering(self, index: int, reply: Reply | None) -> None:
        """Show that an answer to this waiting call is on its way; None: it is not any more."""
        entry = self.entries[index]
        if isinstance(entry, CallEntry):
            if reply is None:
                self._answering.pop(entry.call, None)
            else:
                self._answering[entry.call] = reply
            self._stale(index)

    def is_answering(self, index: int) -> bool:
        entry = self.entries[index]
        return isinstance(entry, CallEntry) and entry.call in self._answering

    # --- lines ------------------------------------------------------------------------------

    def height(self, index: int) -> int:
        """The exact height of an entry with its gap."""
        return self._gap(index) + len(self._body(index))

    def line(self, index: int, number: int) -> Line:
        """A line of an entry; its gap comes first."""
        number -= self._gap(index)
        return BLANK if number < 0 else self._body(index)[number]

    def gap(self, index: int) -> int:
        """Blank lines before an entry."""
        return self._gap(index)

    def _gap(self, index: int) -> int:
        """Calls and folded thoughts of one line stand close together, all else apart."""
        if index == 0:
            return 0
        stacked = (CallEntry, ReasoningEntry)
        if isinstance(self.entries[index], stacked):
            before = self.entries[index - 1]
            if isinstance(before, stacked) and len(self._body(index - 1)) == 1:
                return 0
        return 1

    def _body(self, index: int) -> list[Line]:
        block = self._blocks[index]
        if block.body is None:
            block.body = self._render(index, block)
            self._kept += len(block.body)
            self._resize(index, self._gap(index) + len(block.body))
            if self._kept > KEPT_LINES:
                self._forget(index)
        return block.body

    def _resize(self, index: int, size: int) -> None:
        self.total += size - self.sizes[index]
        self.sizes[index] = size

    def _render(self, index: int, block: _Block) -> list[Line]:
        entry = self.entries[index]
        self.counts.rendered += 1
        view = View(
            width=self.width,
            expanded=self.unfolded(index),
            now_us=self.now_us,
            focused=self.focused,
        )
        match entry:
            case TextEntry() | ReasoningEntry():
                return self._prose(entry, block, view)
            case CallEntry(call=call):
                view = replace(view, answering=self._answering.get(call))
            case TurnEndEntry(detail=detail) if index and detail:
                before = self.entries[index - 1]
                if isinstance(before, NoticeEntry) and before.text == detail:
                    # The sentence stands right above.
                    entry = structs.replace(entry, detail="")
            case _:
                pass
        return rendering.lines_of(entry, view)

    def _prose(self, entry: TextEntry | ReasoningEntry, block: _Block, view: View) -> list[Line]:
        """Text or reasoning: only what has come since the last time is taken in."""
        if isinstance(entry, ReasoningEntry) and not entry.open and not view.expanded:
            block.writer = None
            return rendering.prose(entry, [], [], view)
        writer = block.writer
        if writer is None or not entry.text.startswith(block.seen):
            writer = Markdown(self.width, rendering.INDENT, rendering.prose_role(entry))
            block.seen = ""
        fresh = entry.text[len(block.seen) :]
        self.counts.fed += len(fresh)
        writer.feed(fresh)
        if entry.open:
            block.writer, block.seen = writer, entry.text
        else:
            block.writer, block.seen = None, ""
            writer.close()
        return rendering.prose(entry, writer.lines, writer.tail, view)

    def _forget(self, near: int) -> None:
        """Drop rendered lines that are far from the entry that was looked at last."""
        for index, block in enumerate(self._blocks):
            if abs(index - near) > 100 and block.body is not None and block.writer is None:
                self._kept -= len(block.body)
                block.body = None
