"""Decisions of the past: a row for each, and all that is known of one."""

from __future__ import annotations

from datetime import datetime

from mato.protocol.deciding import Decided
from mato.text import display
from mato_panes.rendering.line import Line, Role
from mato_panes.rendering.wrapping import wrap

_BY = {
    "person": "a person",
    "mode": "the mode or a rule",
    "cancel": "the end of its turn",
    "timeout": "nobody in time",
}


def row(each: Decided) -> tuple[Line, Line]:
    """What it was about, and why it was decided so."""
    mark, role = _mark(each)
    what = display(_what(each), newline=False)
    left: Line = (
        (f"{mark} ", role),
        (f"{_time(each.at_us):%H:%M} ", "dim"),
        (display(f"{each.session_name}:{each.agent_name}", newline=False), "strong"),
        (f"  {what}", "text"),
    )
    return left, ((display(each.rule, newline=False), "dim"),)


def details(each: Decided, width: int) -> list[Line]:
    """Everything about one decision."""
    answer = "allowed" if each.allowed else "rejected"
    facts = {
        "answer": f"{answer} by {_BY.get(each.by, each.by)}",
        "reason": each.rule,
        "agent": f"{each.session_name}:{each.agent_name}",
        "tool": each.tool,
        "about": each.resource,
        "decided": f"{_time(each.at_us):%Y-%m-%d %H:%M:%S}",
        "call": each.call,
    }
    if each.asked_us:
        facts["asked"] = f"{_time(each.asked_us):%Y-%m-%d %H:%M:%S}"
    lines: list[Line] = []
    for name, value in facts.items():
        start: Line = ((f" {name}: ", "dim"),)
        for number, part in enumerate(display(value).split("\n")):
            first = start if number == 0 else _INDENT
            lines += wrap([(part, "text")], width, first=first, rest=_INDENT, words=False)
    return lines


_INDENT: Line = (("   ", "text"),)


def _what(each: Decided) -> str:
    # A call that nobody was asked about is known by its title, which begins with the tool.
    titled = each.resource == each.tool or each.resource.startswith(f"{each.tool} ")
    return each.resource if titled else f"{each.tool}  {each.resource}"


def _mark(each: Decided) -> tuple[str, Role]:
    return ("✓", "done") if each.allowed else ("✗", "failed")


def _time(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6).astimezone()
