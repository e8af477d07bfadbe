"""The review of a turn: what it changed, file by file, to be accepted or taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from textual import events
from textual.widget import Widget

from mato.protocol.undoing import UndoFile, UndoResult
from mato.text import display, one_line
from mato_panes.rendering import words
from mato_panes.rendering.diff import diff
from mato_panes.rendering.line import Line, Role
from mato_panes.rendering.wrapping import wrap
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.dialog import Dialog
from mato_panes.screens.picker import Choice, Picker
from mato_panes.widgets.keyline import Key, KeyLine
from mato_panes.widgets.listing import Listing, Row
from mato_panes.widgets.paint import app_of
from mato_panes.widgets.paper import Paper

Ask = Callable[[str, tuple[str, ...] | None, bool], Awaitable[UndoResult | None]]
"""Turn, files (None: all), whether they are to be put back; None: it was refused, and said so."""

_BODY: Line = ((" ", "text"),)


class Review(Dialog[None]):
    """Ends with None. What is accepted stays as it is; what is rejected is as before the turn."""

    takes_typeahead = False
    DEFAULT_CSS = """
    Review > #box { width: 94%; height: 92%; }
    Review Listing { height: auto; max-height: 35%; min-height: 1; }
    Review Paper { margin-top: 1; height: 1fr; background: $mato-surface-code; }
    """

    def __init__(self, found: UndoResult, ask: Ask, accepted: set[tuple[str, str]]) -> None:
        """`accepted`: turn and path of what was accepted before; it is added to."""
        super().__init__("Review", "")
        self._found = found
        self._ask = ask
        self._accepted = accepted
        self._busy = False

    def body(self) -> Iterable[Widget]:
        yield Listing(empty="The turn has changed no files by its tools.")
        yield Paper(surface="code")
        yield KeyLine()

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._read)

    # What there is

    def _file(self) -> UndoFile | None:
        key = self.query_one(Listing).key
        return next((each for each in self._found.files if each.path == key), None)

    def _is_accepted(self, each: UndoFile) -> bool:
        return (self._found.turn, each.path) in self._accepted

    def _draw(self) -> None:
        found = self._found
        turn = next((each for each in found.turns if each.turn == found.turn), None)
        asked = f": {turn.prompt}" if turn is not None else ""
        self.query_one("#box").border_title = one_line(f"Review of {found.agent}{asked}", 70)
        listing = self.query_one(Listing)
        listing.show([self._row(each) for each in found.files])
        listing.styles.height = max(1, len(found.files))
        self._say_keys()
        self._read()

    def _say_keys(self) -> None:
        each = self._file()
        keys: list[Key] = []
        if each is not None and each.state == "changed":
            keys = [Key("a", "accept"), Key("r", "reject: as before the turn")]
        if any(each.state == "changed" for each in self._found.files):
            keys += [Key("A", "accept all"), Key("u", "undo the whole turn")]
        if len(self._found.turns) > 1:
            keys.append(Key("t", "another turn"))
        self.query_one(KeyLine).show([*keys, Key("tab", "reads on"), Key("escape", "leaves")])

    def _row(self, each: UndoFile) -> Row:
        mark, role, said = self._standing(each)
        path = display(each.path, newline=False)
        added, removed = _counts(each.change)
        right: Line = ((said, role),)
        if added or removed:
            right = ((f"+{added} ", "added"), (f"−{removed}  ", "removed"), *right)
        return Row(each.path, ((f"{mark} ", role), (path, "strong")), right)

    def _standing(self, each: UndoFile) -> tuple[str, Role, str]:
        match each.state:
            case "undone" | "as_before":
                return "↶", "stopped", "as before the turn"
            case "refused":
                return "!", "warning", "cannot go back"
            case "changed":
                if self._is_accepted(each):
                    return "✓", "done", "accepted"
                return "○", "idle", "to be reviewed"

    def _read(self) -> None:
        paper, each = self.query_one(Paper), self._file()
        width = max(paper.size.width - 2, 20)
        paper.scroll_home(animate=False)
        paper.show(_details(each, width) if each is not None else ())

    # Keys

    def on_listing_moved(self) -> None:
        self._say_keys()
        self._read()

    def on_listing_chosen(self) -> None:
        self.query_one(Paper).focus()

    def on_key(self, event: events.Key) -> None:
        if self._press(event.character or event.key):
            event.stop()
            event.prevent_default()  # else the dialog's own handler comes next

    def on_key_line_pressed(self, event: KeyLine.Pressed) -> None:
        if event.key == "escape":
            self.dismiss(None)
        elif event.key == "tab":
            self.query_one(Paper).focus()
        else:
            self._press(event.key)

    def _press(self, key: str) -> bool:
        each = self._file()
        open_ = each is not None and each.state == "changed"
        if key == "a" and open_ and each is not None:
            self._accepted.add((self._found.turn, each.path))
            self._go_on()
        elif key == "r" and open_ and each is not None:
            self._do(self._found.turn, (each.path,), apply=True)
        elif key == "A":
            changed = [each.path for each in self._found.files if each.state == "changed"]
            self._accepted.update((self._found.turn, path) for path in changed)
            self._draw()
        elif key == "u" and any(each.state == "changed" for each in self._found.files):
            self._undo_all()
        elif key == "t" and len(self._found.turns) > 1:
            self._choose_turn()
        else:
            return key in ("a", "r", "u", "t")
        return True

    def _go_on(self) -> None:
        """To the next file that is still to be reviewed."""
        self._draw()
        files = self._found.files
        at = self.query_one(Listing).cursor
        for each in (*files[at + 1 :], *files[:at]):
            if each.state == "changed" and not self._is_accepted(each):
                self.query_one(Listing).show(self.query_one(Listing).rows, at=each.path)
                return

    def _undo_all(self) -> None:
        changed = [each for each in self._found.files if each.state == "changed"]
        many = words.counted(len(changed), "file")
        text = f"{many} will be as before the turn; what it wrote there is gone."
        answers = {"y": f"put {many} back", "n": "leave them"}

        def answered(key: str | None) -> None:
            if key == "y":
                paths = tuple(each.path for each in changed)
                self._do(self._found.turn, paths, apply=True)

        dialog = Confirm("Undo the whole turn?", text, answers, careful=True)
        app_of(self).push_screen(dialog, answered)

    def _choose_turn(self) -> None:
        choices = [
            Choice(
                turn.turn,
                one_line(turn.prompt, 60) or turn.turn,
                f"{datetime.fromtimestamp(turn.at_us / 1e6).astimezone():%H:%M}",
                hint=f"{words.counted(turn.files, 'file')}, {turn.undone} undone"
                if turn.undone
                else words.counted(turn.files, "file"),
            )
            for turn in self._found.turns
        ]

        def chosen(turn: str | None) -> None:
            if turn is not None:
                self._do(turn, None, apply=False)

        app_of(self).push_screen(Picker("Which turn?", choices, at=self._found.turn), chosen)

    def _do(self, turn: str, files: tuple[str, ...] | None, *, apply: bool) -> None:
        if not self._busy:
            self._busy = True
            # Of the app: what was decided is done, also where the screen is left at once.
            app_of(self).run_worker(self._ask_and_show(turn, files, apply=apply))

    async def _ask_and_show(self, turn: str, files: tuple[str, ...] | None, *, apply: bool) -> None:
        try:
            done = await self._ask(turn, files, apply)
        finally:
            self._busy = False
        if done is None or not self.is_attached:
            return
        if apply:
            # Only those files were asked about; the others stand as they stood.
            news = {each.path: each for each in done.files}
            kept = tuple(_newer(each, news.get(each.path)) for each in self._found.files)
            self._found = UndoResult(
                session=done.session,
                agent=done.agent,
                turn=done.turn,
                files=kept,
                turns=done.turns,
            )
            self._go_on()
        else:
            self._found = done
            self._draw()


def _newer(before: UndoFile, after: UndoFile | None) -> UndoFile:
    if after is None:
        return before
    change = after.change or before.change
    return UndoFile(path=after.path, state=after.state, reason=after.reason, change=change)


def _counts(change: str) -> tuple[int, int]:
    lines = change.split("\n")[2:]
    added = sum(line.startswith("+") for line in lines)
    return added, sum(line.startswith("-") for line in lines)


def _details(each: UndoFile, width: int) -> list[Line]:
    lines: list[Line] = []
    if each.reason:
        said = f"It cannot be put back: {display(each.reason, newline=False)}"
        lines += wrap([(said, "warning")], width, first=_BODY)
        lines.append(())
    if each.state in ("undone", "as_before"):
        lines.append(((" It is as before the turn.", "dim"),))
        lines.append(())
    if each.change:
        lines += diff(each.change, width, _BODY, each.path)
    elif each.state == "changed":
        lines.append(((" It is no text; nothing can be shown of it.", "dim"),))
    return lines
