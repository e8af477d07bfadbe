"""Commands in the sandbox end as bare ones do, and say what the sandbox had to do with it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from mato.processes import tree
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Offer, Tier, probe
from mato.tools.base import ToolError
from mato.tools.shell import Shell, ShellArguments

PYTHON = Path(sys.base_prefix) / "bin/python3"
DEAF = f"""{PYTHON} -c '
import os, signal
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True: signal.pause()
'"""


@pytest.fixture(scope="module")
def offer() -> Offer:
    return probe()


@pytest.fixture(params=["full", "partial"])
def shell(request: pytest.FixtureRequest, offer: Offer, tmp_path: Path) -> Shell:
    tier: Tier = request.param
    if tier not in offer.works:
        pytest.skip("; ".join(offer.reasons))
    return Shell(Sandbox.of(offer, (), tmp_path / "aside"), tier, ("NAMED",))


@pytest.fixture
def around(around):
    """With the interpreter's own folder among those of programs, as a person has it."""
    around.env["PATH"] = f"{PYTHON.parent}:{os.environ['PATH']}"
    return around


def left(around) -> list[int]:
    return [process.pid for process in tree(None, around.call)]


async def test_a_confined_command_runs_in_the_workspace_with_named_variables(shell, around):
    around.env |= {"NAMED": "yes", "OTHER": "no"}
    result = await shell.run(
        ShellArguments("pwd; echo $MATO_CALL $NAMED $OTHER; umask; tty; exit 3"), around
    )
    root = around.workspace.root
    assert result.content == f"{root}\n{around.call} yes\n0022\nnot a tty\n[exit code 3]"
    assert result.exit_code == 3
    assert around.children == {}


async def test_a_confined_command_gets_its_time_to_end_and_no_more(shell, around):
    before = time.monotonic()
    command = f"trap 'echo ending; exit' TERM; {DEAF}; while :; do sleep 0.05; done"
    result = await shell.run(ShellArguments(command, 1), around)
    assert time.monotonic() - before < 4
    assert "ending" in result.content
    assert result.exit_code is None
    assert left(around) == []


async def test_a_cancelled_confined_command_is_gone_within_two_seconds(shell, around):
    deaf = asyncio.Event()
    around.on_emit = lambda text: deaf.set() if "deaf" in "".join(around.emitted) else None
    command = f"trap '' TERM; {DEAF}; while :; do sleep 1; done"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(shell.run(ShellArguments(command), around))
        await deaf.wait()
        assert len(left(around)) >= 2
        before = time.monotonic()
        task.cancel()
    assert time.monotonic() - before < 2.5
    assert task.cancelled()
    assert left(around) == []
    assert os.listdir(around.workspace.root) == []


async def test_a_confined_command_cancelled_at_any_moment_leaves_nothing(shell, around):
    for turns in range(12):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(shell.run(ShellArguments("sleep 60 & sleep 60"), around))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        assert left(around) == []
        assert around.children == {}
    assert os.listdir(around.workspace.root) == []


async def test_what_it_leaves_in_the_background_ends_with_it(shell, around):
    result = await shell.run(ShellArguments("setsid sleep 60 & sleep 60 & echo done"), around)
    assert result.content.startswith("done\n[exit code 0")
    assert left(around) == []


async def test_a_command_that_needs_the_network_is_told_that_there_is_none(shell, around):
    command = f"{PYTHON} -c 'import urllib.request as u; u.urlopen(\"http://a.example\")'"
    result = await shell.run(ShellArguments(command), around)
    assert result.exit_code
    assert "no network in the sandbox" in result.content


async def test_a_planted_file_is_named_in_the_result(shell, around):
    result = await shell.run(ShellArguments("mkdir sub; echo x > sub/.envrc"), around)
    assert "put back as they were: sub/.envrc" in result.content
    assert result.put_back == ("sub/.envrc",)
    assert result.summary == "exit 0, 1 put back"


async def test_a_changed_file_is_named_and_as_before(shell, around):
    hooked = around.workspace.root / ".envrc"
    hooked.write_text("mine")
    result = await shell.run(ShellArguments("echo x > .envrc; rm -f .envrc; true"), around)
    assert hooked.read_text() == "mine"
    # In the full tier nobody could change it.
    assert result.put_back in ((), (".envrc",))


async def test_the_tests_of_a_project_with_its_own_environment_run(shell, around):
    # As `python -m venv` makes it, on the interpreter that runs these tests.
    result = await shell.run(ShellArguments(f"{PYTHON} -m venv --without-pip .venv"), around)
    assert result.exit_code == 0, result.content
    again = await shell.run(ShellArguments(".venv/bin/python -c 'print(6*7)'"), around)
    assert again.content.startswith("42\n")


async def test_a_tier_that_does_not_work_here_runs_nothing(around):
    offer = Offer("none", ("none",), ("full: no bubblewrap",))
    shell = Shell(Sandbox.of(offer, (), Path("/nonexistent")), "full")
    with pytest.raises(ToolError, match="'full', which does not work here"):
        await shell.run(ShellArguments("touch ran"), around)
    assert not (around.workspace.root / "ran").exists()
