"""`mato policy explain CALL`: a call of the record, what was decided, and what would be now."""

from __future__ import annotations

import time

import msgspec

from mato.cli import output
from mato.cli.audit import why
from mato.cli.requests import marks, request
from mato_sessions.audit import Decided

TYPE_CHECKING = False  # `typing` costs 4 ms
if TYPE_CHECKING:
    from typing import Any


def explain(call: str, *, as_json: bool) -> int:
    """Print it."""
    found = request("permission.explain", {"call": call})
    if as_json:
        output.say_json(found)
        return 0
    who = f"{found['session_name']}:{found['agent_name']}"
    _say("", f"{found['call']}  {who}  {found['tool']} {found['resource']}")
    for each in msgspec.convert(found["decided"], tuple[Decided, ...]):
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.at_us / 1e6))
        if each.what in ("allowed", "denied"):
            _say("then: ", f"{each.what} {clock}, {why(each)}")
        else:
            _say("then: ", f"{each.what} {clock}, {each.grant}: {each.words} ({each.rule})")
    if not found["decided"]:
        _say("then: ", "nobody has decided it")
    _say("now:  ", _now(found))
    if command := found["command"]:
        _say("", f"the command: {command}")
    if lasting := found["lasting"]:
        _say("", f"a yes for the session would cover: {lasting}")
    return 0


def _now(found: dict[str, Any]) -> str:
    seen = marks(found)
    said = f"{found['effect']} (mode {found['mode']}, sandbox {found['tier']}): {found['rule']}"
    return said + (f"; it has seen {seen}" if seen else "")


def _say(head: str, text: str) -> None:
    words = " ".join(text.split())
    for number, line in enumerate(output.wrapped(words, output.width() - 6)):
        output.say(f"{head}{line}" if not number else f"      {line}")
