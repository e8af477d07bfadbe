"""`mato resume` and `mato resolve`: going on after a daemon's end."""

from __future__ import annotations

from mato.cli import output
from mato.cli.requests import request
from mato.cli.starting import handed_over
from mato.cli.target import folder, split
from mato.config.paths import find

_RULES = {"done": "done, says mato resolve", "again": "again, by mato resolve"}


def resume(target: str) -> int:
    """Let paused agents go on; print which."""
    session, agent = split(target) if target else ("", "")
    env = handed_over(find(), folder(), ())
    params = {"session": session, "agent": agent, "env": env}
    names: list[str] = request("agent.resume", params)["agents"]
    if not names:
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
