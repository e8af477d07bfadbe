"""A silent model is told of, given up and asked again; what waits elsewhere is not silence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from mato.agents.native.silence import Silence
from mato.models.base import ASKED, ModelFault
from mato_sessions.events.agent import Limits, silence, silent

TOLD_S = (0.05, 0.1, 0.15)


class Told:
    """What was said of a silence."""

    def __init__(self, limits: Limits) -> None:
        self.texts: list[str] = []
        self.came = asyncio.Event()
        self.silence = Silence(limits, self._tell, TOLD_S)

    async def _tell(self, text: str) -> None:
        self.texts.append(text)
        self.came.set()

    async def keep(self, reading: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(30):
            await self.silence.keep(reading)


async def test_a_silence_is_told_in_few_steps_and_then_given_up() -> None:
    told = Told(Limits(first_chunk_s=0.4))

    async def read() -> None:
        told.silence.listen()
        await asyncio.Event().wait()

    with pytest.raises(ModelFault, match=r"silent for 0\.4 s \(limits\.first_chunk_s\)") as caught:
        await told.keep(read())
    assert caught.value.fault == "timeout"
    assert told.texts[-1] == "the model is silent (since 0.15 s)"
    assert len(told.texts) <= len(TOLD_S)


async def test_a_silence_in_the_middle_has_a_limit_of_its_own() -> None:
    told = Told(Limits(first_chunk_s=1000, silence_s=0.2))

    async def read() -> None:
        told.silence.listen()
        await asyncio.sleep(0)
        told.silence.heard(None)
        told.silence.listen()
        await asyncio.Event().wait()

    with pytest.raises(ModelFault, match=r"in the middle of its answer \(limits\.silence_s\)"):
        await told.keep(read())


async def test_what_is_waited_for_is_said_and_counts_as_a_sign_of_life() -> None:
    told = Told(Limits(first_chunk_s=0.4))

    async def read() -> None:
        for waits in ("queued behind 2", "queued behind 1", ASKED):
            told.silence.heard(waits)
            told.silence.listen()
            told.came.clear()
            await told.came.wait()  # so that all of it takes some time
            assert told.texts[-1].startswith("the model is silent" if waits == ASKED else waits)

    await told.keep(read())


async def test_the_time_that_the_agent_needs_itself_is_no_silence() -> None:
    told = Told(Limits(first_chunk_s=0.1, silence_s=0.1))

    async def read() -> None:
        told.silence.listen()
        told.silence.heard(None)
        await asyncio.sleep(0.5)  # as when the journal has no room

    await told.keep(read())
    assert not told.texts


async def test_what_came_while_the_daemon_itself_was_stopped_is_read_first() -> None:
    told = Told(Limits(first_chunk_s=0.2))
    came: asyncio.Queue[str] = asyncio.Queue()
    there = asyncio.Event()

    async def pass_on() -> None:
        await there.wait()
        await asyncio.sleep(0)  # as from a pipe: through a reader, a task and a queue
        came.put_nowait("a chunk")

    async def read() -> None:
        told.silence.listen()
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, time.sleep, 0.5)
        loop.call_later(0.03, there.set)
        await came.get()
        told.silence.heard(None)

    async with asyncio.TaskGroup() as group:
        group.create_task(pass_on())
        await told.keep(read())


async def test_what_reading_raises_goes_through_and_a_stop_is_no_fault() -> None:
    told = Told(Limits())

    async def broken() -> None:
        raise ModelFault("cut", "cut off")

    with pytest.raises(ModelFault, match="cut off"):
        await told.keep(broken())

    begun = asyncio.Event()

    async def endless() -> None:
        told.silence.listen()
        begun.set()
        await asyncio.Event().wait()

    reading = asyncio.create_task(told.silence.keep(endless()))
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


def test_evidence_of_silence_can_be_read_again() -> None:
    assert silence(silent("queued behind 2", 30)) == ("queued behind 2", 30)
    assert silence("queued behind 2") is None
    assert silence("the model answers") is None
