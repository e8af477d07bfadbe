"""`mato gc`: what retention would take away is shown, asked about, and done by who may write."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from mato.cli import output
from mato.cli.asking import Progress, agreed
from mato.client import quick
from mato.config.paths import Paths, find
from mato_sessions import retention
from mato_sessions.clock import SystemClock
from mato_sessions.errors import NoDaemon
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from mato_sessions.retention import Freed, Plan


def gc(age_s: int, *, yes: bool, as_json: bool) -> int:
    """Purge archived sessions whose last event is older than `age_s`, when it is agreed to."""
    paths = find()
    now_us = SystemClock().wall_us()
    before_us = now_us - age_s * 1_000_000
    if paths.journal.exists():
        with Progress("gc") as tick:
            plan = retention.plan(paths.journal, before_us, tick)
    else:
        plan = Plan((), (), 0, 0)
    freed = None
    if not as_json:
        _show(plan, now_us)
    if plan.size_bytes and (
        yes or (not as_json and agreed("delete them for good?", "`--yes` deletes them"))
    ):
        freed = _purge(paths, before_us)
    if as_json:
        output.say_json(_json(plan, freed))
    elif freed is not None:
        output.say(
            f"purged {freed.events} events of {_sessions(freed.sessions)} and"
            f" {_blobs(freed.blobs)}; {output.size(freed.file_bytes)} given back"
        )
    return 0


def _show(plan: Plan, now_us: int) -> None:
    if not plan.size_bytes:
        output.note("nothing to purge: no archived session is that old")
        return
    if plan.sessions:
        output.table(
            ("SESSION", "LAST", "EVENTS", "SIZE"),
            [
                (
                    each.name,
                    output.ago(each.last_us, now_us),
                    str(each.events),
                    output.size(each.size_bytes),
                )
                for each in plan.sessions
            ],
            give=0,
        )
    output.say(
        f"{_sessions(len(plan.sessions))}, {plan.events} events, {_blobs(len(plan.blobs))}:"
        f" {output.size(plan.size_bytes)}"
    )


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _blobs(count: int) -> str:
    return "1 blob" if count == 1 else f"{count} blobs"


def _purge(paths: Paths, before_us: int) -> Freed:
    """Let the daemon do it, the only one that writes while it runs; else do it here."""
    try:
        answer = quick.request(paths, "journal.purge", {"before_us": before_us}, start=False)
    except NoDaemon:
        return asyncio.run(_purge_here(paths, before_us))
    return msgspec.convert(answer, Freed)


async def _purge_here(paths: Paths, before_us: int) -> Freed:
    clock = SystemClock()
    async with Journal.open(paths.journal, clock=clock, redactor=Redactor()) as journal:
        plan = retention.plan(paths.journal, before_us)
        return await retention.purge(journal, plan, clock.wall_us())


def _json(plan: Plan, freed: Freed | None) -> dict[str, Any]:
    return {
        "sessions": [
            {
                "session": each.session,
                "name": each.name,
                "last_activity": output.iso(each.last_us),
                "events": each.events,
                "size_bytes": each.size_bytes,
            }
            for each in plan.sessions
        ],
        "events": plan.events,
        "blobs": len(plan.blobs),
        "size_bytes": plan.size_bytes,
        "purged": freed is not None,
        "freed_bytes": 0 if freed is None else freed.file_bytes,
    }
