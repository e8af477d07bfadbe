"""The daemon's life: lock, journal, agents, socket; and the way back in good order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

from mato.bus import Bus
from mato.config.paths import Paths, find, private
from mato.daemon import lock, log, server
from mato.daemon.anchoring import Anchoring
from mato.daemon.desk import FrontDesk
from mato.daemon.hub import Hub
from mato.daemon.launch import Launcher
from mato.daemon.log import logger
from mato.daemon.pressure import Pressure
from mato.daemon.radar import Radar
from mato.daemon.stopping import Stopping
from mato.daemon.supervisor import Supervisor
from mato.daemon.timeouts import Timeouts, configured_s, reject
from mato.processes import ChildRecords
from mato.protocol import faults
from mato_sessions.clock import SystemClock
from mato_sessions.errors import DaemonError, JournalError, JournalStopped, MatoError
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

RESTARTS = "the daemon restarts"
"""The goodbye of one that another follows."""
NO_RESUME = "--no-resume"
"""Argument of a daemon whose agents stay paused."""
_ANEW = "--anew="
"""Argument of one that took the place of itself: when, in seconds since boot."""
_ANEW_S = 60.0
"""A journal that stops again so soon is not begun anew: its disk needs a person."""
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
    folders = [argument for argument in arguments if not argument.startswith("--")]
    anew = Anew(arguments)
    try:
        paths = Paths(*map(Path, folders)) if folders else find()
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
        asyncio.run(_serve(paths, held, starter, anew))
    except BaseException as error:
        code = _last_words(error, paths, starter)
        if anew.wanted:
            logger.info("begins anew")
            anew.begin()
        return code
    return 0


class Anew:
    """Whether this daemon takes its own place when its journal has stopped: a clean start."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = [each for each in arguments if not each.startswith(_ANEW)]
        before = [float(each.removeprefix(_ANEW)) for each in arguments if each.startswith(_ANEW)]
        self._allowed = time.monotonic() - max(before, default=-_ANEW_S) >= _ANEW_S
        self.resumes = NO_RESUME not in arguments
        self.wanted = False
        """The journal has stopped, and clients have been told to wait for the successor."""

    def want(self, failure: JournalError | None) -> bool:
        """Decide it; only what a new start can heal is worth one."""
        self.wanted = self._allowed and isinstance(failure, JournalStopped)
        return self.wanted

    def begin(self) -> NoReturn:
        """Be the next daemon. The lock goes with the descriptors; nothing of memory stays."""
        command = [sys.executable, "-P", "-m", "mato.daemon", *self._arguments]
        os.execv(command[0], [*command, f"{_ANEW}{time.monotonic()}"])  # noqa: S606 (no shell)


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


async def _serve(paths: Paths, held: lock.Lock, starter: _Starter, anew: Anew) -> None:
    clock = SystemClock()
    redactor = Redactor(rules=True)
    log.clean_with(redactor.text)
    stopping = Stopping()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.at_once)
    failure: JournalError | None = None
    async with (
        Journal.open(paths.journal, clock=clock, redactor=redactor) as journal,
        Anchoring.open(journal, paths.anchors),
    ):
        records = ChildRecords(private(paths.children), journal.epoch)
        for left in await asyncio.to_thread(records.end_leftovers):
            logger.warning("ended what an earlier daemon left: %s (%s)", left.purpose, left.pid)
        bus = Bus(journal.position)
        ids = Ids(clock.wall_us)
        launcher = Launcher(paths, clock, ids, redactor, records)
        await asyncio.to_thread(launcher.keys.read)
        try:
            async with (
                asyncio.timeout(None) as closing,
                Supervisor.open(
                    journal, bus, records, launcher, resumes=anew.resumes, kept=paths.roster
                ) as agents,
                Radar.open(journal, agents.roster),
            ):
                # Tried since the launcher was made, so there is little left to wait for.
                logger.info(
                    "commands run in the tier %s", await asyncio.to_thread(launcher.find_tier)
                )
                pressure = Pressure(journal, agents.roster)
                timeouts = Timeouts(
                    journal,
                    agents.roster,
                    clock,
                    partial(configured_s, paths),
                    partial(reject, agents),
                )
                hub = Hub(agents, launcher, ids)
                desk = FrontDesk(hub, agents, journal, bus, paths, clock, stopping, pressure)
                front = server.Server(server.listen(paths), desk)
                desk.count_clients = lambda: front.clients
                held.say("serving")
                logger.info(
                    "serves %s as pid %s, epoch %s", paths.state, os.getpid(), journal.epoch
                )
                starter.tell({"started": True, "pid": os.getpid()})
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(front.run())
                    pausing = tasks.create_task(pressure.run())
                    timing_out = tasks.create_task(timeouts.run())
                    failure = await _until(stopping.asked(), journal)
                    if failure is None and stopping.drain_s:
                        failure = await _drain(stopping, agents, journal)
                    # From here on a successor waits for the lock and does not take us for dead.
                    timing_out.cancel()
                    held.say("stopping")
                    paths.socket.unlink(missing_ok=True)
                    restart = anew.want(failure) or stopping.restart
                    await _leave(front, agents, failure, restart=restart)
                    pausing.cancel()
                closing.reschedule(loop.time() + CLOSE_S)
        except TimeoutError:
            logger.warning("what had not closed within %s s was cut off", CLOSE_S)
    if failure is not None:
        raise failure
    logger.info("ended in good order")


async def _drain(stopping: Stopping, agents: Supervisor, journal: Journal) -> JournalError | None:
    """Serve on while what runs comes to its end, as long as it may."""

    async def rest() -> None:
        async with asyncio.TaskGroup() as both:
            draining = both.create_task(agents.drain(stopping.drain_s))
            hurried = both.create_task(stopping.hurried())
            await asyncio.wait([draining, hurried], return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
            hurried.cancel()

    logger.info("begins nothing new, and waits up to %s s for what runs", stopping.drain_s)
    return await _until(rest(), journal)


async def _leave(
    front: server.Server, agents: Supervisor, failure: JournalError | None, *, restart: bool
) -> None:
    """End agents and connections; nothing can be journaled any more where there is a `failure`."""
    front.stop_accepting()
    if failure is None:
        logger.info("stops")
        await agents.suspend()
        await front.close(RESTARTS if restart else "the daemon was stopped", restart)
    else:
        logger.error("the journal stopped: %s", failure)
        await agents.cut()
        await front.close(str(failure), restart)


async def _until(word: Coroutine[Any, Any, None], journal: Journal) -> JournalError | None:
    """Wait until `word` is over (None), or for the end of the journal's writer."""
    async with asyncio.TaskGroup() as both:
        failing = both.create_task(journal.failed())
        told = both.create_task(word)
        await asyncio.wait([failing, told], return_when=asyncio.FIRST_COMPLETED)
        failure = failing.result() if failing.done() else None
        failing.cancel()
        told.cancel()
    return failure
