"""Tools that do not want to end, and files that never answer: each ends, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mato.models.scripted import ScriptedAnswer, ScriptedCall
from mato.processes import MARKER, tree
from mato.testing.invariants import Effect, check
from mato.testing.models import OneModel, scripted
from mato.testing.stage import Stage, on_stage
from mato_sessions.events import ToolFailed, ToolFinished, ToolProposed
from mato_sessions.events.session import Mode

pytestmark = pytest.mark.fault

ROUNDS = 20 if os.environ.get("MATO_SOAK") else 1
STOP_S = 2.0
"""What a stop may take."""
SLACK_S = 3.0
"""For journal and scheduling on a machine that is busy."""

BEGIN = f'echo "${MARKER} $$" >> effects; echo begun; '
DEAF = "trap '' TERM INT HUP; "
STUBBORN = {
    "ignores TERM": DEAF + "while :; do sleep 0.1; done",
    "leaves a session": "setsid sh -c \"trap '' TERM; sleep 300\" & sleep 300",
    "forks twice": "( ( trap '' TERM; exec sleep 300 ) & ) ; sleep 300",
    "closes its output": "exec >&- 2>&-; sleep 300",
    "breeds": DEAF + "while :; do (sleep 300 &) ; sleep 0.02; done",
    "prints for ever": DEAF + "yes mato",
}


def calling(*calls: ScriptedCall) -> OneModel:
    """A model that makes these calls at once, and then ends the turn."""
    return scripted(
        ScriptedAnswer(text="I do it.", calls=calls, after=0),
        ScriptedAnswer(text="Done.", after=len(calls)),
    )


def shell(command: str, timeout_s: int = 60) -> ScriptedCall:
    return ScriptedCall("shell", {"command": BEGIN + command, "timeout_s": timeout_s})


class Begun:
    """Commands that have begun, as they noted it themselves: call and process."""

    def __init__(self, stage: Stage) -> None:
        noted = stage.folder / "effects"
        lines = noted.read_text().splitlines() if noted.exists() else []
        self.calls = [line.split()[0] for line in lines]
        self.pids = [int(line.split()[1]) for line in lines]

    @property
    def effects(self) -> list[Effect]:
        return [Effect(call, call, 1) for call in self.calls]


async def begun(stage: Stage, count: int = 1) -> Begun:
    """What has begun, as soon as so many have."""
    async with asyncio.timeout(20):
        await stage.until(lambda: len(Begun(stage).calls) >= count)
    return Begun(stage)


def left(stage: Stage, found: Begun) -> list[object]:
    """Whatever of the commands is still there: processes, and records of them."""
    living = [process for call in found.calls for process in tree(None, call)]
    living += [process for pid in found.pids for process in tree(pid)]
    records = stage.journal.parent / "children"
    return [*living, *(records.iterdir() if records.exists() else ())]


@pytest.mark.parametrize("how", STUBBORN)
@pytest.mark.parametrize("_round", range(ROUNDS))
async def test_a_stop_ends_a_stubborn_command_and_all_it_started(
    tmp_path: Path, how: str, _round: int
) -> None:
    async with on_stage(tmp_path, calling(shell(STUBBORN[how]))) as stage:
        turn = asyncio.create_task(stage.turn("go"))
        found = await begun(stage)
        before = time.monotonic()
        assert await stage.agent.cancel()
        assert time.monotonic() - before < STOP_S + SLACK_S
        assert await turn == "cancelled"
    assert left(stage, found) == []
    [failed] = stage.bodies("tool.failed")
    assert isinstance(failed, ToolFailed)
    assert failed.cause == "cancelled"
    assert check(stage.evidence(*found.effects)) == []


async def test_stubborn_commands_end_at_their_own_limit(tmp_path: Path) -> None:
    calls = [shell(command, timeout_s=1) for command in STUBBORN.values()]
    async with on_stage(tmp_path, calling(*calls)) as stage:
        before = time.monotonic()
        assert await stage.turn("go") == "end_turn"
        assert time.monotonic() - before < 1 + STOP_S + len(calls) * SLACK_S
    found = Begun(stage)
    assert left(stage, found) == []
    ended = [body for body in stage.bodies("tool.finished") if isinstance(body, ToolFinished)]
    assert len(ended) == len(STUBBORN)
    assert all(body.exit_code is None for body in ended)
    assert all("timed out: ended with all it had started after 1 s" in b.content for b in ended)
    assert check(stage.evidence(*found.effects)) == []


async def test_a_command_that_is_killed_from_outside_ends_with_its_signal(tmp_path: Path) -> None:
    call = ScriptedCall("shell", {"command": f"sleep 300 & {BEGIN} wait"})
    async with on_stage(tmp_path, calling(call)) as stage:
        turn = asyncio.create_task(stage.turn("go"))
        found = await begun(stage)
        os.kill(found.pids[0], signal.SIGKILL)
        assert await turn == "end_turn"
    [finished] = stage.bodies("tool.finished")
    assert isinstance(finished, ToolFinished)
    assert finished.exit_code == 128 + signal.SIGKILL
    assert "1 process left in the background was ended" in finished.content
    assert left(stage, found) == []
    assert check(stage.evidence(*found.effects)) == []


async def test_ten_megabytes_of_output_are_kept_whole_and_shown_in_part(tmp_path: Path) -> None:
    command = "yes 0123456789abcdef | head -c 10000000"
    async with on_stage(tmp_path, calling(shell(command))) as stage:
        assert await stage.turn("go") == "end_turn"
    [finished] = stage.bodies("tool.finished")
    assert isinstance(finished, ToolFinished)
    assert finished.output is not None
    assert finished.output.size_bytes == 10_000_000 + len("begun\n")
    assert len(finished.content) < 32 * 1024
    shown = sum(len(getattr(body, "text", "")) for body in stage.bodies("tool.output_streamed"))
    assert shown < 2 * 1024 * 1024
    assert check(stage.evidence(*Begun(stage).effects)) == []


async def test_files_that_never_answer_are_refused_and_hold_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "tty").symlink_to("/dev/tty")
    (folder / "self").symlink_to("self")
    (folder / "own").symlink_to("/proc/self/fd/0")
    (folder / "note.txt").write_text("a note\n")
    names = ("pipe", "zero", "tty", "self", "own")
    calls = [ScriptedCall("read", {"path": name}) for name in names]
    calls += [ScriptedCall("write", {"path": name, "content": "x"}) for name in names]
    calls += [
        ScriptedCall("edit", {"path": name, "old_text": "a", "new_text": "b"}) for name in names
    ]
    calls += [ScriptedCall("search", {"pattern": "note"}), ScriptedCall("list", {})]
    async with on_stage(tmp_path, calling(*calls)) as stage:
        async with asyncio.timeout(20):
            assert await stage.turn("go") == "end_turn"
    assert len(stage.bodies("tool.failed")) == 3 * len(names)
    [searched, listed] = stage.bodies("tool.finished")
    assert isinstance(searched, ToolFinished)
    assert isinstance(listed, ToolFinished)
    assert "note.txt:1: a note" in searched.content + listed.content
    assert (folder / "pipe").is_fifo()
    assert check(stage.evidence()) == []


@pytest.mark.parametrize("mode", ["ask", "edit"])
async def test_a_question_about_such_a_file_is_not_asked_for_ever(
    tmp_path: Path, mode: Mode
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    calls = [
        ScriptedCall("write", {"path": "pipe", "content": "x"}),
        ScriptedCall("edit", {"path": "zero", "old_text": "a", "new_text": "b"}),
    ]
    async with on_stage(tmp_path, calling(*calls), mode=mode) as stage:
        async with asyncio.timeout(20):
            assert await stage.turn("go") == "end_turn"
    assert len(stage.bodies("tool.failed")) == 2
    assert not stage.bodies("permission.asked")
    assert check(stage.evidence()) == []


async def test_an_agent_beside_stubborn_commands_is_not_held_up(tmp_path: Path) -> None:
    stubborn = [shell(command) for command in STUBBORN.values()]
    quick = scripted(ScriptedAnswer(text="Here I am."))
    async with (
        on_stage(tmp_path / "stubborn", calling(*stubborn)) as stage,
        on_stage(tmp_path / "quick", quick) as beside,
    ):
        turn = asyncio.create_task(stage.turn("go"))
        found = await begun(stage, len(stubborn))
        async with asyncio.timeout(5):
            assert await beside.turn("are you there?") == "end_turn"
        assert await stage.agent.cancel()
        assert await turn == "cancelled"
    assert left(stage, found) == []


async def test_the_harness_notices_a_process_that_was_left(tmp_path: Path) -> None:
    async with on_stage(tmp_path, calling(shell("true"))) as stage:
        assert await stage.turn("go") == "end_turn"
    found = Begun(stage)
    assert left(stage, found) == []
    [proposed] = stage.bodies("tool.proposed")
    assert isinstance(proposed, ToolProposed)
    forgotten = await asyncio.create_subprocess_exec(
        "sleep", "300", env={**os.environ, MARKER: proposed.call}, start_new_session=True
    )
    try:
        assert left(stage, found) != []
    finally:
        forgotten.kill()
        await forgotten.wait()


async def test_the_harness_notices_an_effect_that_no_start_allowed(tmp_path: Path) -> None:
    async with on_stage(tmp_path, calling(shell("true"))) as stage:
        assert await stage.turn("go") == "end_turn"
    effects: list[Any] = [*Begun(stage).effects, Effect("c-of-nobody", "c-of-nobody", 1)]
    assert check(stage.evidence(*effects)) != []
    late = msgspec.structs.replace(effects[0], attempt=2)
    assert check(stage.evidence(effects[0], late)) != []
