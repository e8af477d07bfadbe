"""`mato resume` and `mato resolve`: going on after a daemon's end."""

from __future__ import annotations

from typing import Any

from mato.cli import allowance, output
from mato.cli.requests import request
from mato.cli.starting import handed_over
from mato.cli.target import folder, split
from mato.config.paths import find
from mato_sessions.errors import UsageError

_RULES = {"done": "done, says mato resolve", "again": "again, by mato resolve"}


def resume(target: str, budget: str | None = None) -> int:
    """Let paused agents go on, with another budget where one is given; print which."""
    session, agent = split(target) if target else ("", "")
    more: dict[str, Any] = {"budget": allowance.parse(budget)} if budget is not None else {}
    if more and not session:
        raise UsageError("a budget is given to the agents of one session; name it")
    env = handed_over(find(), folder(), ())
    params = {"session": session, "agent": agent, "env": env, **more}
    names: list[str] = request("agent.resume", params)["agents"]
    if more:
        output.say(f"{target} has another budget")
    elif not names:
        output.note(f"nothing to resume: no agent{f' of {target}' if target else ''} is paused")
    for name in names:
        output.say(f"{name} goes on")
    return 0


def resolve(call: str, decision: str) -> int:
    """Decide what became of a call that was cut off."""
    rule = _RULES.get(decision, "given up by mato resolve")
    params = {
        "call": call,
        "allowed": decision == "again",
        "decision": decision.replace("-", "_"),
        "rule": rule,
    }
    request("inbox.answer", params)
    return 0
