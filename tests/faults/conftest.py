"""What fault tests share: the seed of a run, and how long it is."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator

import pytest

from tests.faults.recording import Recorder

SOAK = os.environ.get("MATO_SOAK") == "1"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """Of all chance in a test: MATO_SEED, or a new one in `make soak`, or always the same."""
    value = os.environ.get("MATO_SEED") or (secrets.token_hex(4) if SOAK else "1")
    # Pytest shows it when the test fails.
    print(f"to run this again: MATO_SEED={value} pytest '{request.node.nodeid}'")
    return value


@pytest.fixture(scope="module")
def recorder() -> Generator[Recorder]:
    """The process that lives journals on a recorded disk."""
    with Recorder.start() as process:
        yield process
