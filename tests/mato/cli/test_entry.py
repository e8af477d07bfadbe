"""How `mato` ends where nobody can hear it any more."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

MATO = (sys.executable, "-m", "mato")


@pytest.mark.parametrize("argv", [("--help",), ("--version",), ("ls", "--help")])
def test_a_terminal_that_is_gone_is_told_by_the_exit_code_alone(
    argv: tuple[str, ...], tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    os.close(ours)
    env = {**os.environ, "MATO_HOME": str(tmp_path)}
    done = subprocess.run((*MATO, *argv), stdout=theirs, stderr=subprocess.PIPE, env=env)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (129, b"")


def test_a_reader_that_is_gone_is_told_by_the_exit_code_alone(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    env = {**os.environ, "MATO_HOME": str(tmp_path)}
    done = subprocess.run((*MATO, "--version"), stdout=theirs, stderr=subprocess.PIPE, env=env)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, b"")
