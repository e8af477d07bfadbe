"""The inbox: every call that waits for a person, over all sessions, and what was decided before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from textual import events
from textual.widget import Widget

from mato.protocol.deciding import Decided
from mato.text import display
from mato_panes.guarding import Guard
from mato_panes.messages import BroughtBack, CallAnswered, PutOff
from mato_panes.rendering import decided, words
from mato_panes.rendering.line import Line, Role
from mato_panes.rendering.reply import Reply, key_of, label, replies, rule, told
from mato_panes.rendering.request import request
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.dialog import Dialog
from mato_panes.screens.picker import Choice, Picker
from mato_panes.waiting import Waiting, sameness
from mato_panes.widgets.keyline import Key, KeyLine
from mato_panes.widgets.listing import Listing, Row
from mato_panes.widgets.paint import app_of
from mato_panes.widgets.paper import Paper
from mato_sessions.catalog import PendingCall

TIMES: dict[str, int] = {"5 minutes": 5, "15 minutes": 15, "1 hour": 60, "4 hours": 240}
"""For how long a request can be put off, in minutes."""


@dataclass(slots=True)
class _Group:
    """Equal requests, and what has become of them while the inbox is open."""

    same: Hashable
    members: list[Waiting]
    answers: dict[str, Reply] = field(default_factory=dict[str, Reply])
    off: set[str] = field(default_factory=set[str])

    @property
    def key(self) -> str:
        return self.members[0].call.call

    def open(self, waiting: frozenset[str]) -> list[Waiting]:
        """Those that can be answered, oldest first."""
        done = self.answers.keys() | self.off
        return [e for e in self.members if e.call.call in waiting and e.call.call not in done]


class Inbox(Dialog[PendingCall]):
    """Ends with the call whose pane is wanted, or None. Answers are posted as `CallAnswered`.

    An answered call stays in its place, marked, until the inbox is left: nothing moves under the
    finger that answers the next one. There is no default answer.
    """

    takes_typeahead = False
    DEFAULT_CSS = """
    Inbox > #box { width: 112; height: 90%; }
    Inbox.-empty > #box { height: auto; width: 60; }
    Inbox.-empty Paper { display: none; }
    Inbox Listing { height: auto; max-height: 40%; min-height: 3; }
    Inbox Paper { margin-top: 1; height: 1fr; background: $mato-surface-code; }
    """

    def __init__(
        self,
        waiting: Callable[[], Sequence[Waiting]],
        now_us: Callable[[], int],
        *,
        timeout_us: int = 0,
        put_off: Callable[[], int] = lambda: 0,
        history: Callable[[], Awaitable[Sequence[Decided]]] | None = None,
    ) -> None:
        """`put_off`: how many are hidden. `timeout_us`: after which nobody's answer rejects."""
        super().__init__("Inbox", "")
        self._source = waiting
        self._now_us = now_us
        self._timeout_us = timeout_us
        self._put_off = put_off
        self._history = history
        self._past: dict[str, Decided] | None = None
        """Shown instead of what waits, where it is there."""
        self._groups: dict[Hashable, _Group] = {}
        self._waiting: frozenset[str] = frozenset()
        self.guard = Guard()

    def body(self) -> Iterable[Widget]:
        yield Listing(empty="Nothing waits for you.")
        yield Paper(surface="code")
        yield KeyLine()

    def on_mount(self) -> None:
        self.update_calls()
        self.set_interval(1.0, self._second)

    def _second(self) -> None:
        """Waiting and remaining times have changed, while there is something that waits."""
        if self._past is None and any(group.open(self._waiting) for group in self._groups.values()):
            self._draw(by_hand=False)
            self._read()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.update_calls()

    # What there is

    def update_calls(self, *, by_hand: bool = False) -> None:
        """Take in what waits now; new calls come last, answered ones stay."""
        now = self._source()
        known = {each.call.call for group in self._groups.values() for each in group.members}
        self._waiting = frozenset(each.call.call for each in now)
        for each in now:
            if each.call.call not in known:
                same = sameness(each)
                group = self._groups.setdefault(same, _Group(same, []))
                group.members.append(each)
        self._draw(by_hand=by_hand)
        # Not before the paper has its place: it may be there for the first time.
        self.call_after_refresh(self._read)

    def _draw(self, *, by_hand: bool) -> None:
        listing = self.query_one(Listing)
        if self._past is not None:
            rows = [Row(f"{each.position}", *decided.row(each)) for each in self._past.values()]
            listing.empty = "Nothing has been decided yet."
        else:
            rows = [self._row(group) for group in self._groups.values()]
            listing.empty = "Nothing waits for you."
            places = {
                group.key: (at, tuple(each.call.call for each in group.open(self._waiting)))
                for at, group in enumerate(self._groups.values())
            }
            self.guard.drawn(places, monotonic(), by_hand=by_hand)
        self.set_class(not rows, "-empty")
        if tuple(rows) != listing.rows:
            listing.show(rows)
            listing.styles.height = max(1, len(rows))
        self._say_keys()

    def refused(self, call: str) -> None:
        """The answer did not arrive: the call can be answered again."""
        for group in self._groups.values():
            group.answers.pop(call, None)
        self.update_calls()

    def _group(self) -> _Group | None:
        key = self.query_one(Listing).key
        return next((group for group in self._groups.values() if group.key == key), None)

    def _open(self) -> list[Waiting]:
        group = self._group() if self._past is None else None
        return group.open(self._waiting) if group is not None else []

    # Keys

    def _say_keys(self) -> None:
        keys: list[Key] = []
        if open_ := self._open():
            call = open_[0].call
            found = replies(call.question, call.decisions, call.lasting)
            keys += [Key(key_of(reply), label(call.question, reply)) for reply in found]
            if len(open_) > 1:
                keys.append(Key("T", f"all {len(open_)} together"))
            keys += [Key("n", "not now"), Key("N", "not for …")]
        if self._past is None and (hidden := self._put_off()):
            keys.append(Key("L", f"show {hidden} put off"))
        if self._history is not None:
            keys.append(Key("h", "history" if self._past is None else "what waits"))
        if self.query_one(Listing).rows:
            keys += [Key("enter", "goes there"), Key("tab", "reads on")]
        self.query_one(KeyLine).show([*keys, Key("escape", "leaves")])

    def on_listing_moved(self) -> None:
        self._say_keys()
        self._read()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        if (group := self._group()) is not None and self._past is None:
            self.dismiss((group.open(self._waiting) or group.members)[0].call)

    def on_key(self, event: events.Key) -> None:
        if self._press(event.character or event.key, event.time):
            event.stop()
            event.prevent_default()
        # For all others the dialog's own handler comes next.

    def on_key_line_pressed(self, event: KeyLine.Pressed) -> None:
        if event.key == "enter":
            self.query_one(Listing).choose()
        elif event.key == "tab":
            self.query_one(Paper).focus()
        elif event.key == "escape":
            self.dismiss(None)
        else:
            self._press(event.key, event.time_s)

    def _press(self, key: str, pressed_s: float) -> bool:
        """Do what a key is for, pressed then; False where it is for nothing here."""
        if key == "h" and self._history is not None:
            self.run_worker(self._turn_over(), exclusive=True)
            return True
        if key == "L" and self._past is None:
            app_of(self).post_message(BroughtBack())
            for group in self._groups.values():
                group.off.clear()
            return True
        group, open_ = self._group(), self._open()
        if group is None or not open_:
            return False
        found: list[Reply] = [reply for reply in _replies(open_[0]) if key_of(reply) == key]
        if key not in ("T", "n", "N") and not found:
            return False
        if not self.guard.lets(group.key, pressed_s):
            return True
        if found:
            self._answer(group, open_[:1], found[0])
        elif key == "n":
            self._later(group, open_, None)
        elif key == "N":
            self._later_until(group, open_)
        elif len(open_) > 1:
            self._together(group, open_)
        return True

    def _answer(self, group: _Group, chosen: Sequence[Waiting], reply: Reply) -> None:
        for each in chosen:
            group.answers[each.call.call] = reply
            said = rule(each.call.question, reply, "in the inbox")
            # Straight to the app: what is in the queue of a screen that is left goes with it.
            app_of(self).post_message(CallAnswered(each.call.call, reply, said))
        # The next of equal ones has come in its place: that is no movement of a hand.
        self.update_calls()
        self._read()

    def _together(self, group: _Group, open_: Sequence[Waiting]) -> None:
        many = f"all {len(open_)}"
        names = ", ".join(each.who for each in open_)
        text = f"{open_[0].call.tool} {open_[0].call.resource}\n\nfor {names}"
        title = f"Answer {many} together?"
        answers = {"a": f"allow {many}", "d": f"deny {many}", "n": "none of it"}

        def answered(key: str | None) -> None:
            given: dict[str, Reply] = {"a": "allow", "d": "deny"}
            if key in given:
                self._answer(group, open_, given[key])

        app_of(self).push_screen(Confirm(title, text, answers, careful=True), answered)

    def _later(self, group: _Group, open_: Sequence[Waiting], minutes: int | None) -> None:
        calls = [each.call.call for each in open_]
        group.off.update(calls)
        app_of(self).post_message(PutOff(calls, minutes))
        self._draw(by_hand=True)

    def _later_until(self, group: _Group, open_: Sequence[Waiting]) -> None:
        def chosen(key: str | None) -> None:
            if key is not None:
                self._later(group, open_, TIMES[key])

        choices = [Choice(name, name) for name in TIMES]
        app_of(self).push_screen(Picker("Not for how long?", choices), chosen)

    async def _turn_over(self) -> None:
        if self._past is not None or self._history is None:
            self._past = None
        else:
            self._past = {f"{each.position}": each for each in await self._history()}
        self.query_one("#box").border_title = "Inbox" if self._past is None else "Inbox: history"
        self._draw(by_hand=True)
        self._read()

    # Pictures

    def _row(self, group: _Group) -> Row:
        open_ = group.open(self._waiting)
        first = (open_ or group.members)[0]
        call = first.call
        whose = list(dict.fromkeys(each.who for each in (open_ or group.members)))
        who = display(whose[0], newline=False) + (f" +{len(whose) - 1}" if whose[1:] else "")
        what = display(f"{call.tool}  {call.resource}", newline=False)
        count = f"×{len(open_)} " if len(open_) > 1 else ""
        mark: Line = (("▲ ", "blocked"), (count, "blocked"))
        if open_:
            right: Line = ((words.clock(self._now_us() - call.at_us), "dim"),)
        elif group.off:
            mark, right = (("· ", "dim"),), (("later", "dim"),)
        elif group.answers:
            answer = list(group.answers.values())[-1]
            role: Role = "failed" if answer == "deny" else "done"
            many = f" {len(group.answers)}" if len(group.answers) > 1 else ""
            mark = ((f"{'✗' if answer == 'deny' else '✓'} ", role),)
            right = ((told(call.question, answer) + many, role),)
        else:
            mark, right = (("· ", "dim"),), (("no longer waits", "dim"),)
        return Row(group.key, (*mark, (who, "strong"), ("  ", "text"), (what, "text")), right)

    def on_resize(self) -> None:
        self.call_after_refresh(self._read)

    def _read(self) -> None:
        paper, key = self.query_one(Paper), self.query_one(Listing).key
        if not paper.size.width:
            return
        width = max(paper.size.width - 2, 20)
        if self._past is not None:
            each = self._past.get(key)
            paper.show(decided.details(each, width) if each is not None else ())
        elif (group := self._group()) is not None:
            open_ = group.open(self._waiting)
            equal, now_us = open_ or group.members[:1], self._now_us()
            call, left_us = equal[0].call, None
            if open_ and self._timeout_us and call.question == "permission":
                left_us = max(0, call.at_us + self._timeout_us - now_us)
            paper.show(request(equal, width, now_us, left_us))
        else:
            paper.show(())


def _replies(waiting: Waiting) -> tuple[Reply, ...]:
    call = waiting.call
    return replies(call.question, call.decisions, call.lasting)
