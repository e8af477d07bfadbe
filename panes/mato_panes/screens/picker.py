"""Choosing one of many: a line to type in, and the list of what fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from mato.text import display
from mato_panes.rendering.line import Line, Role, Span
from mato_panes.screens import fuzzy
from mato_panes.screens.dialog import Dialog
from mato_panes.widgets.listing import Listing, Row

MOST_ROWS = 18
"""Rows of the list that are shown at once, where the screen has room."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be chosen; texts are cleaned by the picker."""

    key: str
    label: str
    note: str = ""
    """After the label, dimmer."""
    hint: str = ""
    """At the right edge: a key, a count."""
    hint_role: Role = "dim"
    mark: str = ""
    """Before the label: a state's glyph."""
    role: Role = "dim"
    """Colour of the mark."""


class Picker(Dialog[str]):
    """Ends with the key of the choice, or None; with `free` also with ``=TEXT``, as typed."""

    DEFAULT_CSS = """
    Picker Input {
        border: none;
        height: 1;
        padding: 0;
        background: $mato-surface-overlay;
    }
    Picker Input:focus { border: none; background-tint: $foreground 0%; }
    Picker Listing { margin-top: 1; height: auto; }
    """

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        ask: str = "type to narrow it down",
        free: str = "",
        at: str = "",
        keys: str = "↑↓ choose · Enter takes · Esc leaves",
    ) -> None:
        """`free`: what a text of one's own is called ("use the model"); `at`: where it starts."""
        super().__init__(title, keys)
        self.choices = tuple(choices)
        self._ask = ask
        self._free = free
        self._at = at

    def body(self) -> Iterable[Widget]:
        line = Input(placeholder=self._ask, select_on_focus=False, compact=True)
        line.cursor_blink = False
        yield line
        yield Listing(empty="nothing fits")

    def on_mount(self) -> None:
        self._narrow("", at=self._at)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self.dismiss(event.key)

    def on_input_submitted(self) -> None:
        self.query_one(Listing).choose()

    def on_key(self, event: events.Key) -> None:
        listing = self.query_one(Listing)
        match event.key:
            case "up" | "ctrl+k" | "shift+tab":
                listing.step(-1)
            case "down" | "ctrl+j" | "tab":
                listing.step(1)
            case "pageup" | "pagedown":
                listing.step((listing.size.height - 1) * (1 if event.key == "pagedown" else -1))
            case _:
                return  # the dialog's own handler comes next
        event.stop()
        event.prevent_default()

    def on_resize(self) -> None:
        self._fit()

    def _narrow(self, query: str, *, at: str | None = None) -> None:
        found: list[tuple[int, Row]] = []
        for choice in self.choices:
            label = display(choice.label, newline=False)
            matched = fuzzy.match(query, label)
            other = None
            if matched is None:
                other = fuzzy.match(query, display(f"{choice.note} {choice.hint}", newline=False))
            if matched is None and other is None:
                continue
            score = matched.score if matched else (other.score if other else 0) - 500
            places = frozenset(matched.places if matched else ())
            found.append((score, _row(choice, label, places)))
        if query.strip():
            found.sort(key=lambda item: -item[0])
        rows = [row for _, row in found]
        if self._free and query.strip():
            text = display(query.strip(), newline=False)
            left: Line = ((f"{self._free} ", "dim"), (text, "strong"))
            rows.append(Row("=" + query.strip(), left))
        listing = self.query_one(Listing)
        listing.show(rows, at=at if at else (rows[0].key if rows and query else None))
        self._fit()

    def _fit(self) -> None:
        # The box keeps its height while the list gets shorter: nothing jumps under the eye.
        most = max(min(self.screen.size.height - 6, MOST_ROWS), 1)
        rows = len(self.choices) + (1 if self._free else 0)
        self.query_one(Listing).styles.height = max(1, min(rows, most))


def _row(choice: Choice, label: str, places: frozenset[int]) -> Row:
    left: list[Span] = []
    if choice.mark:
        left.append((f"{choice.mark} ", choice.role))
    for at, character in enumerate(label):
        role: Role = "hit" if at in places else "text"
        if left and left[-1][1] == role and at:
            left[-1] = (left[-1][0] + character, role)
        else:
            left.append((character, role))
    if choice.note:
        left.append((f"  {display(choice.note, newline=False)}", "dim"))
    right: Line = ((display(choice.hint, newline=False), choice.hint_role),) if choice.hint else ()
    return Row(choice.key, tuple(left), right)
