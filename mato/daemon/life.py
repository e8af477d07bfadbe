"""The daemon's life: lock, journal, agents, socket; and the way back in good order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from mato.bus import Bus
from mato.config.paths import Paths, find, private
from mato.daemon import lock, log, server
from mato.daemon.desk import FrontDesk
from mato.daemon.hub import Hub
from mato.daemon.launch import Launcher
from mato.daemon.log import logger
from mato.daemon.supervisor import Supervisor
from mato.processes import ChildRecords
from mato.protocol import faults
from mato_sessions.clock import SystemClock
from mato_sessions.errors import DaemonError, JournalError, MatoError
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

CLOSE_S = 4.0
"""How long models and their processes may take to close; their groups are killed then."""


class _Starter:
    """Whoever started this daemon and reads its stdout until it serves."""

    def __init__(self) -> None:
        self._handle = os.dup(1)

    def tell(self, report: dict[str, Any]) -> None:
        """Say how it went, once."""
        if self._handle < 0:
            return
        try:
            os.write(self._handle, json.dumps(report).encode() + b"\n")
        except OSError:
            logger.info("the starter has gone")
        os.close(self._handle)
        self._handle = -1


def live(arguments: Sequence[str]) -> int:
    """Be the daemon; returns the exit code of the process."""
    starter = _Starter()
    try:
        paths = Paths(*map(Path, arguments)) if arguments else find()
        private(paths.state)
        private(paths.runtime)
        held = lock.acquire(paths.lock, paths.socket)
    except lock.AlreadyRunning as other:
        starter.tell({"started": False, "pid": other.pid})
        return other.exit_code
    except MatoError as error:
        starter.tell({"error": str(error), "code": faults.code_of(error)})
        return error.exit_code
    log.start(paths.log)
    try:
        asyncio.run(_serve(paths, held, starter))
    except BaseException as error:
        return _last_words(error, paths, starter)
    return 0


def _last_words(error: BaseException, paths: Paths, starter: _Starter) -> int:
    """Log why the daemon ends, tell the starter if it still waits, and give the exit code."""
    root = error
    while isinstance(root, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", root)
        root = group.exceptions[0]
    if isinstance(root, MatoError):
        logger.error("ended: %s", root)
        starter.tell({"error": str(root), "code": faults.code_of(root)})
        return root.exit_code
    logger.error("ended by an error of its own", exc_info=error)
    sentence = f"the daemon failed; its log {str(paths.log)!r} has the details"
    starter.tell({"error": sentence, "code": DaemonError.exit_code})
    return 1


async def _serve(paths: Paths, held: lock.Lock, starter: _Starter) -> None:
    clock = SystemClock()
    redactor = Redactor()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    failure: JournalError | None = None
    async with Journal.open(paths.journal, clock=clock, redactor=redactor) as journal:
        records = ChildRecords(private(paths.children), journal.epoch)
        for left in await asyncio.to_thread(records.end_leftovers):
            logger.warning("ended what an earlier daemon left: %s (%s)", left.purpose, left.pid)
        bus = Bus(journal.position)
        ids = Ids(clock.wall_us)
        launcher = Launcher(paths, clock, ids, redactor, records)
        try:
            async with (
                asyncio.timeout(None) as closing,
                Supervisor.open(journal, bus, records, launcher) as agents,
            ):
                desk = FrontDesk(
                    Hub(agents, launcher, ids), agents, journal, bus, paths, clock, stopping
                )
                front = server.Server(server.listen(paths), desk)
                desk.count_clients = lambda: front.clients
                held.say("serving")
                logger.info(
                    "serves %s as pid %s, epoch %s", paths.state, os.getpid(), journal.epoch
                )
                starter.tell({"started": True, "pid": os.getpid()})
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(front.run())
                    failure = await _until(stopping, journal)
                    # From here on a successor waits for the lock and does not take us for dead.
                    held.say("stopping")
                    paths.socket.unlink(missing_ok=True)
                    await _leave(front, agents, failure)
                closing.reschedule(loop.time() + CLOSE_S)
        except TimeoutError:
            logger.warning("what had not closed within %s s was cut off", CLOSE_S)
    if failure is not None:
        raise failure
    logger.info("ended in good order")


async def _leave(front: server.Server, agents: Supervisor, failure: JournalError | None) -> None:
    """End agents and connections; nothing can be journaled any more where there is a `failure`."""
    front.stop_accepting()
    if failure is None:
        logger.info("stops")
        await agents.suspend()
        await front.close("the daemon was stopped")
    else:
        logger.error("the journal stopped: %s", failure)
        await agents.cut()
        await front.close(str(failure))


async def _until(stopping: asyncio.Event, journal: Journal) -> JournalError | None:
    """Wait for the word to stop (None), or for the end of the journal's writer."""
    async with asyncio.TaskGroup() as both:
        failing = both.create_task(journal.failed())
        told = both.create_task(stopping.wait())
        await asyncio.wait([failing, told], return_when=asyncio.FIRST_COMPLETED)
        failure = failing.result() if failing.done() else None
        failing.cancel()
        told.cancel()
    return failure
