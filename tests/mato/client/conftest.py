"""A real daemon with a scripted model, in a home of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mato.testing.daemon import Daemon, running

SCRIPT = """
[[answer]]
when = "hello"
text = "Hello, hello."

[[answer]]
when = "talk on"
text = "on and "
for_s = 120.0
tokens_per_second = 40.0
"""


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that serves, and whose default model is a script."""
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as found:
        yield found
