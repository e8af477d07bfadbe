"""The inbox: every call that waits for a person, over all sessions, with what it would do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from textual import events
from textual.widget import Widget

from mato.text import display
from mato_panes.messages import CallAnswered
from mato_panes.rendering import words
from mato_panes.rendering.line import Line, Role
from mato_panes.rendering.reply import (
    LOST,
    Reply,
    key_of,
    label,
    replies,
    rule,
    told,
)
from mato_panes.rendering.wrapping import wrap
from mato_panes.screens.dialog import Dialog
from mato_panes.widgets.listing import Listing, Row
from mato_panes.widgets.paper import Paper
from mato_sessions.catalog import PendingCall

_LEAVE = "Enter goes there · Tab reads on · Esc leaves"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call and the name of its session."""

    call: PendingCall
    session_name: str


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

    def __init__(self, waiting: Callable[[], Sequence[Waiting]], now_us: Callable[[], int]) -> None:
        super().__init__("Inbox", _LEAVE)
        self._source = waiting
        self._now_us = now_us
        self._all: dict[str, Waiting] = {}
        self._answers: dict[str, Reply] = {}
        self._waiting: frozenset[str] = frozenset()

    def body(self) -> Iterable[Widget]:
        yield Listing(empty="Nothing waits for you.")
        yield Paper(surface="code")

    def on_mount(self) -> None:
        self.update_calls()
        self._read()

    def update_calls(self) -> None:
        """Take in what waits now; new calls come last, answered ones stay."""
        now = self._source()
        self._waiting = frozenset(each.call.call for each in now)
        for each in now:
            self._all.setdefault(each.call.call, each)
        listing = self.query_one(Listing)
        self.set_class(not self._all, "-empty")
        self._say_keys()
        rows = [self._row(each) for each in self._all.values()]
        if tuple(rows) != listing.rows:
            listing.show(rows)
            listing.styles.height = max(1, len(rows))

    def on_listing_moved(self) -> None:
        self._say_keys()
        self._read()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self.dismiss(self._all[event.key].call)

    def on_key(self, event: events.Key) -> None:
        for reply in self._replies():
            if event.key == key_of(reply):
                self._answer(reply)
                event.stop()
                event.prevent_default()
        # For all others the dialog's own handler comes next.

    def _chosen(self) -> PendingCall | None:
        each = self._all.get(self.query_one(Listing).key)
        return each.call if each is not None else None

    def _replies(self) -> tuple[Reply, ...]:
        call = self._chosen()
        return replies(call.question, call.decisions) if call is not None else ()

    def _say_keys(self) -> None:
        call = self._chosen()
        if call is None:
            self.say_keys(_LEAVE if self._all else "Esc leaves")
            return
        keys = [f"{key_of(reply)} {label(call.question, reply)}" for reply in self._replies()]
        self.say_keys(" · ".join((*keys, _LEAVE)))

    def refused(self, call: str) -> None:
        """The answer did not arrive: the call can be answered again."""
        self._answers.pop(call, None)
        self.update_calls()

    def _answer(self, reply: Reply) -> None:
        call = self._chosen()
        if call is None or call.call not in self._waiting or call.call in self._answers:
            return
        self._answers[call.call] = reply
        said = rule(call.question, reply, "in the inbox")
        self.post_message(CallAnswered(call.call, reply, said))
        self.update_calls()

    def _row(self, each: Waiting) -> Row:
        call = each.call
        who = display(f"{each.session_name}:{call.agent_name}", newline=False)
        what = display(f"{call.tool}  {call.resource}", newline=False)
        if answer := self._answers.get(call.call):
            role: Role = "failed" if answer == "deny" else "done"
            mark: Line = ((f"{'✗' if answer == 'deny' else '✓'} ", role),)
            right: Line = ((told(call.question, answer), role),)
        elif call.call not in self._waiting:
            mark, right = (("· ", "dim"),), (("no longer waits", "dim"),)
        else:
            mark = (("▲ ", "blocked"),)
            right = ((words.clock(self._now_us() - call.at_us), "dim"),)
        return Row(call.call, (*mark, (who, "strong"), ("  ", "text"), (what, "text")), right)

    def on_resize(self) -> None:
        self.call_after_refresh(self._read)

    def _read(self) -> None:
        paper = self.query_one(Paper)
        each = self._all.get(self.query_one(Listing).key)
        width = max(paper.size.width - 2, 20)
        paper.show(details(each.call, width) if each is not None else ())


def details(call: PendingCall, width: int) -> list[Line]:
    """All of what is asked: every argument in full, and the change where it is known.

    Long lines are broken and not cut: what is approved has been in sight.
    """
    lines: list[Line] = []
    if call.question == "recovery":
        lines += wrap([(LOST, "warning")], width, first=((" ", "text"),))
    for name, value in call.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        label = display(name, newline=False)
        parts = display(text).expandtabs(4).split("\n")
        if len(parts) == 1:
            start: Line = ((f" {label}: ", "dim"),)
            lines += wrap([(parts[0], "text")], width, first=start, rest=_INDENT, words=False)
            continue
        lines.append(((f" {label}:", "dim"),))
        for part in parts:
            lines += wrap([(part, "text")], width, first=_INDENT, words=False)
    if call.preview:
        lines.append(())
        for part in display(call.preview).expandtabs(4).split("\n"):
            role = _diff_role(part)
            lines += wrap([(part, role)], width, first=((" ", role),), words=False)
    return lines


_INDENT: Line = (("   ", "text"),)


def _diff_role(line: str) -> Role:
    if line.startswith("@@"):
        return "hunk"
    if line.startswith(("+++", "---")):
        return "dim"
    if line.startswith("+"):
        return "added"
    return "removed" if line.startswith("-") else "text"
