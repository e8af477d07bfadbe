"""What in a folder could instruct or execute, what of it changed, and the person's word on it."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from textual import events
from textual.widget import Widget

from mato.protocol.trusting import FolderStanding, TrustedFile
from mato.text import display, one_line
from mato_panes.guarding import Guard
from mato_panes.rendering import words
from mato_panes.rendering.diff import diff
from mato_panes.rendering.line import Line, Role
from mato_panes.rendering.wrapping import wrap
from mato_panes.screens.dialog import Dialog
from mato_panes.widgets.keyline import Key, KeyLine
from mato_panes.widgets.listing import Listing, Row
from mato_panes.widgets.paper import Paper

_BODY: Line = ((" ", "text"),)
_MARKS: dict[str, tuple[str, Role]] = {
    "new": ("+", "added"),
    "changed": ("~", "warning"),
    "gone": ("−", "removed"),
    "same": ("=", "dim"),
    "odd": ("!", "failed"),
}
_WORDS = {
    "new": "new",
    "changed": "changed since it was trusted",
    "gone": "gone since it was trusted",
    "same": "as trusted",
    "odd": "never used",
}


class Trust(Dialog[str]):
    """Ends with "trust", with "hide" (the notice shall go), or None. There is no default answer."""

    takes_typeahead = False
    DEFAULT_CSS = """
    Trust > #box { width: 94%; height: 92%; }
    Trust Listing { height: auto; max-height: 35%; min-height: 1; }
    Trust Paper { margin-top: 1; height: 1fr; background: $mato-surface-code; }
    """

    def __init__(self, standing: FolderStanding) -> None:
        folder = one_line(standing.folder, 60)
        title = {
            "trusted": f"{folder} is trusted",
            "changed": f"{folder} has changed since it was trusted",
            "untrusted": f"{folder} is not trusted",
        }[standing.state]
        super().__init__(title, "")
        self._standing = standing
        self.guard = Guard()

    def body(self) -> Iterable[Widget]:
        nothing = "Nothing in it could instruct or execute by itself."
        said = nothing if self._standing.whole else self._standing.sentence
        yield Listing(empty=display(said, newline=False))
        yield Paper(surface="code")
        yield KeyLine()

    def on_mount(self) -> None:
        files = self._standing.files
        listing = self.query_one(Listing)
        listing.show([_row(each) for each in files])
        listing.styles.height = max(1, len(files))
        keys: list[Key] = []
        if self._may:
            keys = [Key("y", "these may instruct new agents, as they are now")]
        if self._standing.state != "trusted":
            keys.append(Key("n", "leave it, and hide the notice"))
        self.query_one(KeyLine).show([*keys, Key("tab", "reads on"), Key("escape", "leaves")])

    @property
    def _may(self) -> bool:
        # What could not be shown whole is nothing to say yes to here.
        return self._standing.whole and self._standing.state != "trusted"

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.guard.drawn({"": self._standing.digest}, monotonic())

    def on_resize(self) -> None:
        self.call_after_refresh(self._read)

    def on_listing_moved(self) -> None:
        self._read()

    def on_listing_chosen(self) -> None:
        self.query_one(Paper).focus()

    def _read(self) -> None:
        key, paper = self.query_one(Listing).key, self.query_one(Paper)
        each = next((file for file in self._standing.files if file.path == key), None)
        width = max(paper.size.width - 2, 20)
        paper.scroll_home(animate=False)
        paper.show(_details(each, self._standing, width) if each is not None else ())

    def on_key(self, event: events.Key) -> None:
        if self._press(event.character or event.key, event.time):
            event.stop()
            event.prevent_default()  # else the dialog's own handler comes next

    def on_key_line_pressed(self, event: KeyLine.Pressed) -> None:
        if event.key == "escape":
            self.dismiss(None)
        elif event.key == "tab":
            self.query_one(Paper).focus()
        else:
            self._press(event.key, event.time_s)

    def _press(self, key: str, pressed_s: float) -> bool:
        if key == "y" and self._may:
            if self.guard.lets("", pressed_s):
                self.dismiss("trust")
        elif key == "n" and self._standing.state != "trusted":
            self.dismiss("hide")
        else:
            return False
        return True


def _row(each: TrustedFile) -> Row:
    mark, role = _MARKS[each.state]
    size = f"  {words.size(each.size_bytes)}" if each.size_bytes else ""
    right: Line = ((_WORDS[each.state], role), (size, "dim"))
    left: Line = ((f"{mark} ", role), (display(each.path, newline=False), "strong"))
    return Row(each.path, left, right)


def _details(each: TrustedFile, standing: FolderStanding, width: int) -> list[Line]:
    lines: list[Line] = []
    said = ""
    if each.state == "odd":
        said = f"It is never used: {display(each.why, newline=False)}"
    elif each.state == "same":
        said = "It is as it was when the folder was trusted."
    elif not each.diff and each.size_bytes:
        said = "It is too long to be shown here; `mato trust` in a terminal shows it."
    elif not standing.whole:
        said = "Not all is shown here, so the folder is trusted by `mato trust` in a terminal."
    if said:
        lines += wrap([(said, "dim")], width, first=_BODY, rest=_BODY)
        lines.append(())
    if each.diff:
        lines += diff(each.diff, width, _BODY, each.path)
    return lines
