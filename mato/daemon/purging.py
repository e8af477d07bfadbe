"""Retention inside the daemon: the plan is made beside the loop, the writer carries it out."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mato.daemon.log import logger
from mato.daemon.supervisor import Supervisor
from mato.protocol.methods import PurgeResult
from mato_sessions import retention
from mato_sessions.clock import Clock
from mato_sessions.journal import Journal


async def purge(
    journal: Journal, path: Path, agents: Supervisor, clock: Clock, before_us: int
) -> PurgeResult:
    """Purge archived sessions whose last event is older than `before_us`.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    plan = await asyncio.to_thread(retention.plan, path, before_us)
    # What an idle agent of them remembers would be gone from the record.
    await agents.let_go(doomed.session for doomed in plan.sessions)
    freed = await retention.purge(journal, plan, clock.wall_us())
    logger.info("purged %s events of %s sessions", freed.events, freed.sessions)
    return PurgeResult(freed.sessions, freed.events, freed.blobs, freed.file_bytes)
