"""What was acknowledged is there after `kill -9`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from mato_sessions.clock import SystemClock
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

WRITER = """
import asyncio, sys
from pathlib import Path
from mato_sessions.clock import SystemClock
from mato_sessions.events import Draft, SessionRenamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

async def produce(journal, number):
    while True:
        [event] = await journal.append(
            [Draft(session=f"s-{number}", body=SessionRenamed(name="x" * 300))]
        )
        sys.stdout.write(f"{event.session} {event.seq} {event.hash.hex()}\\n")
        sys.stdout.flush()

async def main():
    clock = SystemClock()
    async with Journal.open(Path(sys.argv[1]), clock=clock, redactor=Redactor()) as journal:
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(produce(journal, number))

asyncio.run(main())
"""


def _run_until_killed(path: Path) -> dict[str, tuple[int, str]]:
    """The newest acknowledged (seq, hash) of each session."""
    acknowledged: dict[str, tuple[int, str]] = {}

    def note(line: str) -> None:
        # The last line may have been cut in the middle.
        if line.endswith("\n"):
            session, seq, digest = line.split()
            acknowledged[session] = (int(seq), digest)

    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(300):
            note(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        for line in child.stdout:
            note(line)
    return acknowledged


async def test_acknowledged_events_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for generation in range(1, 4):
        acknowledged = _run_until_killed(path)
        assert len(acknowledged) == 8
        async with Journal.open(path, clock=SystemClock(), redactor=Redactor()) as journal:
            assert journal.epoch == 2 * generation
            assert len(await journal.since(0, 100_000)) == journal.position
            for session, (seq, digest) in acknowledged.items():
                [event] = await journal.events(session, after=seq - 1, upto=seq)
                assert event.hash.hex() == digest
                assert await journal.verify(session) is None
