"""A daemon for the tests that look at what a command loads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from mato.testing.daemon import running


@pytest_asyncio.fixture
async def running_daemon(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The environment in which a daemon is found."""
    async with running(tmp_path / "home") as daemon:
        yield {"MATO_HOME": daemon.env["MATO_HOME"]}
