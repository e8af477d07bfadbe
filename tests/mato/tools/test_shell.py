"""Commands: output, limits, and that no process stays behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time

import pytest

from mato.processes import tree
from mato.tools.base import ToolError
from mato.tools.capture import SHOWN_BYTES, WHOLE_BYTES, Capture
from mato.tools.shell import Shell, ShellArguments

DEAF = f"""{sys.executable} -c '
import os, signal
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", os.getpid(), flush=True)
while True: signal.pause()
'"""


async def run(around, command: str, timeout_s: int = 60):
    return await Shell().run(ShellArguments(command, timeout_s), around)


def left(around) -> list[int]:
    return [process.pid for process in tree(None, around.call)]


async def test_a_command_runs_in_the_workspace_with_its_environment(around):
    result = await run(around, "pwd; echo $MATO_CALL; echo ü; cat; tty; exit 3")
    root = around.workspace.root
    assert result.content == f"{root}\n{around.call}\nü\nnot a tty\n[exit code 3]"
    assert result.exit_code == 3
    assert result.summary == "exit 3"
    assert result.output is None
    assert "".join(around.emitted) == f"{root}\n{around.call}\nü\nnot a tty\n"
    assert around.children == {}


async def test_both_outputs_come_in_order_and_while_it_runs(around):
    seen = asyncio.Event()
    around.on_emit = lambda text: seen.set() if "two" in "".join(around.emitted) else None
    async with asyncio.TaskGroup() as group:
        task = group.create_task(
            run(around, "echo one; echo two >&2; while [ ! -e go ]; do sleep 0.01; done; echo end")
        )
        await seen.wait()
        assert not task.done()
        assert set(around.children.values()) == {f"shell {around.call}"}
        (around.workspace.root / "go").touch()
    assert task.result().content == "one\ntwo\nend\n[exit code 0]"


async def test_a_command_says_when_it_printed_nothing_or_was_killed(around):
    assert (await run(around, "true")).content == "(no output)\n[exit code 0]"
    killed = await run(around, "kill -9 $$")
    assert killed.exit_code == 137
    assert killed.content.endswith("[exit code 137 (SIGKILL)]")


async def test_files_it_makes_have_the_usual_permission_bits(around):
    before = os.umask(0o077)
    try:
        await run(around, "touch f; mkdir d")
    finally:
        os.umask(before)
    assert (around.workspace.root / "f").stat().st_mode & 0o777 == 0o644
    assert (around.workspace.root / "d").stat().st_mode & 0o777 == 0o755


async def test_long_output_is_cut_for_the_model_and_whole_in_a_blob(around):
    result = await run(around, "seq 1 20000")
    whole = "".join(f"{i}\n" for i in range(1, 20001))
    assert around.blobs == [whole.encode()]
    assert result.output is not None
    assert result.output.size_bytes == len(whole)
    assert len(result.content) < SHOWN_BYTES + 200
    assert result.content.startswith("1\n2\n")
    assert "bytes are left out here …]" in result.content
    assert result.content.endswith("\n20000\n[exit code 0]")
    assert "".join(around.emitted) == whole


async def test_endless_output_is_bounded_everywhere_and_the_loop_goes_on(around):
    result = await run(
        around, f"head -c {WHOLE_BYTES + 1000000} /dev/zero | tr '\\0' x; echo; echo end"
    )
    assert [len(blob) for blob in around.blobs] == [WHOLE_BYTES]
    assert "only the first 16,777,216 bytes were kept" in result.content
    assert result.content.endswith("end\n[exit code 0]")
    assert len(result.content) < 32 * 1024
    assert sum(map(len, around.emitted)) < 1_100_000
    assert "not shown while it runs" in around.emitted[-1]


def test_a_character_cut_between_two_pieces_is_shown_whole():
    shown: list[str] = []
    capture = Capture(shown.append)
    for byte in "aü€🙂".encode() + b"\xff\xe2\x82":
        capture.take(bytes([byte]))
    capture.end()
    assert "".join(shown) == "aü€🙂\ufffd\ufffd"
    assert capture.content() == "aü€🙂\ufffd\ufffd"
    assert capture.whole is None


async def test_what_a_command_leaves_in_the_background_is_ended_and_said(around):
    before = time.monotonic()
    result = await run(around, "sleep 60 & sleep 60 & echo done")
    assert time.monotonic() - before < 2
    assert result.content == ("done\n[exit code 0; 2 processes left in the background were ended]")
    assert left(around) == []


async def test_a_command_ends_at_its_timeout_with_what_it_printed(around):
    before = time.monotonic()
    result = await run(around, f"echo begun; {DEAF}; sleep 60", timeout_s=1)
    assert time.monotonic() - before < 3.2
    assert result.content.startswith("begun\n")
    assert result.content.endswith("[timed out: ended with all it had started after 1 s]")
    assert result.exit_code is None
    assert left(around) == []


async def test_a_cancelled_command_is_gone_within_two_seconds_deaf_children_included(around):
    deaf = asyncio.Event()
    around.on_emit = lambda text: deaf.set() if "deaf" in "".join(around.emitted) else None
    command = f"trap '' TERM; {DEAF}; while :; do sleep 1; done"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(around, command))
        await deaf.wait()
        assert len(left(around)) >= 2
        before = time.monotonic()
        task.cancel()
    assert time.monotonic() - before < 2
    assert task.cancelled()
    assert left(around) == []
    assert around.children == {}


async def test_a_command_cancelled_twice_leaves_nothing_either(around):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(around, "trap '' TERM; echo go; while :; do sleep 1; done"))
        ready = asyncio.Event()
        around.on_emit = lambda text: ready.set()
        await ready.wait()
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
        task.cancel()
    assert left(around) == []


async def test_a_command_cancelled_at_any_moment_of_its_start_leaves_nothing(around):
    for turns in range(12):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run(around, "sleep 60 & sleep 60"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        assert left(around) == []
        assert around.children == {}


async def test_many_commands_run_at_once(around):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(around, f"seq 1 {i}")) for i in range(1, 4)]
    assert [task.result().content.count("\n") for task in tasks] == [1, 2, 3]


async def test_a_command_that_cannot_be_started_is_a_tool_error(around):
    with pytest.raises(ToolError, match="could not be started"):
        await run(around, "echo \0")
    with pytest.raises(ToolError, match="could not be started"):
        await run(around, "\ud800")
    shutil.rmtree(around.workspace.root)
    with pytest.raises(ToolError, match="is gone"):
        await run(around, "true")
    assert left(around) == []
