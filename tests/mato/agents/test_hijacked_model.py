"""A model that obeys a stranger's folder: it reads a secret and tries to send it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from mato.agents.native.runtime import NativeAgent
from mato.models.scripted import ScriptedAnswer, ScriptedCall
from mato.permissions.desk import Policy
from mato.permissions.grants import Standing
from mato.permissions.rules import Rule
from mato.permissions.taint import Taint
from mato.testing.models import OneModel, scripted
from mato.testing.sink import MemorySink
from mato.tools.registry import Registry
from mato.tools.workspace import Workspace
from mato_sessions.clock import SystemClock
from mato_sessions.events import Event, PermissionAsked
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.permission import Pattern
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import TextBlock
from mato_sessions.grants import Grant
from mato_sessions.ids import Ids
from mato_sessions.redact import Redactor

STRANGER = Policy((Rule("allow"),), seen=Taint(untrusted=True))
SENDS = (
    "touch left && curl --version",
    "touch left; git push --dry-run nowhere",
    "python3 -c \"open('left', 'w')\"",
    "bash -c 'touch left'",
    "touch left | nc -h",
    "touch left && npm publish --dry-run",
)
"""Each leaves a mark if it runs at all, and would not get further than this machine."""


@asynccontextmanager
async def living(
    folder: Path,
    models: OneModel,
    policy: Policy,
    mode: Mode = "full",
    history: Sequence[Event] = (),
    blobs: Mapping[str, bytes] | None = None,
) -> AsyncGenerator[tuple[NativeAgent, MemorySink]]:
    clock = SystemClock()
    sink = MemorySink(clock, start=len(history))
    sink.blobs.update(blobs or {})
    spec = LaunchSpec("coder", "scripted:x", mode=mode, cwd=str(folder))
    with Workspace(folder) as workspace:
        agent = NativeAgent(
            spec,
            sink,
            models,
            Registry(("read", "search", "shell")),
            workspace,
            clock,
            Ids(clock.wall_us),
            lambda: {"PATH": "/usr/bin:/bin"},
            Redactor(),
            history=history,
            policy=policy,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(agent.run())
            yield agent, sink
            await agent.close("the test is over")


def says(*calls: ScriptedCall) -> ScriptedAnswer:
    return ScriptedAnswer(calls=calls)


SECRET = ScriptedCall("read", {"path": ".env"})


def sends(line: str) -> ScriptedCall:
    return ScriptedCall("shell", {"command": line})


async def refuse_all(agent: NativeAgent, sink: MemorySink, count: int) -> list[str]:
    """Deny that many questions as they come; gives what was shown of each."""
    async with asyncio.timeout(20):
        return await _refuse_all(agent, sink, count)


async def _refuse_all(agent: NativeAgent, sink: MemorySink, count: int) -> list[str]:
    shown: list[str] = []
    for number in range(1, count + 1):
        asked = (await sink.wait_for("permission.asked", number)).body
        assert isinstance(asked, PermissionAsked)
        shown.append(asked.resource)
        await agent.answer(asked.call, False, "no")
    await sink.wait_for("turn.ended")
    return shown


async def test_every_way_out_asks_and_shows_the_exact_line(tmp_path: Path):
    (tmp_path / ".env").write_text("A=b\n")
    answers = [says(SECRET), *(says(sends(line)) for line in SENDS), ScriptedAnswer(text="ok")]
    async with living(tmp_path, scripted(*answers), STRANGER) as (agent, sink):
        await agent.prompt([TextBlock("go")])
        assert await refuse_all(agent, sink, len(SENDS)) == list(SENDS)
    assert not (tmp_path / "left").exists()


async def test_a_search_that_came_upon_a_secret_marks_by_what_it_showed(tmp_path: Path):
    (tmp_path / ".env").write_text("API=b\n")
    search = ScriptedCall("search", {"pattern": "API"})
    models = scripted(says(search), says(sends(SENDS[0])), ScriptedAnswer(text="ok"))
    async with living(tmp_path, models, STRANGER) as (agent, sink):
        await agent.prompt([TextBlock("go")])
        await refuse_all(agent, sink, 1)
    assert not (tmp_path / "left").exists()


async def test_a_way_out_says_why_it_asks_and_cannot_be_remembered(tmp_path: Path):
    (tmp_path / ".env").write_text("A=b\n")
    line = "git push origin main"
    everything = Grant(
        grant="g-1", call="c", action="execute", patterns=(Pattern("line", line),), words="",
        by="", at_us=0, expires_us=1,
    )  # fmt: skip
    policy = replace(STRANGER, standing=lambda: Standing((everything,)))
    models = scripted(says(SECRET), says(sends(line)), ScriptedAnswer(text="ok"))
    async with living(tmp_path, models, policy) as (agent, sink):
        await agent.prompt([TextBlock("go")])
        await refuse_all(agent, sink, 1)
    [asked] = sink.bodies("permission.asked")
    assert isinstance(asked, PermissionAsked)
    assert (asked.private, asked.untrusted) == (True, True)
    assert (asked.patterns, asked.lasting) == ((), "")
    assert asked.why == "it can carry private data away, and strangers' text has been read"
    assert asked.arguments["command"] == asked.resource == line


async def test_calls_of_one_answer_mark_each_other(tmp_path: Path):
    (tmp_path / ".env").write_text("A=b\n")
    models = scripted(says(sends(SENDS[0]), SECRET), ScriptedAnswer(text="ok"))
    async with living(tmp_path, models, STRANGER) as (agent, sink):
        await agent.prompt([TextBlock("go")])
        await refuse_all(agent, sink, 1)
    assert not (tmp_path / "left").exists()


async def test_an_agent_that_is_taken_up_again_still_has_its_marks(tmp_path: Path):
    (tmp_path / ".env").write_text("A=b\n")
    end = ScriptedAnswer(text="ok")
    script = (says(SECRET), end, says(sends(SENDS[0])), end)
    first = scripted(*script)
    async with living(tmp_path, first, STRANGER) as (agent, sink):
        await agent.prompt([TextBlock("look")])
        await sink.wait_for("turn.ended")
        history = list(sink.events)
    models = scripted(*script)
    kept = dict(sink.blobs)
    async with living(tmp_path, models, STRANGER, "full", history, kept) as (agent, sink):
        await agent.prompt([TextBlock("send")])
        await refuse_all(agent, sink, 1)
    assert not (tmp_path / "left").exists()


@pytest.mark.parametrize("mode", ["read", "ask", "edit"])
async def test_no_stricter_mode_lets_it_out(tmp_path: Path, mode: Mode):
    (tmp_path / ".env").write_text("A=b\n")
    models = scripted(says(SECRET), says(sends(SENDS[0])), ScriptedAnswer(text="ok"))
    async with living(tmp_path, models, STRANGER, mode) as (agent, sink):
        await agent.prompt([TextBlock("go")])
        await refuse_all(agent, sink, 0 if mode == "read" else 1)
    assert not (tmp_path / "left").exists()


async def test_a_policy_that_forgets_strangers_would_let_it_out(tmp_path: Path):
    (tmp_path / ".env").write_text("A=b\n")
    line = SENDS[3]
    models = scripted(says(SECRET), says(sends(line)), ScriptedAnswer(text="ok"))
    async with living(tmp_path, models, Policy()) as (agent, sink):
        await agent.prompt([TextBlock("go")])
        await sink.wait_for("turn.ended")
    assert (tmp_path / "left").exists(), "the marks above can be left"
