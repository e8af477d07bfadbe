"""Work on files: done in threads, and left behind where the file system holds it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mato.tools.base import ToolError
from mato.tools.disk import Crew, off_loop
from mato_sessions.errors import PathRefused


@pytest.fixture
def mount() -> Iterator[threading.Event]:
    """A file system that does not answer until this is set."""
    answers = threading.Event()
    yield answers
    answers.set()


async def test_what_hangs_is_given_up_and_takes_nobodys_place(mount: threading.Event) -> None:
    crew = Crew("test", 2, limit_s=0.05)
    for _ in range(3):
        hanging = [crew.run(mount.wait) for _ in range(2)]
        for outcome in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(outcome, PathRefused)
            assert "did not answer within 0.05 s" in str(outcome)
    assert await crew.run(lambda: "well") == "well"


async def test_a_place_is_free_again_when_the_file_system_answers(mount: threading.Event) -> None:
    crew = Crew("test", 1, limit_s=0.02)
    for _ in range(64):
        with pytest.raises(PathRefused, match="did not answer"):
            await crew.run(mount.wait)
    with pytest.raises(PathRefused, match="64 accesses to files hang"):
        await crew.run(lambda: "well")
    mount.set()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await crew.run(lambda: "well") == "well"
                break
            except PathRefused:
                await asyncio.sleep(0)


async def test_work_that_waits_for_a_thread_is_done_when_one_hangs(mount: threading.Event) -> None:
    crew = Crew("test", 1, limit_s=0.3, stop_s=0.0)
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        mount.wait()

    hanging = asyncio.create_task(crew.run(hang))
    await asyncio.to_thread(begun.wait)
    waiting = asyncio.create_task(crew.run(lambda: "well"))
    await asyncio.sleep(0)
    hanging.cancel()
    assert await waiting == "well"


async def test_cancelling_waits_for_what_a_thread_has_begun() -> None:
    crew = Crew("test", 1)
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        go.wait()
        done.set()

    writing = asyncio.create_task(crew.run(write))
    await asyncio.to_thread(begun.wait)
    writing.cancel()
    asyncio.get_running_loop().call_later(0.05, go.set)
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert done.is_set()


async def test_what_the_work_raises_goes_through_and_a_refusal_is_for_the_model() -> None:
    def refused() -> None:
        raise PathRefused("no")

    crew = Crew("test", 1)
    with pytest.raises(ZeroDivisionError):
        await crew.run(lambda: 1 // 0)
    with pytest.raises(ToolError, match="no"):
        await off_loop(refused)


def test_a_thread_that_hangs_does_not_keep_the_program_from_ending() -> None:
    program = (
        "import asyncio, threading\n"
        "from mato.tools.disk import Crew\n"
        "from mato_sessions.errors import PathRefused\n"
        "async def main():\n"
        "    try: await Crew('test', 1, limit_s=0.1).run(threading.Event().wait)\n"
        "    except PathRefused: print('given up')\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == "given up\n"
