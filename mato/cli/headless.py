"""`mato run`: a task without the workspace, streamed to stdout; its outcome is the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from mato.cli import output, starting
from mato.cli.narrator import Narrator
from mato.cli.requests import reasons
from mato.client import quick
from mato.client.connection import Client
from mato.client.feed import Arrived, Disconnected, Feed
from mato.config.paths import Paths, find
from mato.protocol.methods import Answer
from mato_sessions import codec
from mato_sessions.errors import DaemonError, MatoError, TurnFailed, UsageError
from mato_sessions.events import (
    AgentStateChanged,
    Event,
    PermissionAsked,
    TurnEnded,
    TurnPrompted,
)
from mato_sessions.events.agent import PAUSED, STOPS

NOBODY = "denied: mato run has nobody to ask"

Ask = Callable[[PermissionAsked], Awaitable[bool]]
"""Lets a person decide a call; cancelling it withdraws the question."""


class Outcome(NamedTuple):
    """How a turn ended."""

    agent: str
    reason: str
    detail: str


class Outcomes:
    """The fold from events to the ends of the turns that are waited for: so many of each agent."""

    def __init__(self, turns: Mapping[str, int]) -> None:
        self._left = dict(turns)
        self._running: set[str] = set()
        self.ended: list[Outcome] = []

    @property
    def over(self) -> bool:
        """Whether all have ended."""
        return all(count <= 0 for count in self._left.values())

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        agent = event.agent
        if agent not in self._left:
            return
        match event.body:
            case TurnPrompted():
                self._running.add(agent)
            case TurnEnded(reason=reason, detail=detail):
                self._running.discard(agent)
                self._left[agent] -= 1
                self.ended.append(Outcome(agent, reason, detail))
            case AgentStateChanged(state="failed", evidence=evidence) if agent in self._running:
                # The agent itself, not its turn: nothing more comes of it.
                self._running.discard(agent)
                self._left[agent] = 0
                self.ended.append(Outcome(agent, "failed", evidence))
            case AgentStateChanged(state="blocked", evidence=evidence) if (
                evidence.startswith(PAUSED) and evidence != f"{PAUSED}{STOPS}"
            ):
                # Its turn is open, and goes on only when somebody says so: perhaps never.
                self._left[agent] = 0
                self.ended.append(Outcome(agent, "paused", evidence.removeprefix(PAUSED)))
            case _:
                pass


def run(wish: starting.Wish, *, as_json: bool) -> int:
    """Run the task to the end of its turns.

    Raises:
        TurnFailed: a turn ended otherwise than by itself.
        UsageError: there is no task.
    """
    if not wish.task.strip():  # no turn would begin, and so none would ever end
        raise UsageError("the task is empty; write what is to be done")
    paths = find()
    made = starting.create(paths, wish)
    session: str = made["session"]
    names = {agent["id"]: agent["name"] for agent in made["agents"]}
    tell: Callable[[Event], object] | Narrator
    ask = None if as_json or not sys.stdin.isatty() else _ask
    tell = _print_json if as_json else Narrator(names, _write, answers_itself=ask is None)
    try:
        ended = asyncio.run(follow(paths, session, dict.fromkeys(names, 1), tell, ask))
    except KeyboardInterrupt:
        quick.request(paths, "agent.stop", {"session": session})
        output.note(f"mato: stopped; `{starting.opening(made)}` shows what was done")
        return 130
    for outcome in ended:
        if outcome.reason != "end_turn":
            detail = f": {outcome.detail}" if outcome.detail else ""
            raise TurnFailed(
                f"{names[outcome.agent]} did not finish ({outcome.reason}){detail};"
                f" `{starting.opening(made)}` shows what was done"
            )
    return 0


async def follow(
    paths: Paths,
    session: str,
    turns: Mapping[str, int],
    tell: Narrator | Callable[[Event], object],
    ask: Ask | None,
) -> list[Outcome]:
    """Tell what happens in a session until each agent has ended its number of turns.

    Calls that need a person are decided by `ask`; where it is None they are denied.
    A daemon that restarts or crashes meanwhile is come back to.

    Raises:
        DaemonError: somebody has stopped the daemon.
    """
    outcomes = Outcomes(turns)
    feed = Feed(paths, sessions={session: 0}, client="run")
    lost = False
    async with contextlib.aclosing(feed.news()) as news:
        async for new in news:
            if isinstance(new, Disconnected):
                if new.stopped:
                    raise DaemonError(new.reason)
                if not lost:
                    output.note(f"mato: {new.reason}; waiting for it")
            lost = isinstance(new, Disconnected)
            if not isinstance(new, Arrived):
                continue
            for event in new.events:
                if isinstance(tell, Narrator):
                    tell.event(event)
                else:
                    tell(event)
                if isinstance(event.body, PermissionAsked):
                    await _decide(paths, event.body, ask)
                outcomes.apply(event)
            if isinstance(tell, Narrator):
                for piece in new.pieces:
                    tell.piece(piece)
            sys.stdout.flush()
            if outcomes.over:
                break
    return outcomes.ended


async def _decide(paths: Paths, asked: PermissionAsked, ask: Ask | None) -> None:
    if ask is None:
        allowed, rule = False, NOBODY
        enough = "edit or --mode full" if asked.action in ("write", "spawn") else "full"
        # What no mode allows is said as it is.
        by_mode = not asked.why or asked.why.startswith("mode ")
        how = f"--mode {enough} allows it" if by_mode else asked.why
        output.note(f"{NOBODY}: {asked.tool} {asked.resource} ({how})")
    else:
        allowed = await ask(asked)
        rule = "approved in mato run" if allowed else "denied in mato run"
    answer = Answer(call=asked.call, allowed=allowed, rule=rule)
    deadline = time.monotonic() + quick.SUCCESSOR_S
    while True:
        try:
            # A connection of its own: answers on the feed's come behind frames that nobody reads.
            async with await Client.connect(paths, client="run", start=False) as client:
                await client.request(answer)
        except DaemonError:  # it may restart just now
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.25)
            continue
        except MatoError as error:  # somebody else was faster
            output.note(str(error))
        return


async def _ask(asked: PermissionAsked) -> bool:
    for line in reasons({"why": asked.why, **_marks(asked)}):
        output.note(f"  {line}")
    task = asked.arguments.get("task", "") if asked.action == "spawn" else ""
    for line in (*str(task).splitlines(), *asked.preview.splitlines()):
        output.note(f"    {line}")
    while True:
        print("  allow this? y or n: ", end="", flush=True)
        answer = await _line(sys.stdin.fileno())
        if not answer:  # the end of the input
            print()
            return False
        answer = answer.strip().lower()
        if answer in (b"y", b"yes", b"n", b"no"):
            return answer.startswith(b"y")


def _marks(asked: PermissionAsked) -> dict[str, bool]:
    return {"private": asked.private, "untrusted": asked.untrusted}


async def _line(terminal: int) -> bytes:
    """The next line that is typed; b"" at the end of the input."""
    # A thread that waits in input() cannot be cancelled: ctrl+c would wait for it.
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    loop.add_reader(terminal, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(terminal)
    return os.read(terminal, 4096)


def _print_json(event: Event) -> None:
    print(output.harmless_json(codec.to_json_line(event).decode()))


def _write(text: str) -> None:
    sys.stdout.write(text)
