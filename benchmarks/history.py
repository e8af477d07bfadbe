"""A long journal, as agents at work would have left it, written through the real writer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from mato.daemon import layout
from mato_sessions.clock import SystemClock
from mato_sessions.events import (
    AgentSpawned,
    AgentStateChanged,
    Body,
    Draft,
    ModelAnswered,
    ModelAsked,
    OutputStreamed,
    PermissionAnswered,
    SessionArranged,
    SessionOpened,
    TextStreamed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    TurnEnded,
    TurnPrompted,
    UsageReported,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.base import BlobRef
from mato_sessions.events.model import Call
from mato_sessions.events.turn import TextBlock
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

AGENTS = 2
"""Of each session; they take turns."""
_STRETCHES = 14
_SENTENCE = "The folder holds a parser, its tests and a note on what they do not cover yet. "
_OUTPUT = "tests/test_parser.py::test_that_a_quote_ends PASSED\n" * 3
_AT_ONCE = 16


def signature(session: str) -> str:
    """The last words of the last answer of a session."""
    return f"Signed: {session}."


async def write(path: Path, cwd: Path, sessions: int, events: int) -> int:
    """Fill the new journal at `path` with whole turns, at least so many events in each session.

    Returns how many events there are.
    """
    clock = SystemClock()
    ids = Ids(clock.wall_us)
    async with Journal.open(path, clock=clock, redactor=Redactor(rules=True)) as journal:
        system = await journal.blob(b"You are careful. " * 200)
        tools = await journal.blob(b"[]" * 2000)
        few = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            async with few:
                name = f"work-{number}"
                for drafts in _session(name, cwd, events, ids, system, tools):
                    await journal.append(drafts)

        async with asyncio.TaskGroup() as tasks:
            for number in range(1, sessions + 1):
                tasks.create_task(one(number))
        return journal.position


def _session(
    name: str, cwd: Path, events: int, ids: Ids, system: BlobRef, tools: BlobRef
) -> Iterator[list[Draft]]:
    """What is appended together, one after the other."""
    session = ids.session()
    agents = [ids.agent() for _ in range(AGENTS)]
    spec = LaunchSpec(profile="default", model="scripted:none", cwd=str(cwd))
    opened = SessionOpened(name=name, cwd=str(cwd), mode="ask", trusted=True, mato="0")
    spawned = [
        Draft(
            session=session,
            agent=agent,
            body=AgentSpawned(name=f"{name}-{at}", agent_kind="native", spec=spec),
        )
        for at, agent in enumerate(agents, start=1)
    ]
    arranged = SessionArranged(windows=layout.tiled(agents, ids))
    first = [Draft(session=session, body=opened), *spawned, Draft(session=session, body=arranged)]
    yield first
    seq, number, ended = len(first), 0, False
    while not ended:
        # What is looked for on the screen is said once, in the very last turn.
        ended = seq >= events
        end = signature(name) if ended else "That is all."
        agent, turn = agents[number % AGENTS], ids.turn()
        bodies = list(_turn(turn, seq + 1, end, system, tools))
        yield [Draft(session=session, agent=agent, turn=turn, body=body) for body in bodies]
        seq += len(bodies)
        number += 1


def _turn(turn: str, seq: int, end: str, system: BlobRef, tools: BlobRef) -> Iterator[Body]:
    """A prompt, a call that is let run, and an answer."""
    call = f"c-{turn}"
    yield TurnPrompted(blocks=(TextBlock("See what the tests do not cover yet, and say so."),))
    yield AgentStateChanged(state="working", evidence="a prompt")
    calls = (Call(call, "shell", '{"command": "pytest -q"}'),)
    yield from _answer(f"{turn}-1", (seq,), "I run the tests.", calls, system, tools)
    yield ToolProposed(
        call=call,
        name="shell",
        arguments={"command": "pytest -q"},
        key=f"k-{call}",
        policy="ask",
        title="$ pytest -q",
    )
    yield PermissionAnswered(call=call, allowed=True, by="mode", rule="mode auto")
    yield ToolStarted(call=call, attempt=1)
    for at in range(8):
        yield OutputStreamed(call=call, attempt=1, offset=at * len(_OUTPUT), text=_OUTPUT)
    yield ToolFinished(call=call, attempt=1, content=8 * _OUTPUT, summary="exit 0", exit_code=0)
    yield from _answer(f"{turn}-2", (seq,), end, (), system, tools)
    yield TurnEnded(reason="end_turn")
    yield AgentStateChanged(state="idle", evidence="the turn has ended")


def _answer(
    request: str,
    messages: tuple[int, ...],
    end: str,
    calls: tuple[Call, ...],
    system: BlobRef,
    tools: BlobRef,
) -> Iterator[Body]:
    yield ModelAsked(
        request=request, attempt=1, model="m", system=system, tools=tools, messages=messages
    )
    for at in range(_STRETCHES):
        yield TextStreamed(
            stream=f"{request}/1/text",
            attempt=1,
            offset=at * len(_SENTENCE),
            text=_SENTENCE,
            pieces=((at * 40_000, len(_SENTENCE)),),
        )
    yield ModelAnswered(
        request=request,
        attempt=1,
        text=f"{_STRETCHES * _SENTENCE}\n\n{end}",
        calls=calls,
        finish="tool_calls" if calls else "stop",
        first_us=200_000,
        latency_us=900_000,
    )
    yield UsageReported(request=request, attempt=1, model="m", input=3000, output=400)
