"""Entries of a transcript as lines: a glyph in the first cell, a space, and what is said."""

from __future__ import annotations

from typing import assert_never

from mato.text import Shown, display, one_line
from mato_panes.rendering import words
from mato_panes.rendering.card import card
from mato_panes.rendering.line import Line, Role, Span, cells, clip
from mato_panes.rendering.markdown import Markdown
from mato_panes.rendering.view import View
from mato_panes.rendering.wrapping import PROSE_CELLS, wrap
from mato_panes.store import Wait
from mato_sessions.entries import (
    AnyEntry,
    CallEntry,
    NoticeEntry,
    PlanEntry,
    PromptEntry,
    ReasoningEntry,
    TextEntry,
    TurnEndEntry,
)

INDENT = 2
"""Cells before the text: glyph and space."""
PROMPT_LINES = 16
"""Of a long prompt that is folded."""

_INDENTED: Line = ((" " * INDENT, "text"),)

_PLAN: dict[str, tuple[str, Role, Role]] = {
    "pending": ("· ", "dim", "text"),
    "in_progress": ("▸ ", "working", "strong"),
    "completed": ("✓ ", "done", "dim"),
}
_NOTICES: dict[str, tuple[str, Role]] = {
    "info": ("· ", "info"),
    "warning": ("! ", "warning"),
    "error": ("✗ ", "error"),
}
_ENDS: dict[str, tuple[str, Role, str]] = {
    "end_turn": ("✓", "done", "done"),
    "max_tokens": ("▲", "warning", "cut off at the model's output limit"),
    "max_turn_requests": ("▲", "warning", "ended: too many model requests"),
    "refusal": ("⊘", "warning", "the model refused"),
    "cancelled": ("■", "stopped", "stopped"),
    "failed": ("✗", "failed", "failed"),
    "token_limit": ("▲", "warning", "ended at the token limit"),
    "cost_limit": ("▲", "warning", "ended at the cost limit"),
    "time_limit": ("▲", "warning", "ended at the time limit"),
    "interrupted": ("▲", "warning", "interrupted"),
}


def lines_of(entry: AnyEntry, view: View) -> list[Line]:
    """The lines of an entry that is not streaming text or reasoning; for those see `prose`."""
    match entry:
        case TextEntry() | ReasoningEntry():
            writer = Markdown(view.width, INDENT, prose_role(entry))
            writer.feed(entry.text)
            writer.close()
            return prose(entry, writer.lines, [], view)
        case CallEntry():
            return card(entry, view)
        case PromptEntry():
            return _prompt(entry, view)
        case PlanEntry():
            return _plan(entry, view)
        case NoticeEntry():
            glyph, role = _NOTICES[entry.level]
            return _plain(entry.text, role, view.width, ((glyph, role),))
        case TurnEndEntry():
            return _end(entry, view)
        case _:
            assert_never(entry)


def prose_role(entry: TextEntry | ReasoningEntry) -> Role:
    """In which role the entry's own words are."""
    return "text" if isinstance(entry, TextEntry) else "reasoning"


REASONING_LINES = 6
"""Of reasoning that is still growing."""


def prose(
    entry: TextEntry | ReasoningEntry, lines: list[Line], tail: list[Line], view: View
) -> list[Line]:
    """What is shown of text or reasoning, given its rendered lines and its unfinished last ones."""
    if isinstance(entry, TextEntry):
        shown = [*lines, *tail]
        if entry.partial:
            shown += wrap([("⋯ cut off here", "dim")], view.width, first=_INDENTED)
        return shown
    if entry.open:
        elapsed = words.clock(view.now_us - entry.started_us) if entry.started_us else ""
        head: Line = (("∴ ", "reasoning"), (f"thinking {elapsed}".rstrip(), "reasoning"))
        shown = [*lines, *tail] if view.expanded else [*lines[-REASONING_LINES:], *tail]
        return [clip(head, view.width), *(shown if view.expanded else shown[-REASONING_LINES:])]
    took = entry.ended_us - entry.started_us if entry.started_us else 0
    text = f"thought for {words.duration(took)}" if took >= 1_000_000 else "thought"
    head = (("∴ ", "reasoning"), (text, "reasoning"))
    if view.expanded:
        return [clip(head, view.width), *lines]
    room = view.width - INDENT - len(text) - 2
    if room >= 16:
        head = (*head, ("  ", "text"), (one_line(entry.text, room), "dim"))
    return [clip(head, view.width)]


WAIT_SHOWN_US = 1_000_000
"""A shorter wait for the model is not worth a line."""


def waiting_line(wait: Wait, now_us: int, width: int) -> Line:
    """What an agent waits for while its model says nothing, and for how long already."""
    waited_us = now_us - wait.since_us
    if waited_us < WAIT_SHOWN_US:
        return ()
    elapsed = f" {words.clock(waited_us)}"
    why = one_line(wait.why or "waiting for the model", max(width - INDENT - len(elapsed), 1))
    return clip((("⋯ ", "dim"), (f"{why}{elapsed}", "dim")), width)


def foldable(entry: AnyEntry) -> bool:
    """Whether folding and unfolding the entry makes a difference."""
    match entry:
        case ReasoningEntry():
            return bool(entry.text)
        case CallEntry():
            return entry.status != "waiting"
        case PromptEntry():
            return entry.text.count("\n") >= PROMPT_LINES or len(entry.text) > 1_000
        case _:
            return False


def ticks(entry: AnyEntry) -> bool:
    """Whether the entry shows a time that goes on."""
    if isinstance(entry, ReasoningEntry):
        return entry.open
    return isinstance(entry, CallEntry) and entry.status == "running"


def plain_text(entry: AnyEntry) -> Shown:
    """What the entry says, cleaned but not wrapped: for the clipboard and for searching."""
    match entry:
        case PromptEntry() | ReasoningEntry() | TextEntry() | NoticeEntry():
            return display(entry.text)
        case CallEntry():
            parts = [entry.title or entry.name]
            if entry.resource and entry.resource not in parts[0]:
                parts.append(entry.resource)
            result = entry.diff or (entry.preview if entry.status == "waiting" else "")
            parts.extend(part for part in (result or entry.output, entry.summary) if part)
            return display("\n".join(parts))
        case PlanEntry():
            marks = {"pending": "[ ]", "in_progress": "[~]", "completed": "[x]"}
            return display("\n".join(f"{marks[item.status]} {item.text}" for item in entry.items))
        case TurnEndEntry():
            return display(f"{entry.reason} {entry.detail}".strip())
        case _:
            assert_never(entry)


def estimate(entry: AnyEntry, width: int) -> int:
    """About how many lines the folded entry takes: cheap, for the scrollbar, exact for no one."""
    match entry:
        case TextEntry():
            return max(1, entry.text.count("\n") + len(entry.text) // max(8, width))
        case PromptEntry():
            lines = 1 + entry.text.count("\n") + len(entry.text) // max(8, width)
            return min(PROMPT_LINES, lines)
        case CallEntry():
            if entry.diff:
                return min(15, 1 + entry.diff.count("\n"))
            return 4 if entry.status == "running" or entry.exit_code is not None else 1
        case PlanEntry():
            return 1 + len(entry.items)
        case _:
            return 1


def _plain(text: str, role: Role, width: int, first: Line) -> list[Line]:
    lines: list[Line] = []
    measure = min(width, PROSE_CELLS)
    for source in text.rstrip("\n").split("\n"):
        shown = display(source.removesuffix("\r")).expandtabs(4)
        prefix = _INDENTED if lines else first
        lines.extend(wrap([(shown, role)], measure, first=prefix, rest=_INDENTED))
    return lines


def _prompt(entry: PromptEntry, view: View) -> list[Line]:
    waiting = entry.status != "sent"
    role: Role = "queued" if waiting else "prompt"
    text = entry.text
    limit = view.width * PROMPT_LINES * 4
    if not view.expanded and len(text) > limit:
        text = text[:limit]
    lines = _plain(text, role, view.width, (("❯ ", "prompt-mark"),))
    if not view.expanded and (len(lines) > PROMPT_LINES or len(text) < len(entry.text)):
        rest = f"… {words.size(len(entry.text))} in all · enter shows"
        del lines[PROMPT_LINES - 1 :]
        lines += wrap([(rest, "dim")], view.width, first=_INDENTED)
    if entry.status == "queued":
        lines += wrap([("queued: sent when this turn ends", "dim")], view.width, first=_INDENTED)
    elif entry.status == "returned":
        note = f"not sent: {display(entry.note, newline=False)}" if entry.note else "not sent"
        lines += wrap([(note, "warning")], view.width, first=(("↩ ", "warning"),), rest=_INDENTED)
    return lines


def _plan(entry: PlanEntry, view: View) -> list[Line]:
    completed = sum(item.status == "completed" for item in entry.items)
    head: Line = (("≡ ", "title"), ("plan", "title"), (f"  {completed}/{len(entry.items)}", "dim"))
    lines: list[Line] = [head]
    for item in entry.items:
        glyph, mark, role = _PLAN[item.status]
        text: list[Span] = [(display(item.text, newline=False), role)]
        first: Line = (*_INDENTED, (glyph, mark))
        lines += wrap(text, view.width, first=first, rest=(*_INDENTED, ("  ", "text")))
    return lines


def _end(entry: TurnEndEntry, view: View) -> list[Line]:
    other = ("■", "warning", display(entry.reason, newline=False))
    glyph, role, word = _ENDS.get(entry.reason, other)
    took = f" · {words.duration(entry.duration_us)} "
    head = clip(((f"{glyph} ", role), (word, role), (took, "dim")), view.width)
    lines: list[Line] = [(*head, ("─" * (view.width - cells(head)), "faint"))]
    if entry.detail:
        detail: Role = "error" if role == "failed" else "text"
        lines += _plain(entry.detail, detail, view.width, _INDENTED)
    return lines
