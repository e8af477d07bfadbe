"""Models that fall silent: the turn ends right, others lose nothing, a stop works at once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mato.models.base import Chunk, ModelRequest
from mato.models.scripted import ScriptedAnswer, ScriptedCall
from mato.models.worker import WorkerModel
from mato.testing.invariants import Effect, check
from mato.testing.models import OneModel, scripted
from mato.testing.stage import Stage, on_stage
from mato_sessions.entries import TextEntry
from mato_sessions.events import AgentStateChanged, ModelFailed, TurnEnded
from mato_sessions.events.agent import Limits, silence

pytestmark = pytest.mark.fault

ROUNDS = 20 if os.environ.get("MATO_SOAK") else 1
STOP_S = 2.0
"""What a stop may take."""
SILENT = Limits(first_chunk_s=1.0, silence_s=1.0)
NOTE = ScriptedCall("shell", {"command": "echo $MATO_CALL >> effects"})


def effects(stage: Stage) -> list[Effect]:
    """What the shell has really done, as it noted itself."""
    noted = stage.folder / "effects"
    calls = noted.read_text().split() if noted.exists() else []
    return [Effect(call, call, 1) for call in calls]


def faults(stage: Stage) -> list[str]:
    return [body.fault for body in stage.bodies("model.failed") if isinstance(body, ModelFailed)]


@pytest.mark.parametrize("_round", range(ROUNDS))
async def test_a_model_that_stalls_anywhere_is_asked_again(tmp_path: Path, _round: int) -> None:
    async def one(stall: int) -> list[str]:
        whole = ScriptedAnswer(reasoning="I look.", text="I note it now.", calls=(NOTE,), after=0)
        stalled = ScriptedAnswer(
            reasoning=whole.reasoning,
            text=whole.text,
            calls=whole.calls,
            after=0,
            stall_after=stall,
            times=1,
        )
        end = ScriptedAnswer(text="Done.", after=1)
        models = scripted(stalled, whole, end)
        async with on_stage(tmp_path / f"at-{stall}", models, limits=SILENT) as stage:
            reason = await stage.turn("go")
        wrong = check(stage.evidence(*effects(stage)))
        partial = "".join(
            entry.text
            for entry in stage.shown.entries
            if isinstance(entry, TextEntry) and entry.partial
        )
        kept = "".join(["I", " note", " it", " now."][: max(0, stall - 2)])
        found = (reason, faults(stage), len(effects(stage)), partial)
        if found != ("end_turn", ["timeout"], 1, kept):
            wrong.append(f"stall at {stall}: {found!r}")
        return wrong

    outcomes = await asyncio.gather(*(one(stall) for stall in range(10)))
    assert [sentence for found in outcomes for sentence in found] == []


async def test_a_model_that_never_answers_ends_the_turn_with_what_it_was(tmp_path: Path) -> None:
    # Without the waits between the attempts this is what five silent answers come to.
    models = scripted(ScriptedAnswer(stall_after=0, when="go"))
    async with on_stage(tmp_path, models, limits=Limits(first_chunk_s=0.05, wall_s=1.0)) as stage:
        assert await stage.turn("go") == "time_limit"
    assert set(faults(stage)) == {"timeout"}
    assert check(stage.evidence()) == []


@pytest.mark.parametrize("stall", [0, 2])
async def test_a_stop_works_at_once_while_the_model_is_silent(tmp_path: Path, stall: int) -> None:
    models = scripted(ScriptedAnswer(text="one two three", stall_after=stall))
    async with on_stage(tmp_path, models) as stage:
        turn = asyncio.create_task(stage.turn("go"))
        await stage.wait_for("model.asked" if stall == 0 else "text.streamed")
        async with asyncio.timeout(STOP_S):
            assert await stage.agent.cancel()
        assert await turn == "cancelled"
    assert faults(stage) == []
    assert check(stage.evidence()) == []


CHILD = """
import os, signal, sys
from pathlib import Path
import msgspec
from mato.models.base import FinishChunk, TextChunk, Usage
from mato.models.wire import Ask, Piece, Ping, Pong, Ready, ToChild
from mato.rpc.framing import pack

def say(frame):
    sys.stdout.buffer.write(pack(msgspec.msgpack.encode(frame)))
    sys.stdout.buffer.flush()

def hear():
    length = int.from_bytes(sys.stdin.buffer.read(4), "big")
    if not length:
        sys.exit()
    return msgspec.msgpack.decode(sys.stdin.buffer.read(length), type=ToChild)

second = Path(sys.argv[1]).exists()
Path(sys.argv[1]).touch()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say(Ready("child"))
begun = 0
while True:
    frame = hear()
    if isinstance(frame, Ping):
        say(Pong())
    elif isinstance(frame, Ask):
        name = frame.request.request
        say(Piece(name, TextChunk("It is ")))
        begun += 1
        if second:
            say(Piece(name, TextChunk("well.")))
            say(Piece(name, FinishChunk("stop", Usage(input=10, output=2))))
        elif begun == 3:
            os.kill(os.getpid(), signal.SIGSTOP)
"""
"""Hangs in the middle of the third answer, with all of them open; its successor does not."""


class Children:
    """The model processes that were started and have not ended."""

    def __init__(self) -> None:
        self.started = 0
        self.pids: set[int] = set()

    def __call__(self, pid: int, purpose: str) -> Callable[[], None]:
        self.started += 1
        self.pids.add(pid)
        return lambda: self.pids.discard(pid)


async def test_a_model_process_that_hangs_costs_its_agents_an_attempt_and_no_more(
    tmp_path: Path,
) -> None:
    children = Children()
    command = (sys.executable, "-c", CHILD, str(tmp_path / "begun"))

    async def one(name: str, model: WorkerModel) -> Stage:
        async with on_stage(tmp_path / name, OneModel(model)) as stage:
            assert await stage.turn("how is it?") == "end_turn"
        return stage

    async with asyncio.TaskGroup() as group:
        model = WorkerModel("child", command, group, children, 60.0, quiet_s=0.5, life_s=1.0)
        stages = await asyncio.gather(*(one(name, model) for name in ("a", "b", "c")))
        await model.close()
    assert (children.started, children.pids) == (2, set())
    for stage in stages:
        assert faults(stage) == ["process"]
        answered = stage.bodies("model.answered")
        assert [getattr(body, "text", "") for body in answered] == ["It is well."]
        assert len(stage.bodies("usage.reported")) == 1
        assert check(stage.evidence()) == []


class Whispers:
    """A model that takes its time before each of its chunks, but never as long as a limit."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._model = scripted(ScriptedAnswer(text="one two three four"))

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        async for chunk in self._model.get(request.choice).stream(request):
            await asyncio.sleep(self._pause_s)
            yield chunk

    async def close(self) -> None:
        pass


async def test_a_slow_model_is_not_a_silent_one(tmp_path: Path) -> None:
    limits = Limits(first_chunk_s=3.0, silence_s=3.0)
    async with on_stage(tmp_path, OneModel(Whispers(0.3)), limits=limits) as stage:
        assert await stage.turn("go") == "end_turn"
    assert faults(stage) == []
    assert check(stage.evidence()) == []


async def test_the_harness_notices_an_agent_that_is_never_told_of_its_limits(
    tmp_path: Path,
) -> None:
    """Without limits on silence nothing else ends such a turn."""
    models = scripted(ScriptedAnswer(text="one two three", stall_after=2))
    async with on_stage(tmp_path, models, limits=Limits(first_chunk_s=0.2)) as stage:
        turn = asyncio.create_task(stage.turn("go"))
        await stage.wait_for("text.streamed")
        done, _ = await asyncio.wait({turn}, timeout=1.0)
        assert not done
        assert faults(stage) == []
        await stage.agent.cancel()
        await turn


@pytest.mark.skipif(ROUNDS == 1, reason="takes 12 s; MATO_SOAK=1 runs it")
async def test_a_silence_is_told_after_ten_seconds_in_the_journal(tmp_path: Path) -> None:
    models = scripted(ScriptedAnswer(text="one two three", stall_after=2))
    async with on_stage(tmp_path, models) as stage:
        turn = asyncio.create_task(stage.turn("go"))

        def told() -> list[AgentStateChanged]:
            states = stage.bodies("agent.state_changed")
            return [b for b in states if isinstance(b, AgentStateChanged) and silence(b.evidence)]

        await stage.until(lambda: bool(told()))
        assert told()[0].evidence == "the model is silent (since 10 s)"
        assert told()[0].state == "working"
        await stage.agent.cancel()
        await turn
    ended = stage.bodies("turn.ended")[-1]
    assert isinstance(ended, TurnEnded)
    assert ended.reason == "cancelled"
    assert check(stage.evidence()) == []
