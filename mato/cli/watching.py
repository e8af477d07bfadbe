"""`mato log` and `mato capture`: the journal as lines, a transcript as text."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

import msgspec

from mato.cli import output
from mato.cli.narrator import seconds
from mato.cli.starting import resolve
from mato.cli.target import split
from mato.client import quick
from mato.config.paths import Paths, find
from mato_sessions import codec
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
from mato_sessions.events import Event, Purged, Unknown
from mato_sessions.transcript import Transcript

PAGE = 2000


def log(session: str, *, after: int, follow: bool, as_json: bool) -> int:
    """Print a session's events after a seq; with `follow`, those to come until interrupted."""
    paths = find()
    name, last = session, after
    while True:
        lines, last, head, name = _page(paths, name, last)
        for line in lines:
            _print(line, as_json)
        if last >= head:
            break
    if follow:
        asyncio.run(_follow(paths, name, last, as_json))
    return 0


def _page(paths: Paths, session: str, after: int) -> tuple[list[str], int, int, str]:
    params = {"session": session, "after": after, "limit": PAGE}
    result = quick.request(paths, "journal.events", params, start=True)
    return result["lines"], result["last"], result["head"], result["session"]


def _print(line: str, as_json: bool) -> None:
    if as_json:
        print(output.harmless_json(line))
        return
    event = codec.from_json_line(line.encode())
    clock = time.strftime("%H:%M:%S", time.localtime(event.at_us / 1e6))
    about = f"{event.seq:>6}  {clock}  {event.kind:<22}  {_brief(event)}"
    print(output.fit(about, output.width()).rstrip())


def _brief(event: Event) -> str:
    if isinstance(event.body, Purged):
        return "purged"
    if isinstance(event.body, Unknown):
        return "this Mato does not know it"
    body = msgspec.to_builtins(event.body)
    for key in ("text", "title", "state", "reason", "message", "name", "content", "rule", "model"):
        if value := body.get(key):
            return " ".join(str(value).split())
    return " ".join(f"{key}={value}" for key, value in body.items() if isinstance(value, str | int))


async def _follow(paths: Paths, session: str, after: int, as_json: bool) -> None:
    from mato.client.feed import Arrived, Disconnected, Feed

    feed = Feed(paths, sessions={session: after}, client="log")
    async with contextlib.aclosing(feed.news()) as news:
        lost = False
        async for new in news:
            if isinstance(new, Arrived):
                lost = False
                for event in new.events:
                    _print(codec.to_json_line(event).decode(), as_json)
                sys.stdout.flush()
            elif isinstance(new, Disconnected) and not lost:
                lost = True
                output.note(f"mato: {new.reason}; waiting for it")


def capture(target: str) -> int:
    """Print an agent's transcript, or those of all agents of a session, as plain text."""
    wanted, agent = split(target)
    paths = find()
    sessions = quick.request(paths, "session.list", {}, start=True)["sessions"]
    session = resolve(wanted, sessions)
    agents = session["agents"]
    if agent:
        agents = [a for a in agents if agent in (a["name"], a["id"])] or _unknown(agent, agents)
    transcripts = {a["id"]: Transcript(a["id"]) for a in agents}
    last = 0
    while True:
        lines, last, head, _ = _page(paths, session["id"], last)
        for line in lines:
            event = codec.from_json_line(line.encode())
            if event.agent in transcripts:
                transcripts[event.agent].apply(event)
        if last >= head:
            break
    for number, one in enumerate(agents):
        if len(agents) > 1:
            output.say(("" if number == 0 else "\n") + f"== {one['name']} · {one['state']}")
        for entry in transcripts[one["id"]].entries:
            for line in _lines(entry):
                output.say(line)
    return 0


def _unknown(agent: str, agents: list[dict[str, str]]) -> list[dict[str, str]]:
    from mato_sessions.errors import UnknownName

    names = ", ".join(a["name"] for a in agents)
    raise UnknownName(f"there is no agent {agent!r} here; the session has {names}")


def _lines(entry: AnyEntry) -> list[str]:
    match entry:
        case PromptEntry():
            note = "" if entry.status == "sent" else f"  ({entry.status} {entry.note})".rstrip()
            return ["", *(f"> {line}" for line in f"{entry.text}{note}".splitlines()), ""]
        case ReasoningEntry():
            return [f"~ {line}" for line in entry.text.splitlines() if line.strip()]
        case TextEntry():
            return [*entry.text.splitlines(), *(["  (cut off)"] if entry.partial else [])]
        case CallEntry():
            about = (
                f"{entry.summary}  {seconds(entry.duration_us)}"
                if entry.duration_us
                else entry.summary
            )
            head = f"[{entry.status}] {entry.title or entry.name}  {about}".rstrip()
            body = (entry.diff or entry.output or entry.preview).splitlines()
            return [head, *(f"    {line}" for line in body)]
        case PlanEntry():
            signs = {"pending": "[ ]", "in_progress": "[~]", "completed": "[x]"}
            return [f"{signs[item.status]} {item.text}" for item in entry.items]
        case NoticeEntry():
            return [f"! {entry.text}"]
        case TurnEndEntry():
            detail = f": {entry.detail}" if entry.detail else ""
            return [f"— {entry.reason}{detail}  {seconds(entry.duration_us)}"]
