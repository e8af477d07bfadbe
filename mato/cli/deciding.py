"""`mato inbox --history`: what was allowed and rejected, and why."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Data = dict[str, Any]


def history(session: str, limit: int, as_json: bool) -> int:
    """Print the newest decisions, newest first; as JSON all that is on record of each."""
    from mato.cli import output
    from mato.cli.requests import request

    found = request("inbox.history", {"session": session, "limit": limit})
    decisions: list[Data] = found["decisions"]
    if as_json:
        output.say_json([_json(each) for each in decisions])
        return 0
    if not decisions:
        output.note("nothing has been decided yet")
        return 0
    rows = [
        (
            time.strftime("%m-%d %H:%M", time.localtime(each["at_us"] / 1e6)),
            "allowed" if each["allowed"] else "rejected",
            f"{each['session_name']}:{each['agent_name']}",
            _what(each),
            each["rule"],
        )
        for each in decisions
    ]
    output.table(("TIME", "ANSWER", "AGENT", "CALL", "WHY"), rows, give=3)
    if not found["complete"]:
        output.note("there are older ones: `--limit` shows more, `mato log` all of a session")
    return 0


def rejected_us() -> int:
    """After how long a request is rejected that nobody answers; 0: never."""
    from mato.config.load import load
    from mato.config.paths import find

    return int(load(find()).permissions.timeout_s * 1_000_000)


def _what(each: Data) -> str:
    # A call that nobody was asked about is known by its title, which begins with the tool.
    tool, about = each["tool"], each["resource"]
    return about if about == tool or about.startswith(f"{tool} ") else f"{tool} {about}"


def _json(each: Data) -> Data:
    from mato.cli import output

    return {
        "call": each["call"],
        "session": each["session"],
        "session_name": each["session_name"],
        "agent": each["agent"],
        "agent_name": each["agent_name"],
        "tool": each["tool"],
        "resource": each["resource"],
        "allowed": each["allowed"],
        "by": each["by"],
        "rule": each["rule"],
        "decision": each.get("decision"),
        "asked": output.iso(each["asked_us"]) if each.get("asked_us") else None,
        "answered": output.iso(each["at_us"]),
    }
