"""A small journal with a call in each state, kept as the database of every schema there has been.

Run this file when the schema has changed: it writes the database and its folds for the newest one.
Those of older schemas are never written again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mato_sessions import database
from mato_sessions.clock import ManualClock
from mato_sessions.events import (
    AgentSpawned,
    AgentStateChanged,
    Body,
    Draft,
    Event,
    ModelAnswered,
    ModelAsked,
    OutputStreamed,
    PermissionAsked,
    SessionOpened,
    TextStreamed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.model import Call
from mato_sessions.events.turn import TextBlock
from mato_sessions.journal import Journal
from mato_sessions.projection import fold
from mato_sessions.redact import Redactor
from mato_sessions.transcript import Transcript

FOLDER = Path(__file__).parent
AGENTS = {"s-1": ("a-1", "a-2"), "s-2": ("a-3",)}
_LARGE = "a line of a large file\n" * 800


def _proposed(call: str, arguments: dict[str, Any], policy: Any = "ask") -> ToolProposed:
    return ToolProposed(
        call=call, name="shell", arguments=arguments, key=f"k-{call}", policy=policy, title="$ make"
    )


def _first() -> list[Body]:
    """A turn with a call that finished, one that was denied, one cut off, one that failed."""
    return [
        TurnPrompted(blocks=(TextBlock("Say „grüß Gott“ and build it."),)),
        TextStreamed(stream="r-1/1/text", attempt=1, offset=0, text="I build", pieces=((0, 7),)),
        ModelAnswered(
            request="r-1",
            attempt=1,
            text="I build it.",
            calls=tuple(Call(f"c-{number}", "shell", "{}") for number in range(1, 5)),
            finish="tool_calls",
            first_us=10,
            latency_us=20,
        ),
        _proposed("c-1", {"command": "make"}),
        _proposed("c-2", {"content": _LARGE}, "probe"),
        _proposed("c-3", {"path": "a.py"}, "idempotent"),
        _proposed("c-4", {"path": "b.py"}),
        ToolStarted(call="c-1", attempt=1),
        OutputStreamed(call="c-1", attempt=1, offset=0, text="cc -c\n"),
        ToolFailed(call="c-2", attempt=0, message="denied by a person", cause="denied"),
        ToolFinished(call="c-1", attempt=1, content=_LARGE, summary="exit 0", exit_code=0),
        ToolStarted(call="c-3", attempt=1),
        ToolFailed(call="c-3", attempt=1, message="no such file"),
        ToolStarted(call="c-4", attempt=1),
    ]


def _second() -> list[Body]:
    """What a later start of the daemon added, and a turn that it was in the middle of."""
    return [
        ToolUnknown(call="c-4", attempt=1, message="it ran when the daemon ended"),
        TurnEnded(reason="interrupted"),
        AgentStateChanged(state="idle", evidence="the turn was cut"),
    ]


def _open() -> list[Body]:
    """Calls that nothing has ended yet: one runs, its arguments are large; one waits."""
    return [
        TurnPrompted(blocks=(TextBlock("Write the large file."),)),
        _proposed("c-1", {"content": _LARGE + "?"}),
        ToolStarted(call="c-1", attempt=1),
        _proposed("c-2", {"command": "rm -r build"}),
        PermissionAsked(call="c-2", tool="shell", action="execute", resource="rm", arguments={}),
    ]


async def _write(path: Path) -> None:
    clock = ManualClock()
    spec = LaunchSpec(profile="default", model="scripted:none", cwd="/w")
    for start in range(2):
        async with Journal.open(path, clock=clock, redactor=Redactor()) as journal:

            async def say(agent: str, turn: str, bodies: Sequence[Body], session: str) -> None:
                for body in bodies:
                    clock.advance(1000)
                    draft = Draft(session=session, agent=agent, turn=turn, body=body)
                    await journal.append([draft])

            if start == 1:
                await say("a-1", "t-1", _second(), "s-1")
                await say("a-3", "t-3", _open(), "s-2")
                continue
            system = await journal.blob(b"You are careful.")
            tools = await journal.blob(b"[]")
            for session, agents in AGENTS.items():
                opened = SessionOpened(name=session, cwd="/w", mode="ask", trusted=True, mato="0")
                spawned = [
                    Draft(
                        session=session,
                        agent=agent,
                        body=AgentSpawned(name=agent, agent_kind="native", spec=spec),
                    )
                    for agent in agents
                ]
                await journal.append([Draft(session=session, body=opened), *spawned])
            asked = ModelAsked(
                request="r-1", attempt=1, model="m", system=system, tools=tools, messages=(4,)
            )
            await say("a-1", "t-1", [*_first()[:1], asked, *_first()[1:]], "s-1")


def seen(events: Sequence[Event]) -> dict[str, Any]:
    """What the agents of these events (of all sessions) have in their transcripts."""
    return {
        agent: [
            {name: _short(value) for name, value in entry.items() if name != "revision"}
            for entry in msgspec.to_builtins(
                fold(
                    Transcript(agent), [each for each in events if each.session == session]
                ).entries
            )
        ]
        for session, agents in AGENTS.items()
        for agent in agents
    }


def _entries(agent: str, events: Sequence[Event]) -> list[dict[str, Any]]:
    entries = msgspec.to_builtins(fold(Transcript(agent), events).entries)
    return [
        {name: _short(value) for name, value in entry.items() if name != "revision"}
        for entry in entries
    ]


def _short(value: Any) -> Any:
    data = msgspec.json.encode(value)
    return json.loads(data) if len(data) < 200 else f"sha256 {hashlib.sha256(data).hexdigest()}"


async def _main() -> None:
    path = FOLDER / f"journal-{len(database.bundled_migrations())}.db"
    path.unlink(missing_ok=True)
    await _write(path)
    async with Journal.open(path, clock=ManualClock(), redactor=Redactor()) as journal:
        folded = seen(await journal.since(0))
    path.with_suffix(".json").write_text(
        json.dumps(folded, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    )
    for left in FOLDER.glob("*.db.*"):
        left.unlink()


if __name__ == "__main__":
    asyncio.run(_main())
