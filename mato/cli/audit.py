"""`mato audit`: who allowed what, by which rule and with which taint, from the journal alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from mato_sessions.errors import UsageError

TYPE_CHECKING = False  # the journal is loaded only where it is read
if TYPE_CHECKING:
    from mato_sessions.audit import Audit, Decided


def audit(
    target: Annotated[
        str, typer.Argument(metavar="[S[:AGENT]]", help="Only of this session, or agent in it.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="T", help="2h, 3d, or a time: 2026-03-01T12:00.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> int:
    """List who allowed what: every decision about a call and every grant, oldest first.

    It reads the journal's file, whether a daemon runs or not. With --json one object a line.
    """
    from mato.cli import output
    from mato.cli.asking import Progress
    from mato.config.paths import find
    from mato_sessions.audit import Audit, decisions, facts, newest
    from mato_sessions.reading import reading

    since_us = _since_us(since) if since else 0
    path = find().journal
    known = Audit()
    found: list[Decided] = []
    if path.exists():
        with reading(path) as connection, Progress("audit") as tick:
            last = newest(connection)
            for each in decisions(known, facts(connection)):
                tick("reads the record", each.position, last)
                if each.at_us >= since_us:
                    found.append(each)
    agents = _wanted(known, target) if target else None
    count = 0
    for each in found:
        if agents is None or each.agent in agents:
            count += 1
            if as_json:
                output.say_json(_json(known, each))
            else:
                _say(known, each)
    if not count and not as_json:
        output.note("no call has been decided yet" if not target else "nothing was decided there")
    return 0


def _since_us(text: str) -> int:
    from mato.cli.duration import seconds

    if re.fullmatch(r"[0-9]{1,6}[a-z]", text.strip()):
        return time.time_ns() // 1000 - seconds(text, "time") * 1_000_000
    try:
        return int(datetime.fromisoformat(text.strip()).timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{text!r} is no time; give an age such as 2h, or a time such as 2026-03-01T12:00"
        ) from error


def _wanted(known: Audit, target: str) -> frozenset[str]:
    """The agents that a person means."""
    from mato.cli.target import split
    from mato.daemon import names

    wanted, agent = split(target)
    session = names.find("session", wanted, known.sessions)
    of_it = {key: name for key, (owner, name) in known.agents.items() if owner == session}
    return frozenset([names.find("agent", agent, of_it)] if agent else of_it)


def _say(known: Audit, each: Decided) -> None:
    from mato.cli import output

    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.at_us / 1e6))
    _, agent = known.agents.get(each.agent, ("", each.agent))
    who = f"{known.sessions.get(each.session, each.session)}:{agent}"
    output.say(f"{clock}  {each.what:<7}  {who}")
    for line in _lines(each):
        for part in output.wrapped(" ".join(line.split()), output.width() - 4):
            output.say(f"    {part}")


def _lines(each: Decided) -> Iterator[str]:
    if each.what in ("granted", "revoked"):
        until = (
            time.strftime(" until %Y-%m-%d %H:%M", time.localtime(each.expires_us / 1e6))
            if each.expires_us
            else ""
        )
        yield f"{each.grant}: {each.words}{until}"
    else:
        yield f"{each.tool} {each.about}" if each.action else each.about or each.call
    yield why(each)


def why(each: Decided) -> str:
    """Who or what decided, what it asked for, and what the agent had seen, in a line."""
    from mato.cli.requests import marks

    said = f"by {each.by}: {each.rule}" if each.by != "mode" else each.rule
    if each.why:
        said += f"; asked because: {each.why}"
    seen = marks({"private": each.private, "untrusted": each.untrusted})
    return said + (f"; it had seen {seen}" if seen else "")


def _json(known: Audit, each: Decided) -> dict[str, Any]:
    from mato.cli import output

    return {
        "time": output.iso(each.at_us),
        "position": each.position,
        "session": each.session,
        "session_name": known.sessions.get(each.session, ""),
        "agent": each.agent,
        "agent_name": known.agents.get(each.agent, ("", ""))[1],
        "turn": each.turn,
        "what": each.what,
        "call": each.call,
        "tool": each.tool,
        "action": each.action,
        "about": each.about,
        "by": each.by,
        "rule": each.rule,
        "why": each.why,
        "taint": {"private": each.private, "untrusted": each.untrusted},
        "decision": each.decision,
        "grant": each.grant,
        "words": each.words,
        "expires": output.iso(each.expires_us) if each.expires_us else None,
    }
