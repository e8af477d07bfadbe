"""How `mato` ends where nobody can hear it, or not everything."""

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


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_the_shell_has_closed_is_there_and_empty(closed: str, tmp_path: Path) -> None:
    code = """
import sys
from mato.entry import run
code = run(["--version"])
numbers = [stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr)]
sys.exit(code if numbers == [0, 1, 2] and not sys.stdin.isatty() else 9)
"""
    env = {**os.environ, "MATO_HOME": str(tmp_path)}
    command = ("sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=env)
    assert (done.returncode, done.stderr) == (0, b"")


def test_output_that_finds_no_room_is_a_sentence(tmp_path: Path) -> None:
    env = {**os.environ, "MATO_HOME": str(tmp_path)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run((*MATO, "--help"), stdout=full, stderr=subprocess.PIPE, env=env)
    assert done.returncode == 1
    assert done.stderr == b"mato: cannot write the output: No space left on device\n"


def test_a_terminal_of_few_characters_gets_signs_for_the_others(tmp_path: Path) -> None:
    env = {**os.environ, "MATO_HOME": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run((*MATO, "doctor"), capture_output=True, env=env)
    assert b"\\u2713 python" in done.stdout
    assert done.stderr == b""
