"""A request to a person, in full: who asks, what it would do, every argument, the change."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mato.text import display
from mato_panes.rendering import words
from mato_panes.rendering.line import Line, Role
from mato_panes.rendering.reply import LOST, lasts, reasons
from mato_panes.rendering.wrapping import wrap
from mato_panes.waiting import Waiting
from mato_sessions.catalog import PendingCall

_INDENT: Line = (("   ", "text"),)


def request(
    equal: Sequence[Waiting], width: int, now_us: int, left_us: int | None = None
) -> list[Line]:
    """All of what equal requests ask, once; who asks is named for each of them.

    Long lines are broken and not cut: what is approved has been in sight. `left_us`: until nobody
    has answered the oldest for too long.
    """
    lines: list[Line] = []
    for number, each in enumerate(equal):
        since = words.clock(now_us - each.call.at_us)
        said = f"{display(each.who, newline=False)} in {display(each.cwd, newline=False)}"
        when = f" · asked {since} ago"
        if number == 0 and left_us is not None:
            when += f" · rejected in {words.duration(left_us)} if nobody answers"
        start: Line = ((" ", "text"),)
        if len(equal) > 1:
            start = ((" next " if number == 0 else " then ", "key"),)
        lines += wrap([(said, "strong"), (when, "dim")], width, first=start, rest=_INDENT)
    if equal:
        lines.append(())
        lines += details(equal[0].call, width)
    return lines


def details(call: PendingCall, width: int) -> list[Line]:
    """Every argument of a call in full, and the change where it is known."""
    lines: list[Line] = []
    start: Line = ((" ", "text"),)
    if call.question == "recovery":
        lines += wrap([(LOST, "warning")], width, first=start)
    both = call.private and call.untrusted
    for said in reasons(call.why, private=call.private, untrusted=call.untrusted):
        shown = display(said, newline=False)
        lines += wrap([(shown, "warning" if both else "dim")], width, first=start, rest=start)
    if call.lasting:
        shown = display(lasts(call.lasting), newline=False)
        lines += wrap([(shown, "dim")], width, first=start, rest=start)
    if lines:
        lines.append(())
    for name, value in call.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        label = display(name, newline=False)
        parts = display(text).expandtabs(4).split("\n")
        if len(parts) == 1:
            named: Line = ((f" {label}: ", "dim"),)
            lines += wrap([(parts[0], "text")], width, first=named, rest=_INDENT, words=False)
            continue
        lines.append(((f" {label}:", "dim"),))
        for part in parts:
            lines += wrap([(part, "text")], width, first=_INDENT, words=False)
    if call.preview:
        lines.append(())
        lines += change(call.preview, width)
    return lines


def change(diff: str, width: int) -> list[Line]:
    """A unified diff, each line in its colour and whole."""
    lines: list[Line] = []
    for part in display(diff).expandtabs(4).split("\n"):
        role = _diff_role(part)
        lines += wrap([(part, role)], width, first=((" ", role),), words=False)
    return lines


def _diff_role(line: str) -> Role:
    if line.startswith("@@"):
        return "hunk"
    if line.startswith(("+++", "---")):
        return "dim"
    if line.startswith("+"):
        return "added"
    return "removed" if line.startswith("-") else "text"
