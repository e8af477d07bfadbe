"""Native agents as they run here: streams, tools, permissions, stops, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mato.agents.base import GO_ON, Given, TakeUp
from mato.agents.factory import native
from mato.agents.native.runtime import NativeAgent
from mato.models.base import (
    Chunk,
    FinishChunk,
    ModelChoice,
    ModelRequest,
    TextChunk,
    Usage,
    WaitChunk,
)
from mato.models.scripted import ScriptedAnswer, ScriptedCall
from mato.permissions.desk import Policy
from mato.testing.models import OneModel, scripted
from mato.testing.sink import MemorySink
from mato.tools.registry import Registry
from mato.tools.workspace import Workspace
from mato_sessions.clock import SystemClock
from mato_sessions.errors import JournalError, UnknownName, UsageError
from mato_sessions.events import Event
from mato_sessions.events.agent import LaunchSpec, Limits
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import TextBlock
from mato_sessions.ids import Ids
from mato_sessions.redact import Redactor

KEY = "sk-very-secret-key-0123456789"


class Stage:
    """An agent on its stage: sink, workspace, and the agent itself."""

    def __init__(self, agent: NativeAgent, sink: MemorySink, folder: Path) -> None:
        self.agent = agent
        self.sink = sink
        self.folder = folder

    async def say(self, text: str) -> str:
        return await self.agent.prompt([TextBlock(text)])

    async def turn(self, text: str) -> str:
        """Prompt, and wait for the end; gives the stop reason."""
        count = len(self.sink.bodies("turn.ended"))
        await self.say(text)
        return (await self.sink.wait_for("turn.ended", count + 1)).body.reason


@asynccontextmanager
async def on_stage(
    folder: Path,
    models: OneModel,
    mode: Mode = "full",
    limits: Limits | None = None,
    history: Sequence[Event] = (),
    blobs: dict[str, bytes] | None = None,
    tools: tuple[str, ...] = ("read", "list", "search", "write", "edit", "shell", "plan"),
    take_up: TakeUp | None = None,
) -> AsyncIterator[Stage]:
    clock = SystemClock()
    sink = MemorySink(clock, start=len(history))
    sink.blobs.update(blobs or {})
    spec = LaunchSpec("coder", "scripted:x", mode=mode, cwd=str(folder), limits=limits or Limits())
    env = {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": KEY}
    with Workspace(folder) as workspace:
        given = Given(
            sink=sink,
            workspace=workspace,
            registry=Registry(tools),
            policy=Policy(),
            clock=clock,
            ids=Ids(clock.wall_us),
            redactor=Redactor(),
            env=lambda: env,
            history=history,
            take_up=take_up or GO_ON,
        )
        agent = native(spec, given, models)
        async with asyncio.TaskGroup() as group:
            group.create_task(agent.run())
            yield Stage(agent, sink, folder)
            await agent.close("the test is over")


def call(name: str, **arguments: object) -> ScriptedCall:
    return ScriptedCall(name, arguments)


async def test_a_turn_streams_reasoning_and_text_and_ends(tmp_path: Path) -> None:
    answers = ScriptedAnswer(reasoning="I think a while.", text="It is done now.")
    async with on_stage(tmp_path, scripted(answers)) as stage:
        assert await stage.turn("do it") == "end_turn"
        sink = stage.sink
        kinds = sink.kinds()
        assert kinds[:5] == [
            "agent.state_changed",
            "agent.state_changed",
            "turn.prompted",
            "agent.state_changed",
            "model.asked",
        ]
        assert kinds.index("text.streamed") < kinds.index("model.answered")
        text = "".join(body.text for body in sink.bodies("text.streamed"))
        assert text == "It is done now."
        pieces = [piece for piece in sink.pieces if piece.kind == "text"]
        assert "".join(piece.text for piece in pieces) == text
        offset = 0
        for piece in pieces:
            assert piece.offset == offset
            offset += len(piece.text)
        states = [body.state for body in sink.bodies("agent.state_changed")]
        assert states == ["starting", "idle", "working", "done"]


async def test_calls_of_one_answer_run_at_once_and_their_results_keep_the_order(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("alpha\n")
    models = scripted(
        ScriptedAnswer(
            calls=(
                call("shell", command="until [ -e go ]; do sleep 0.02; done; echo first"),
                call("shell", command="touch go; echo second"),
                call("read", path="a.txt"),
            )
        ),
        ScriptedAnswer(text="ok"),
    )
    async with on_stage(tmp_path, models) as stage:
        assert await stage.turn("go") == "end_turn"
        answered, *_ = stage.sink.bodies("model.answered")
        order = [each.call for each in answered.calls]
        finished = [body.call for body in stage.sink.bodies("tool.finished")]
        assert sorted(finished) == sorted(order)
        assert finished.index(order[0]) > finished.index(order[1])
        assert not stage.sink.children


async def test_a_call_that_asks_waits_and_runs_only_when_allowed(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(calls=(call("write", path="new.txt", content="hello\n"),)),
        ScriptedAnswer(text="ok"),
    )
    async with on_stage(tmp_path, models, mode="ask") as stage:
        await stage.say("write it")
        asked = (await stage.sink.wait_for("permission.asked")).body
        assert "+hello" in asked.preview
        states = [body.state for body in stage.sink.bodies("agent.state_changed")]
        assert states[-1] == "blocked"
        assert not (tmp_path / "new.txt").exists()
        with pytest.raises(UnknownName):
            await stage.agent.answer("c-other", True, "test")
        await stage.agent.answer(asked.call, True, "approved in a test")
        await stage.sink.wait_for("turn.ended")
        assert (tmp_path / "new.txt").read_text() == "hello\n"
        kinds = list(stage.sink.kinds())
        assert kinds.index("permission.answered") < kinds.index("tool.started")
        assert kinds.index("tool.started") < kinds.index("file.checkpointed")
        with pytest.raises(UnknownName):
            await stage.agent.answer(asked.call, True, "again")


async def test_a_denied_call_is_told_to_the_model_and_the_turn_goes_on(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(calls=(call("shell", command="touch bad"),)), ScriptedAnswer(text="ok")
    )
    async with on_stage(tmp_path, models, mode="ask") as stage:
        await stage.say("go")
        asked = (await stage.sink.wait_for("permission.asked")).body
        await stage.agent.answer(asked.call, False, "denied in a test")
        ended = (await stage.sink.wait_for("turn.ended")).body
        assert ended.reason == "end_turn"
        [failed] = stage.sink.bodies("tool.failed")
        assert failed.cause == "denied"
        assert not (tmp_path / "bad").exists()


class Queue:
    """A model in front of which others stand."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        for text in ("queued behind 2", "queued behind 2", "queued behind 1"):
            yield WaitChunk(text)
        yield TextChunk("at last")
        yield TextChunk(" it came")
        yield FinishChunk("stop", Usage())

    async def close(self) -> None:
        pass


async def test_what_the_model_waits_for_is_evidence_while_it_lasts(tmp_path: Path) -> None:
    async with on_stage(tmp_path, OneModel(Queue())) as stage:
        assert await stage.turn("go") == "end_turn"
        changes = stage.sink.bodies("agent.state_changed")
        said = [body.evidence for body in changes if body.state == "working"]
        assert said == ["prompted", "queued behind 2", "queued behind 1", "the model answers"]
        [answered] = stage.sink.bodies("model.answered")
        assert answered.text == "at last it came"


async def test_people_are_asked_in_the_order_of_the_calls(tmp_path: Path) -> None:
    # The first preview reads a large file, the others have nothing to read.
    (tmp_path / "large.txt").write_text("line\n" * 100_000 + "end\n")
    writes = (
        call("edit", path="large.txt", old_text="line\nend", new_text="end"),
        *(call("shell", command=f"echo {number}") for number in range(4)),
        call("write", path="new.txt", content="new"),
    )
    models = scripted(ScriptedAnswer(calls=writes), ScriptedAnswer(text="ok"))
    async with on_stage(tmp_path, models, mode="ask") as stage:
        await stage.say("go")
        await stage.sink.wait_for("permission.asked", len(writes))
        [answered] = stage.sink.bodies("model.answered")
        asked = [body.call for body in stage.sink.bodies("permission.asked")]
        assert asked == [each.call for each in answered.calls]
        await stage.agent.cancel()


async def test_of_two_who_answer_at_once_one_is_told_that_it_came_too_late(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(calls=(call("shell", command="echo ran"),)), ScriptedAnswer(text="ok")
    )
    async with on_stage(tmp_path, models, mode="ask") as stage:
        await stage.say("go")
        asked = (await stage.sink.wait_for("permission.asked")).body.call
        outcomes = await asyncio.gather(
            stage.agent.answer(asked, False, "denied by the first"),
            stage.agent.answer(asked, True, "approved by the second"),
            return_exceptions=True,
        )
        assert outcomes[0] is None
        assert isinstance(outcomes[1], UnknownName)
        await stage.sink.wait_for("turn.ended")
        [answered] = stage.sink.bodies("permission.answered")
        assert (answered.allowed, answered.rule) == (False, "denied by the first")
        assert not stage.sink.bodies("tool.started")


async def test_mode_read_denies_by_itself(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(calls=(call("shell", command="touch bad"),)), ScriptedAnswer(text="ok")
    )
    async with on_stage(tmp_path, models, mode="read") as stage:
        assert await stage.turn("go") == "end_turn"
        [answered] = stage.sink.bodies("permission.answered")
        assert (answered.allowed, answered.by) == (False, "mode")
        assert not (tmp_path / "bad").exists()


async def test_what_does_not_fit_a_tool_is_told_to_the_model(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(
            calls=(
                ScriptedCall("read", raw='{"path": '),
                call("no_such_tool", x=1),
                call("read", path="../outside"),
            )
        ),
        ScriptedAnswer(text="ok"),
    )
    async with on_stage(tmp_path, models) as stage:
        assert await stage.turn("go") == "end_turn"
        causes = [body.cause for body in stage.sink.bodies("tool.failed")]
        assert sorted(causes) == ["arguments", "arguments", "error"]


async def test_stop_keeps_the_partial_text_and_ends_the_tools_processes(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(calls=(call("shell", command="echo begun; sleep 600"),)),
        ScriptedAnswer(text="one two three ", for_s=600, tokens_per_second=200),
    )
    async with on_stage(tmp_path, models) as stage:
        await stage.say("run")
        await stage.sink.until(lambda sink: any(p.kind == "output" for p in sink.pieces))
        assert stage.sink.children
        assert await stage.agent.cancel()
        assert not stage.sink.children
        [failed] = stage.sink.bodies("tool.failed")
        assert failed.cause == "cancelled"
        assert stage.sink.bodies("turn.ended")[-1].reason == "cancelled"
        await stage.say("now talk")
        await stage.sink.until(lambda sink: sum(p.kind == "text" for p in sink.pieces) > 5)
        assert await stage.agent.cancel()
        shown = "".join(p.text for p in stage.sink.pieces if p.kind == "text")
        kept = "".join(body.text for body in stage.sink.bodies("text.streamed"))
        assert kept == shown
        assert kept
        assert not await stage.agent.cancel()


async def test_retries_are_visible_and_then_the_answer_comes(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(fault="rate_limit", retry_after_s=0.0, message="slow down"),
        ScriptedAnswer(text="half of", fault="cut", cut_after=1),
        ScriptedAnswer(text="whole answer"),
    )
    async with on_stage(tmp_path, models) as stage:
        assert await stage.turn("go") == "end_turn"
        failed = stage.sink.bodies("model.failed")
        assert [body.fault for body in failed] == ["rate_limit", "cut"]
        assert all(body.retry_in_s is not None for body in failed)
        asked = stage.sink.bodies("model.asked")
        assert [body.attempt for body in asked] == [1, 2, 3]
        assert len({body.request for body in asked}) == 1
        assert len({body.messages for body in asked}) == 1


async def test_a_wrong_key_ends_the_turn_with_the_sentence(tmp_path: Path) -> None:
    models = scripted(ScriptedAnswer(fault="auth", message="check OPENAI_API_KEY", times=9))
    async with on_stage(tmp_path, models) as stage:
        assert await stage.turn("go") == "failed"
        assert stage.sink.bodies("turn.ended")[-1].detail == "check OPENAI_API_KEY"
        assert stage.sink.bodies("agent.state_changed")[-1].state == "failed"


async def test_limits_end_the_turn_with_their_reason(tmp_path: Path) -> None:
    endless = ScriptedAnswer(
        calls=(call("list", path="."),), usage=Usage(input=60, output=40, cost_usd=0.5)
    )
    for limits, reason in (
        (Limits(model_calls=3), "max_turn_requests"),
        (Limits(tokens=250), "token_limit"),
        (Limits(cost_usd=0.9), "cost_limit"),
    ):
        async with on_stage(tmp_path, scripted(endless, repeat=True), limits=limits) as stage:
            assert await stage.turn("go") == reason
    slow = ScriptedAnswer(text="word ", for_s=600, tokens_per_second=50)
    async with on_stage(tmp_path, scripted(slow), limits=Limits(wall_s=0.3)) as stage:
        assert await stage.turn("go") == "time_limit"
        assert stage.sink.bodies("text.streamed")


async def test_waiting_for_a_person_does_not_count_as_wall_time(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(calls=(call("shell", command="true"),)), ScriptedAnswer(text="ok")
    )
    async with on_stage(tmp_path, models, mode="ask", limits=Limits(wall_s=1.0)) as stage:
        await stage.say("go")
        asked = (await stage.sink.wait_for("permission.asked")).body
        with pytest.raises(TimeoutError):  # a second and more passes without an end
            async with asyncio.timeout(1.3):
                await stage.sink.wait_for("turn.ended")
        await stage.agent.answer(asked.call, True, "test")
        assert (await stage.sink.wait_for("turn.ended")).body.reason == "end_turn"


async def test_prompts_queue_while_the_agent_is_busy_and_a_stop_returns_them(
    tmp_path: Path,
) -> None:
    models = scripted(ScriptedAnswer(text="word ", for_s=600, tokens_per_second=100), repeat=True)
    async with on_stage(tmp_path, models) as stage, asyncio.TaskGroup() as group:
        await stage.say("first")
        queued = [group.create_task(_outcome(stage.say(f"later {n}"))) for n in range(16)]
        await stage.sink.wait_for("turn.queued", 16)
        with pytest.raises(UsageError, match="16 prompts"):
            await stage.say("one too many")
        assert await stage.agent.cancel()
        assert all(["returned" in await task for task in queued])
        assert len(stage.sink.bodies("turn.returned")) == 16


async def test_a_queued_prompt_starts_when_the_turn_before_it_has_ended(tmp_path: Path) -> None:
    models = scripted(
        ScriptedAnswer(text="slow answer here", tokens_per_second=20), ScriptedAnswer(text="b")
    )
    async with on_stage(tmp_path, models) as stage:
        await stage.say("first")
        second = await stage.say("second")
        await stage.sink.wait_for("turn.ended", 2)
        prompted = [event.turn for event in stage.sink.events if event.kind == "turn.prompted"]
        assert prompted[1] == second
        states = [body.state for body in stage.sink.bodies("agent.state_changed")]
        assert states == ["starting", "idle", "working", "done"]


async def _outcome(sending: object) -> str:
    try:
        return await sending
    except UsageError as error:
        return str(error)


async def test_a_secret_is_in_nothing_that_leaves_the_agent(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(f"export KEY={KEY}\n")
    models = scripted(
        ScriptedAnswer(
            text=f"The key is {KEY}, I think.",
            calls=(call("shell", command=f"echo {KEY}; env"), call("read", path="env")),
        ),
        ScriptedAnswer(text="ok"),
    )
    async with on_stage(tmp_path, models) as stage:
        assert await stage.turn("go") == "end_turn"
        # The fake sink redacts nothing itself, so what is clean here was cleaned by the agent.
        for event in stage.sink.events:
            assert KEY not in repr(event.body), event.kind
        assert not any(KEY in piece.text for piece in stage.sink.pieces)
        proposed = stage.sink.bodies("tool.proposed")
        assert [body.redacted for body in proposed] == [True, False]


async def cut_at(kind: str, folder: Path, *answers: ScriptedAnswer) -> tuple[list[Event], Any]:
    """What a crash leaves: the journal up to the first event of that kind, and the blobs."""
    async with on_stage(folder, scripted(*answers)) as stage:
        await stage.say("go")
        await stage.sink.wait_for(kind)
        return list(stage.sink.events), dict(stage.sink.blobs)


async def test_a_cut_call_is_decided_by_a_person_and_the_turn_goes_on(tmp_path: Path) -> None:
    shell = call("shell", command="echo ran >> log; sleep 600")
    answers = ScriptedAnswer(text="let me see", calls=(shell,)), ScriptedAnswer(text="and on")
    history, blobs = await cut_at("tool.started", tmp_path, *answers)
    async with on_stage(tmp_path, scripted(*answers), history=history, blobs=blobs) as stage:
        asked = (await stage.sink.wait_for("permission.asked")).body
        assert asked.question == "recovery"
        assert len(stage.sink.bodies("tool.unknown")) == 1
        with pytest.raises(UnknownName):
            await stage.agent.answer("c-other", True, "no such call")
        await stage.agent.answer(asked.call, False, "it was done", "done")
        assert (await stage.sink.wait_for("turn.ended")).body.reason == "end_turn"
        before = next(event for event in history if event.kind == "model.asked").body
        after = stage.sink.bodies("model.asked")[0]
        assert before.system == after.system
        assert before.tools == after.tools
        assert stage.sink.bodies("model.answered")[-1].text == "and on"
    log = tmp_path / "log"
    assert not log.exists() or log.read_text() == "ran\n", "it ran once at most"


async def test_a_cut_answer_is_asked_for_anew(tmp_path: Path) -> None:
    slow = ScriptedAnswer(text="word ", for_s=600, tokens_per_second=100)
    history, blobs = await cut_at("text.streamed", tmp_path, slow)
    quick = scripted(ScriptedAnswer(text="whole"))
    async with on_stage(tmp_path, quick, history=history, blobs=blobs) as stage:
        assert (await stage.sink.wait_for("turn.ended")).body.reason == "end_turn"
        assert stage.sink.bodies("model.failed")[0].fault == "interrupted"
        assert stage.sink.bodies("model.asked")[0].attempt == 2


@pytest.mark.parametrize("world", ["as it was", "as it was to become", "changed by somebody"])
async def test_a_cut_write_looks_at_the_file_first(tmp_path: Path, world: str) -> None:
    file = tmp_path / "note.txt"
    file.write_text("one\n")
    edit = call("edit", path="note.txt", old_text="one", new_text="one and one")
    answers = ScriptedAnswer(calls=(edit,)), ScriptedAnswer(text="and on")
    history, blobs = await cut_at("file.checkpointed", tmp_path, *answers)
    texts = {"as it was": "one\n", "as it was to become": "one and one\n"}
    file.write_text(texts.get(world, "something else\n"))
    async with on_stage(tmp_path, scripted(*answers), history=history, blobs=blobs) as stage:
        if world == "changed by somebody":
            asked = (await stage.sink.wait_for("permission.asked")).body
            await stage.agent.answer(asked.call, False, "leave it", "give_up")
        assert (await stage.sink.wait_for("turn.ended")).body.reason == "end_turn"
        starts = [body.attempt for body in stage.sink.bodies("tool.started")]
        assert starts == ([2] if world == "as it was" else [])
    expected = "something else\n" if world == "changed by somebody" else "one and one\n"
    assert file.read_text() == expected


async def test_what_runs_from_the_journal_has_the_arguments_of_the_journal(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the content")
    answers = ScriptedAnswer(calls=(call("read", path="a.txt"),)), ScriptedAnswer(text="ok")
    history, blobs = await cut_at("model.answered", tmp_path, *answers)
    history = history[: [event.kind for event in history].index("model.answered") + 1]
    async with on_stage(tmp_path, scripted(*answers), history=history, blobs=blobs) as stage:
        assert (await stage.sink.wait_for("turn.ended")).body.reason == "end_turn"
        assert "the content" in stage.sink.bodies("tool.finished")[0].content


async def test_suspending_stops_what_runs_and_leaves_the_turn_open(tmp_path: Path) -> None:
    models = scripted(ScriptedAnswer(text="word ", for_s=600, tokens_per_second=100), repeat=True)
    async with on_stage(tmp_path, models) as stage:
        await stage.say("go")
        await stage.sink.until(lambda sink: bool(sink.pieces))
        await stage.agent.suspend()
        assert stage.sink.bodies("turn.ended") == []
        assert stage.sink.bodies("text.streamed")
        assert "agent.exited" not in stage.sink.kinds()
        with pytest.raises(UsageError):
            await stage.say("more")


async def test_draining_waits_for_the_tool_that_runs(tmp_path: Path) -> None:
    wait = "while [ ! -e go ]; do read -t 0.05 < /dev/zero || :; done; echo ran >> log"
    models = scripted(ScriptedAnswer(calls=(call("shell", command=wait),)), repeat=True)
    async with on_stage(tmp_path, models) as stage:
        await stage.say("go")
        await stage.sink.wait_for("tool.started")
        async with asyncio.TaskGroup() as group:
            draining = group.create_task(stage.agent.suspend(drain=True))
            await stage.sink.until(
                lambda sink: sink.bodies("agent.state_changed")[-1].state == "blocked"
            )
            assert not draining.done()
            (tmp_path / "go").write_text("")
        assert len(stage.sink.bodies("tool.finished")) == 1
        assert len(stage.sink.bodies("model.asked")) == 1
        assert stage.sink.bodies("turn.ended") == []


async def test_a_drain_that_takes_too_long_is_cut_short(tmp_path: Path) -> None:
    models = scripted(ScriptedAnswer(calls=(call("shell", command="sleep 600"),)), repeat=True)
    async with on_stage(tmp_path, models) as stage:
        await stage.say("go")
        await stage.sink.wait_for("tool.started")
        async with asyncio.TaskGroup() as group:
            group.create_task(stage.agent.suspend(drain=True))
            await stage.sink.until(
                lambda sink: sink.bodies("agent.state_changed")[-1].state == "blocked"
            )
            await stage.agent.suspend()
        ends = ("tool.finished", "tool.failed", "tool.unknown", "turn.ended")
        assert not set(ends) & set(stage.sink.kinds())
        assert stage.sink.children == {}


async def test_a_paused_agent_refuses_answers_and_prompts_until_it_is_resumed(
    tmp_path: Path,
) -> None:
    answers = ScriptedAnswer(calls=(call("shell", command="sleep 600"),)), ScriptedAnswer(text="x")
    history, blobs = await cut_at("tool.started", tmp_path, *answers)
    paused = TakeUp("pause", "`mato resume` goes on")
    async with on_stage(
        tmp_path, scripted(*answers), history=history, blobs=blobs, take_up=paused
    ) as stage:
        blocked = (await stage.sink.wait_for("agent.state_changed")).body
        assert (blocked.state, blocked.evidence) == ("blocked", "paused: `mato resume` goes on")
        with pytest.raises(UsageError, match="paused"):
            await stage.say("more")
        with pytest.raises(UsageError, match="paused"):
            await stage.agent.answer("c-1", True, "yes")
        assert await stage.agent.resume()
        assert not await stage.agent.resume()
        asked = (await stage.sink.wait_for("permission.asked")).body
        await stage.agent.answer(asked.call, False, "no", "give_up")
        assert (await stage.sink.wait_for("turn.ended")).body.reason == "end_turn"


async def test_a_decision_is_no_answer_to_a_question_for_permission(tmp_path: Path) -> None:
    models = scripted(ScriptedAnswer(calls=(call("shell", command="true"),)), ScriptedAnswer())
    async with on_stage(tmp_path, models, mode="ask") as stage:
        await stage.say("go")
        asked = (await stage.sink.wait_for("permission.asked")).body
        with pytest.raises(UsageError, match="mato approve"):
            await stage.agent.answer(asked.call, False, "?", "done")
        await stage.agent.answer(asked.call, True, "yes")
        assert (await stage.sink.wait_for("turn.ended")).body.reason == "end_turn"


async def test_closing_ends_turn_and_agent(tmp_path: Path) -> None:
    models = scripted(ScriptedAnswer(calls=(call("shell", command="sleep 600"),)))
    async with on_stage(tmp_path, models) as stage:
        await stage.say("go")
        await stage.sink.wait_for("tool.started")
        await stage.agent.close("killed")
        assert stage.sink.kinds()[-2:] == ["agent.state_changed", "agent.exited"]
        await stage.agent.close("again")
        with pytest.raises(UsageError):
            await stage.say("more")


async def test_the_model_changes_from_the_next_turn_on(tmp_path: Path) -> None:
    models = scripted(ScriptedAnswer(text="x"), repeat=True)
    async with on_stage(tmp_path, models) as stage:
        await stage.turn("one")
        await stage.agent.reconfigure(ModelChoice("other/model", "", "flag"), "edit")
        await stage.turn("two")
        assert [choice.model for choice in models.chosen] == ["scripted:x", "other/model"]
        assert stage.sink.bodies("model.asked")[-1].model == "other/model"


async def test_looking_makes_done_idle(tmp_path: Path) -> None:
    async with on_stage(tmp_path, scripted(ScriptedAnswer(text="x"))) as stage:
        await stage.turn("one")
        await stage.agent.looked()
        await stage.agent.looked()
        states = [body.state for body in stage.sink.bodies("agent.state_changed")]
        assert states == ["starting", "idle", "working", "done", "idle"]


async def test_a_journal_that_cannot_be_written_ends_this_agent_alone(tmp_path: Path) -> None:
    clock = SystemClock()
    sink = MemorySink(clock)
    with Workspace(tmp_path) as workspace:
        agent = NativeAgent(
            LaunchSpec("coder", "scripted:x", cwd=str(tmp_path)),
            sink,
            scripted(ScriptedAnswer(text="word ", for_s=600, tokens_per_second=100)),
            Registry(),
            workspace,
            clock,
            Ids(clock.wall_us),
            dict,
            Redactor(),
        )

        async def break_it() -> None:
            await agent.prompt([TextBlock("go")])
            await sink.until(lambda sink: bool(sink.pieces))
            sink.broken = True

        with pytest.raises(JournalError):
            async with asyncio.timeout(10):
                await asyncio.gather(_unwrapped(agent.run()), break_it())
        with pytest.raises(UsageError):
            await agent.prompt([TextBlock("more")])


async def _unwrapped(running: object) -> None:
    await running
