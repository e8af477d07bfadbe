"""Cards of tool calls: state, title and time on one line, below it what matters of the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from mato.text import display, one_line
from mato_panes.rendering import diff, words
from mato_panes.rendering.line import Line, Role, Span, cells, spread
from mato_panes.rendering.reply import LOST, key_of, label, lasts, reasons, replies, under_way
from mato_panes.rendering.view import View
from mato_panes.rendering.wrapping import wrap
from mato_sessions.entries import CallEntry

TAIL_LINES = 8
"""Of the output of a running call."""
SHORT_LINES = 4
"""Of a finished command's output, or of an error."""
DIFF_LINES = 14
WHOLE_LINES = 400
"""Of an expanded card; the rest opens elsewhere."""

_BODY: Line = (("  ", "text"),)
_OUTPUT: Line = (("  ", "text"), ("│ ", "code-bar"))
_BAR: Line = (("┃ ", "blocked"),)

_STATES: dict[str, tuple[str, Role, str]] = {
    "writing": ("○", "idle", "writing"),
    "proposed": ("○", "idle", "next"),
    "waiting": ("▲", "blocked", "waiting for you"),
    "running": ("●", "working", "running"),
    "finished": ("✓", "done", "done"),
    "failed": ("✗", "failed", "failed"),
    "denied": ("⊘", "stopped", "denied"),
    "unknown": ("?", "warning", "unknown"),
}


def card(entry: CallEntry, view: View) -> list[Line]:
    """The lines of a tool call."""
    head = _head(entry, view)
    if entry.status == "waiting":
        return [head, *_permission(entry, view)]
    body = list(_whole(entry, view) if view.expanded else _body(entry, view))
    return [head, *body]


def state_of(entry: CallEntry) -> tuple[str, Role, str]:
    """Glyph, role and word of the call's state. A command that ended badly is no success."""
    if entry.status == "finished" and entry.exit_code:
        return "✗", "failed", f"exit {entry.exit_code}"
    return _STATES[entry.status]


def _head(entry: CallEntry, view: View) -> Line:
    glyph, role, word = state_of(entry)
    title = one_line(entry.title or entry.name, 400)
    if entry.status == "waiting":
        # What it is about stands below, complete; cut off here it would only mislead.
        title = one_line(entry.name, 60)
    verb, _, rest = title.partition(" ")
    left: Line = ((f"{glyph} ", role), (verb, "title"), (f" {rest}" if rest else "", "text"))
    return spread(left, _facts(entry, view, role, word), view.width)


def _facts(entry: CallEntry, view: View, role: Role, word: str) -> Line:
    """What stands at the right: the state in a word where it is not over, and the time."""
    facts: list[Span] = []
    match entry.status:
        case "finished":
            summary = one_line(entry.summary, 32) if entry.summary else word
            shown: Role = "failed" if entry.exit_code else "dim"
            facts.append((summary, shown))
            if view.width >= 48 or entry.duration_us >= 1_000_000:
                facts.append((f" · {words.duration(entry.duration_us)}", "dim"))
        case "running" | "waiting":
            facts.append((word, role))
            if entry.status == "running" and entry.started_us:
                facts.append((f" {words.clock(view.now_us - entry.started_us)}", "dim"))
        case "writing":
            facts.append((word, role))
            if entry.arguments_text:
                facts.append((f" {words.size(len(entry.arguments_text))}", "dim"))
        case _:
            facts.append((word, role))
    return tuple(facts)


def _body(entry: CallEntry, view: View) -> Iterator[Line]:
    """What a card shows while it is folded."""
    if entry.status == "running":
        yield from _tail(entry.output, TAIL_LINES, view.width)
    elif entry.status in ("failed", "denied", "unknown"):
        reason = entry.output or entry.decided
        yield from _some(_output(reason, view.width, words=True), SHORT_LINES, view.width)
    elif entry.diff:
        yield from _some(
            diff.diff(entry.diff, view.width, _BODY, entry.title), DIFF_LINES, view.width
        )
    elif entry.exit_code is not None and entry.output:
        yield from _tail(entry.output, SHORT_LINES, view.width, more=True)


def _whole(entry: CallEntry, view: View) -> Iterator[Line]:
    """What a card shows when it is expanded."""
    width = view.width
    yield from _arguments(entry, width, _BODY, "dim")
    if entry.status == "writing" and entry.arguments_text:
        yield from _tail(entry.arguments_text, 2 * TAIL_LINES, width)
    if entry.decided:
        yield from wrap([(f"decided by {display(entry.decided)}", "dim")], width, first=_BODY)
    if entry.diff:
        yield from _some(diff.diff(entry.diff, width, _BODY, entry.title), WHOLE_LINES, width)
    if entry.status == "running":
        yield from _tail(entry.output, WHOLE_LINES // 2, width, more=True)
    elif entry.output and not (entry.diff and entry.status == "finished"):
        yield from _some(_output(entry.output, width), WHOLE_LINES, width)
    if entry.whole is not None:
        hint = f"o opens the whole output, {words.size(entry.whole.size_bytes)}"
        yield from wrap([(hint, "dim")], width, first=_BODY)


def _permission(entry: CallEntry, view: View) -> Iterator[Line]:
    """What waits for a person, complete: they answer for what they could read."""
    width = view.width
    resource = entry.resource or entry.title
    if entry.question == "recovery":
        yield from wrap([(LOST, "warning")], width, first=_BAR)
    both = entry.private and entry.untrusted
    for said in reasons(entry.why, private=entry.private, untrusted=entry.untrusted):
        shown = display(said, newline=False)
        yield from wrap([(shown, "warning" if both else "dim")], width, first=_BAR)
    for line in display(resource).split("\n"):
        text: list[Span] = [(line.expandtabs(4), "strong")]
        yield from wrap(text, width, first=_BAR, keep=True)
    if entry.preview:
        yield _BAR
        yield from diff.diff(entry.preview, width, _BAR, resource)
    if not entry.preview or both:
        yield from _arguments(entry, width, _BAR, "text")
    yield _BAR
    if view.answering is not None:
        yield (*_BAR, (under_way(entry.question, view.answering), "dim"))
        return
    yield from _keys(entry, view)


def _keys(entry: CallEntry, view: View) -> Iterator[Line]:
    """How it is answered."""
    width = view.width
    found = replies(entry.question, entry.decisions, entry.lasting)
    if entry.lasting:
        shown = display(lasts(entry.lasting), newline=False)
        yield from wrap([(shown, "dim")], width, first=_BAR)
    each: list[Line] = [
        ((f"[{key_of(reply)}]", "key"), (f" {label(entry.question, reply)}", "text"))
        for reply in found
    ]
    gap: Line = (("   ", "text"),)
    keys: Line = (*_BAR, *each[0], *(span for one in each[1:] for span in (*gap, *one)))
    hint: Line = ((f"tab, then {_either([key_of(reply) for reply in found])}", "dim"),)
    together = cells(keys) + cells(hint) + 2 <= width
    if cells(keys) > width:
        yield from ((*_BAR, *one) for one in each)
    elif view.focused or not together:
        yield keys
    else:
        yield spread(keys, hint, width)
    if not view.focused and not together:
        yield from wrap(hint, width, first=_BAR)


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _arguments(entry: CallEntry, width: int, prefix: Line, role: Role) -> Iterator[Line]:
    """The arguments that the title or resource does not show already, a line each or more."""
    for name, value in entry.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if text in (entry.resource, entry.title):
            continue
        label = f"{display(str(name), newline=False)}: "
        lines = display(text).expandtabs(4).split("\n")
        first: Line = (*prefix, (label, "dim"))
        yield from wrap([(lines[0], role)], width, first=first, rest=prefix, words=False)
        for line in lines[1:]:
            yield from wrap([(line, role)], width, first=prefix, words=False)


def _output(text: str, width: int, *, words: bool = False) -> Iterator[Line]:
    for line in text.rstrip("\n").split("\n"):
        shown = display(line.removesuffix("\r")).expandtabs(4)
        yield from wrap([(shown, "output")], width, first=_OUTPUT, words=words)


def _tail(text: str, limit: int, width: int, *, more: bool = False) -> Iterator[Line]:
    """The last lines of an output; what comes before is neither cleaned nor wrapped."""
    text = text.rstrip("\n")
    if not text:
        return
    window = text[-limit * max(width, 20) * 2 :]
    sources = window.rsplit("\n", limit)[-limit:]
    lines = list(_output("\n".join(sources), width))
    above = text.count("\n") + 1 - len(sources)
    if more and above > 0:
        yield (*_BODY, (f"… {words.counted(above, 'line')} above", "dim"))
    yield from lines[-limit:]


def _some(lines: Iterator[Line], limit: int, width: int) -> Iterator[Line]:
    """The first lines, and how many follow where that is quickly said."""
    yield from islice(lines, limit)
    rest = sum(1 for _ in islice(lines, WHOLE_LINES))
    if rest:
        many = "many" if rest == WHOLE_LINES else f"{rest}"
        noun = "line" if rest == 1 else "lines"
        key = " · enter shows" if limit < WHOLE_LINES else ""
        yield from wrap([(f"… {many} more {noun}{key}", "dim")], width, first=_BODY)
