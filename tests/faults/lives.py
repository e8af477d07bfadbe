"""Lives of a journal on a recorded disk; `python -m tests.faults.lives` is who lives them.

It reads one `Life` as JSON from each line of stdin, forks a child that lives it, and answers with
one line when the child's log is written. Only here, and never in pytest's own process, apsw's
SQLite opens journals; the images are judged with the standard library's.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from mato_sessions import writer
from mato_sessions.clock import ManualClock
from mato_sessions.errors import JournalError
from mato_sessions.events import (
    Body,
    Draft,
    SessionRenamed,
    TextStreamed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    TurnEnded,
    TurnPrompted,
)
from mato_sessions.events.turn import TextBlock
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from tests.faults import plain, vfs
from tests.faults.disk import Ack, Began, Ended, Paused, Refused

JOURNAL = "journal.db"
_HANGS_S = 30.0
"""Longer than any life takes, on any machine."""


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be lived in a folder, on top of what the lives before left there."""

    folder: str
    log: str
    """Where the operations are written to, as msgpack."""
    seed: str
    number: int
    """Of this life in its folder, from 1."""
    sessions: int = 3
    producers: int = 4
    steps: int = 6
    """Of each producer."""
    killed: bool = False
    """At some moment, or when it is refused, as by `kill -9`: nothing is closed."""
    wal_pages: int = 24
    """Checkpoints come this often, so that a short life has many."""
    names: dict[str, int] = {}
    """The files that are there: name → number."""
    variant: str = ""
    """How this life is broken on purpose; see `plain` and `vfs`."""
    fault: vfs.Fault | None = None


class _World:
    """What the producers of one life share."""

    def __init__(self, life: Life, journal: Journal, tape: vfs.Tape, clock: ManualClock) -> None:
        self.life = life
        self.journal = journal
        self.tape = tape
        self.clock = clock
        self.chance = random.Random(f"{life.seed}/{life.number}/steps")
        total = life.producers * life.steps
        self.last = self.chance.randrange(total // 3, total) if life.killed else -1
        self.done = 0

    async def write(self, session: str, *bodies: Body, turn: str | None = None) -> None:
        """Append, and note what comes of it."""
        self.clock.advance(self.chance.randrange(1, 5000))
        drafts = [Draft(session=session, body=body, turn=turn) for body in bodies]
        events = await self.journal.append(drafts)
        self.tape.log += [Ack(event.session, event.seq, event.hash) for event in events]

    async def produce(self, number: int) -> None:
        """One producer: facts, streams, large bodies, blobs and tool calls, one after the other."""
        try:
            for step in range(self.life.steps):
                session = f"s-{self.chance.randrange(self.life.sessions)}"
                await self._step(session, f"{self.life.number}-{number}-{step}")
                if self.done == self.last:
                    _leave(self.life, self.tape, Ended("killed"))
                self.done += 1
        except JournalError as error:
            self.tape.log.append(Refused(type(error).__name__))
            if self.life.killed:
                _leave(self.life, self.tape, Ended("killed"))

    async def _step(self, session: str, name: str) -> None:
        match self.chance.randrange(6):
            case 0:
                await self.write(session, SessionRenamed(name="n" * self.chance.randrange(400)))
            case 1:
                await self.write(session, *(_streamed(name, 300) for _ in range(3)))
            case 2:
                size = self.chance.randrange(17_000, 40_000)
                await self.write(session, _streamed(name, size))
            case 3:
                ref = await self.journal.blob(self.chance.randbytes(self.chance.randrange(30_000)))
                turn = f"t-{name}"
                await self._call(session, turn, f"c-{name}", output=ref)
            case _:
                await self._call(session, f"t-{name}", f"c-{name}")

    async def _call(self, session: str, turn: str, call: str, **finished: Any) -> None:
        prompted = TurnPrompted(blocks=(TextBlock("go on"),))
        proposed = ToolProposed(
            call=call, name="shell", arguments={}, key=f"k-{call}", policy="ask", title="$ make"
        )
        await self.write(session, prompted, proposed, turn=turn)
        await self.write(session, ToolStarted(call=call, attempt=1), turn=turn)
        self.tape.log.append(Began(call, f"k-{call}", 1))
        ended = ToolFinished(call=call, attempt=1, content="done", **finished)
        await self.write(session, ended, TurnEnded(reason="end_turn"), turn=turn)


def _streamed(name: str, size: int) -> TextStreamed:
    return TextStreamed(stream=f"{name}/text", attempt=1, offset=0, text="x" * size)


async def _live(life: Life, tape: vfs.Tape) -> str:
    path = Path(life.folder) / JOURNAL
    clock = ManualClock(mono_us=life.number * 10_000_000_000)
    async with Journal.open(path, clock=clock, redactor=Redactor()) as journal:

        def tell(paused: str | None) -> None:
            if paused is not None:
                tape.log.append(Paused())
                tape.lift()
                journal.try_again()

        journal.on_pause(tell)
        world = _World(life, journal, tape, clock)
        async with asyncio.TaskGroup() as group:
            for number in range(life.producers):
                group.create_task(world.produce(number))
        if journal.error is not None:
            # Whoever comes later is told as well.
            await world.produce(life.producers)
    return "closed" if journal.error is None else f"stopped: {type(journal.error).__name__}"


def _leave(life: Life, tape: vfs.Tape, ended: Ended) -> None:
    """Write the log and be gone, with nothing closed."""
    tape.log.append(ended)
    Path(life.log).write_bytes(msgspec.msgpack.encode(tape.log))
    os._exit(0)


def _child(life: Life) -> None:
    folder = Path(life.folder)
    tape = vfs.Tape(folder, life.names, life.fault)
    tape.deaf = life.variant == "syncs dropped"
    writer.CHECKPOINT_PAGES = life.wal_pages
    _disk = vfs.Disk(tape)  # it is registered as long as somebody holds it
    vfs.Hooks(tape).install()
    plain.install(life.variant, life.wal_pages, random.Random(f"{life.seed}/{life.number}/pauses"))
    try:
        ended = Ended(asyncio.run(asyncio.wait_for(_live(life, tape), _HANGS_S)))
    except TimeoutError:
        ended = Ended("hung")
    except JournalError as error:
        ended = Ended("refused", str(error))
    except BaseException:
        ended = Ended("failed", traceback.format_exc())
    _leave(life, tape, ended)


def main() -> None:
    """Live what stdin says; one line of answer for each."""
    for line in sys.stdin:
        life = msgspec.json.decode(line, type=Life)
        pid = os.fork()
        if pid == 0:
            _child(life)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)


if __name__ == "__main__":
    main()
