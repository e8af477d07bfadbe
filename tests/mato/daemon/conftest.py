"""A real daemon with a scripted model, in a home of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mato.testing.daemon import Daemon, running

SCRIPT = """
[[answer]]
when = "hello"
reasoning = "A greeting, so I greet."
text = "Hello, hello."

[[answer]]
when = "talk on"
text = "on and "
for_s = 120.0
tokens_per_second = 40.0

[[answer]]
when = "burst"
text = "word "
repeat_text = 4000

[[answer]]
when = "save it"
after = 0
calls = [ { name = "write", arguments = { path = "note.txt", content = "saved\\n" } } ]

[[answer]]
when = "save it"
after = 1
text = "That is all."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The workspace of the sessions."""
    made = tmp_path / "project"
    made.mkdir()
    (made / "readme.md").write_text("a project\n")
    return made


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The scripted model."""
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    return f"scripted:{script}"


@pytest.fixture
async def daemon(tmp_path: Path, model: str) -> AsyncIterator[Daemon]:
    """A daemon that serves, and whose default model is the script."""
    async with running(tmp_path / "home", {"MATO_MODEL": model}) as found:
        yield found
