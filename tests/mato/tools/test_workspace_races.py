"""Folders are swapped for links while files are opened and written: nothing gets out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mato.tools.workspace import Workspace
from mato_sessions.errors import PathRefused

ROUNDS = 10_000
EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""


SWAPPER = """
import ctypes, os, sys
rename = ctypes.CDLL(None).renameat2
one, other = (os.fsencode(name) for name in sys.argv[1:])
print("swapping", flush=True)
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1000):
        rename(-100, one, -100, other, RENAME_EXCHANGE)
"""


@contextmanager
def swapping(folder: Path, one: str, other: str) -> Iterator[None]:
    """Another process exchanges the two names as fast as it can."""
    code = SWAPPER.replace("RENAME_EXCHANGE", str(EXCHANGE))
    command = [sys.executable, "-c", code, folder / one, folder / other]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        swapper.stdout.readline()
        try:
            yield
        finally:
            swapper.kill()


@pytest.fixture
def ws(top: Path) -> Path:
    ws = top / "ws"
    (ws / "door").mkdir()
    (ws / "door/secret").write_text("INSIDE")
    (ws / "evil").symlink_to(top / "outside")
    return ws


def race(read: Callable[[], str], seconds: float) -> tuple[int, int, int]:
    """(rounds, inside, leaked)"""
    end = time.monotonic() + seconds
    rounds = inside = leaked = 0
    while rounds < ROUNDS or (not inside and time.monotonic() < end):
        rounds += 1
        try:
            content = read()
        except (OSError, PathRefused):
            continue
        inside += content == "INSIDE"
        leaked += content == "SECRET"
    return rounds, inside, leaked


def test_reading_never_gets_out_and_sometimes_gets_in(ws: Path):
    with Workspace(ws) as workspace, swapping(ws, "door", "evil"):
        for path in ("door/secret", "door/../door/secret"):
            rounds, inside, leaked = race(lambda p=path: workspace.read_bytes(p, 9).decode(), 8)
            assert rounds >= ROUNDS
            assert inside > 0
            assert leaked == 0


def test_the_race_is_lost_by_an_opener_that_checks_before_it_opens(ws: Path):
    """The control: without it, the test above could pass because nothing was swapped."""

    def checked() -> str:
        full = os.path.realpath(ws / "door/secret")
        if not full.startswith(f"{ws.resolve()}/"):
            raise PermissionError
        return (ws / "door/secret").read_text()

    with swapping(ws, "door", "evil"):
        end = time.monotonic() + 8
        leaked = 0
        while not leaked and time.monotonic() < end:
            leaked += race(checked, 0)[2]
    assert leaked > 0


def test_writing_never_gets_out(ws: Path, top: Path):
    number = written = 0
    end = time.monotonic() + 8
    with Workspace(ws) as workspace, swapping(ws, "door", "evil"):
        # A busy machine may leave the link in place for more than the 1500 rounds.
        while number < 1500 or (not written and time.monotonic() < end):
            number += 1
            try:
                workspace.write_bytes(f"door/new{number}", b"x", expect=None)
                written += 1
            except PathRefused:
                pass
            with suppress(PathRefused):
                workspace.write_bytes("door/secret", b"INSIDE", expect=b"INSIDE")
    assert written > 0
    assert os.listdir(top / "outside") == ["secret"]
    assert (top / "outside/secret").read_text() == "SECRET"
