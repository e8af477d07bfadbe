"""Recordings of a journal's lives, and the judgement over what a power cut leaves of them."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mato.testing.invariants import Acked, Effect, Evidence, check
from mato_sessions.clock import ManualClock
from mato_sessions.events import Draft, SessionRenamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from tests.faults.disk import (
    LOG,
    Ack,
    Began,
    Disk,
    Ended,
    Op,
    Opened,
    Synced,
    Wrote,
    write_image,
)

JOURNAL = "journal.db"


@contextmanager
def folder() -> Generator[Path]:
    """An empty folder, in memory where there is such a place: a recorded disk needs no other."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="mato-faults-", dir=memory if memory.is_dir() else None
    ) as name:
        yield Path(name)


class Recorder:
    """The process that lives what it is told; see `lives`, whose `Life` has the fields."""

    def __init__(self, process: subprocess.Popen[str], place: Path) -> None:
        self._process = process
        self._log = place / "log"

    @classmethod
    @contextmanager
    def start(cls) -> Generator[Recorder]:
        """Runs until the block is left."""
        command = [sys.executable, "-m", "tests.faults.lives"]
        root = Path(__file__).parents[2]
        with (
            folder() as place,
            subprocess.Popen(
                command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as process,
        ):
            yield cls(process, place)
            assert process.stdin is not None
            process.stdin.close()

    def live(self, place: Path, **life: Any) -> list[Op]:
        """Everything that happened in one life, in order; `Ended` is the last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = msgspec.json.encode({"folder": str(place), "log": str(self._log), **life})
        self._process.stdin.write(line.decode() + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer == "0\n", f"the recording process says {answer!r}"
        log = LOG.decode(self._log.read_bytes())
        self._log.unlink()
        return log


def three_lives(
    recorder: Recorder, seed: str, start: Sequence[Op] = (), number: int = 1, **life: Any
) -> list[Op]:
    """A life that is closed, one that is killed, and one that is closed, on the same disk.

    `start` is what a disk went through before its computer was started anew (see `as_found`).
    """
    with folder() as place:
        ops = list(start)
        disk = Disk()
        for op in ops:
            disk.apply(op)
        write_image(place, disk.lasting())
        for at in range(number, number + 3):
            told = {"seed": seed, "number": at, "names": disk.names, "killed": at == number + 1}
            log = recorder.live(place, **told, **life)
            match log[-1]:
                case Ended("closed" | "killed"):
                    pass
                case other:
                    raise AssertionError(f"a life without faults ended so: {other}")
            for op in log:
                disk.apply(op)
            ops += log
        return ops


def as_found(ops: Iterable[Op], image: dict[str, bytes]) -> list[Op]:
    """The beginning of a recording that goes on after a cut: what was promised, and the image."""
    start: list[Op] = [op for op in ops if isinstance(op, Ack | Began)]
    for file, (name, content) in enumerate(sorted(image.items()), start=1):
        start += [Opened(file, name, True), Wrote(file, 0, content), Synced(file, folder=True)]
    return start


def cuts(
    ops: Sequence[Op], seed: str, count: int, first: int = 0
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """(how many operations came before it, what it left) of `count` power cuts.

    None is before operation `first`: what a recording starts with has been on the disk for long.
    """
    chance = random.Random(f"{seed}/cuts")
    disk = Disk()
    done = 0
    for at in sorted(chance.randint(first, len(ops)) for _ in range(count)):
        for op in ops[done:at]:
            disk.apply(op)
        done = at
        yield at, disk.image(chance)


async def judge(ops: Iterable[Op], image: dict[str, bytes]) -> list[str]:
    """What is wrong with an image when Mato has opened it and gone on, after these operations."""
    acked: list[Acked] = []
    effects: list[Effect] = []
    for op in ops:
        match op:
            case Ack(session, seq, digest):
                acked.append(Acked(session, seq, digest))
            case Began(call, key, attempt):
                effects.append(Effect(call, key, attempt))
            case _:
                pass
    with folder() as place:
        write_image(place, image)
        path = place / JOURNAL
        try:
            async with _opened(path) as journal:
                for session in {"s-0", *(one.session for one in acked)}:
                    body = SessionRenamed(name="found again")
                    for event in await journal.append([Draft(session=session, body=body)]):
                        acked.append(Acked.of(event))
        except Exception as error:  # whatever a damaged file does to whoever opens it
            return [f"the journal cannot be opened: {error!r}"]
        return check(Evidence(journal=path, acked=acked, effects=effects))


@asynccontextmanager
async def _opened(path: Path) -> AsyncGenerator[Journal]:
    clock = ManualClock(mono_us=1_000_000_000_000)
    async with Journal.open(path, clock=clock, redactor=Redactor()) as journal:
        yield journal
