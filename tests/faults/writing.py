"""A process that writes a journal whose lock it does not ask for: `writing.py JOURNAL fenced`.

It says its epoch, then for each line on stdin writes an event of that name, and answers with
session, seq and hash, or with the name of the error. `unfenced` is a broken variant: it goes on
from wherever the journal ends by now, and does not look who wrote that.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from mato_sessions import database, transaction
from mato_sessions.batch import Tip, Wanted
from mato_sessions.clock import SystemClock
from mato_sessions.errors import JournalError
from mato_sessions.events import Draft, SessionRenamed
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

_commit = transaction.commit


def _commit_anywhere(
    connection: sqlite3.Connection, tip: Tip, requests: Sequence[Wanted]
) -> transaction.Committed:
    for session, *head in connection.execute("SELECT session, head_seq, head_hash FROM session"):
        tip.heads[session] = (head[0], head[1])
    (tip.position,) = connection.execute(
        "SELECT coalesce(max(position), 0) FROM envelope"
    ).fetchone()
    return _commit(connection, tip, requests)


def _look_away(connection: sqlite3.Connection, epoch: int) -> None:
    """Instead of the check of the epoch."""


async def write(path: Path) -> None:
    """Until stdin ends."""
    async with Journal.open(path, clock=SystemClock(), redactor=Redactor()) as journal:
        print(journal.epoch, flush=True)
        while name := await asyncio.to_thread(sys.stdin.readline):
            draft = Draft(session="s-1", body=SessionRenamed(name=name.strip()))
            try:
                (event,) = await journal.append([draft])
            except JournalError as error:
                print(type(error).__name__, flush=True)
            else:
                print(event.session, event.seq, event.hash.hex(), flush=True)


def main(path: str, mode: str) -> None:
    database.locked = nullcontext
    if mode == "unfenced":
        transaction.commit = _commit_anywhere
        transaction._check_epoch = _look_away
    asyncio.run(write(Path(path)))


if __name__ == "__main__":
    main(*sys.argv[1:])
