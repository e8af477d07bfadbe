"""Process trees with real processes: what belongs to one, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mato.processes import (
    ChildRecords,
    end_tree,
    identity,
    kill_tree,
    same_process,
    tree,
)
from mato_sessions.ids import Ids

ESCAPE = """
import os, signal, sys
# Twice forked, a session of its own, deaf to TERM; "clean" also drops its environment.
if os.fork():
    signal.pause() if sys.argv[1] == "stay" else sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def marker() -> str:
    return Ids(lambda: 1_700_000_000_000_000).call()


def start(*command: str, marker: str = "") -> subprocess.Popen[bytes]:
    env = {"PATH": os.environ["PATH"], **({"MATO_CALL": marker} if marker else {})}
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, env=env)


def says(process: subprocess.Popen[bytes]) -> int:
    """The number that it prints first."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def over(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def has_ended(pid: int, timeout_s: float = 5) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with anything and has to live."""
    process = start("sleep", "60")
    yield process
    alive = process.poll() is None
    process.kill()
    over(process)
    assert alive


def test_a_process_is_its_number_and_its_start():
    own = identity(os.getpid())
    assert own is not None
    assert (own.parent, own.group, own.alive) == (os.getppid(), os.getpgrp(), True)
    assert same_process(os.getpid(), own.started)
    assert not same_process(os.getpid(), own.started + 1)
    child = start("sh", "-c", "echo $$; exec true")
    says(child)
    assert has_ended(child.pid)
    zombie = identity(child.pid)
    assert zombie is not None
    assert not zombie.alive
    assert not same_process(child.pid, zombie.started)
    over(child)
    assert identity(child.pid) is None


def test_a_name_with_parentheses_and_blanks_is_read_past(tmp_path: Path):
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    child = start(str(odd), "60")
    found = identity(child.pid)
    assert found is not None
    assert (found.parent, found.group) == (os.getpid(), child.pid)
    child.kill()
    over(child)


async def test_a_tree_that_listens_to_term_is_gone_without_waiting_for_the_grace(
    bystander: subprocess.Popen[bytes],
):
    child = start("sh", "-c", "sleep 60 & sleep 60 & echo 1; wait")
    says(child)
    before = time.monotonic()
    ending = await end_tree(child.pid, grace_s=1.5)
    assert time.monotonic() - before < 1.4
    assert ending.left == ()
    assert ending.ended == 3
    over(child)
    assert child.returncode == -signal.SIGTERM


@pytest.mark.parametrize("parent", ["stay", "leave"])
async def test_a_deaf_grandchild_in_a_session_of_its_own_is_gone_within_two_seconds(
    marker: str, parent: str, bystander: subprocess.Popen[bytes]
):
    child = start(sys.executable, "-c", ESCAPE, parent, marker=marker)
    escaped = says(child)
    before = time.monotonic()
    ending = await end_tree(child.pid, marker, grace_s=0.2)
    assert time.monotonic() - before < 2
    assert has_ended(escaped, 0)
    assert ending.left == ()
    over(child)


async def test_without_the_marker_the_grandchild_gets_away(marker: str):
    """The control: the test above would pass too if such a process were found anyway."""
    child = start(sys.executable, "-c", ESCAPE, "leave", marker=marker)
    escaped = says(child)
    over(child)
    assert (await end_tree(child.pid, "", grace_s=0)).ended == 0
    assert not has_ended(escaped, 0)
    assert (await end_tree(None, marker, grace_s=0)).ended == 1
    assert has_ended(escaped, 0)


async def test_children_born_while_the_tree_is_ended_are_ended_too(marker: str):
    # Each TERM makes it start another one, and then it goes on.
    child = start(
        "bash", "-c", "trap 'sleep 60 & sleep 60 &' TERM; echo 1; while :; do wait; done",
        marker=marker,
    )  # fmt: skip
    says(child)
    before = time.monotonic()
    ending = await end_tree(child.pid, marker, grace_s=0.3)
    assert time.monotonic() - before < 2
    assert ending.ended >= 2
    assert tree(child.pid, marker) == []
    over(child)


async def test_a_cancelled_end_kills_before_it_goes(marker: str):
    child = start("bash", "-c", "trap '' TERM; echo 1; while :; do wait; done", marker=marker)
    says(child)
    ending = asyncio.ensure_future(end_tree(child.pid, marker, grace_s=1.5))
    await asyncio.wait({ending}, timeout=0.1)
    assert child.poll() is None
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert has_ended(child.pid)
    over(child)


async def test_a_number_that_belongs_to_someone_else_by_now_is_left_alone(
    bystander: subprocess.Popen[bytes],
):
    stranger = identity(bystander.pid)
    assert stranger is not None
    assert tree(bystander.pid, started=stranger.started) != []
    assert tree(bystander.pid, started=stranger.started - 1) == []
    assert (await end_tree(bystander.pid, started=stranger.started - 1)).ended == 0


def test_the_caller_and_its_forebears_are_never_part_of_a_tree():
    members = {process.pid for process in tree(os.getppid())}
    assert os.getpid() not in members
    assert os.getppid() not in members


def test_a_record_stands_on_disk_until_the_child_has_ended(tmp_path: Path):
    records = ChildRecords(tmp_path / "children", 1)
    child = start("sleep", "60")
    ended = records.started(child.pid, "shell c-1")
    (file,) = (tmp_path / "children").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    child.kill()
    over(child)
    ended()
    assert list((tmp_path / "children").iterdir()) == []
    ended()


def test_a_daemon_ends_what_an_earlier_one_left(
    tmp_path: Path, marker: str, bystander: subprocess.Popen[bytes]
):
    earlier, own = ChildRecords(tmp_path, 1), ChildRecords(tmp_path, 2)
    lost = start("sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait")
    inner = says(lost)
    escaper = start(sys.executable, "-c", ESCAPE, "leave", marker=marker)
    earlier.started(lost.pid, "the model")
    earlier.started(escaper.pid, "shell", marker)
    escaped = says(escaper)
    over(escaper)
    mine = start("sleep", "60")
    own.started(mine.pid, "its own")
    (tmp_path / "1-7-cut.json").write_bytes(b'{"pid": 7, "sta')

    found = own.end_leftovers()

    assert sorted(record.purpose for record in found) == ["shell", "the model"]
    over(lost)
    assert has_ended(inner)
    assert has_ended(escaped)
    assert mine.poll() is None
    (left,) = tmp_path.iterdir()
    assert f"2-{mine.pid}-" in left.name
    mine.kill()
    over(mine)


def test_a_child_whose_number_never_got_on_record_is_found_by_its_marker(
    tmp_path: Path, marker: str
):
    earlier, own = ChildRecords(tmp_path, 1), ChildRecords(tmp_path, 2)
    earlier.started(None, "shell", marker)
    lost = start("sleep", "60", marker=marker)
    assert [record.purpose for record in own.end_leftovers()] == ["shell"]
    over(lost)
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_was_handed_out_again_or_another_boot_is_left_alone(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
):
    stranger = identity(bystander.pid)
    assert stranger is not None
    earlier, own = ChildRecords(tmp_path, 1), ChildRecords(tmp_path, 2)
    earlier.started(bystander.pid, "x")
    (file,) = tmp_path.iterdir()
    real = file.read_text()
    start_field = f'"started":{stranger.started}'
    assert start_field in real
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for changed in (
        real.replace(start_field, f'"started":{stranger.started - 5}'),
        real.replace(boot, "another-boot"),
    ):
        assert changed != real
        file.write_text(changed)
        assert own.end_leftovers() == []
        assert not file.exists()


def test_killing_at_once_says_how_many_there_were():
    child = start("sh", "-c", "sleep 60 & echo 1; wait")
    says(child)
    assert kill_tree(child.pid).ended == 2
    over(child)
    assert kill_tree(child.pid).ended == 0
