"""What every kind of agent does, whatever it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from mato.testing.daemon import Daemon
from mato.testing.endpoint import Endpoint, Reply, ReplyCall
from tests.contract.agents.stage import ACP, Kind, Stage, a_daemon, on_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

_TOUCH = Reply(calls=(ReplyCall("shell", '{"command": "touch made"}'),))
_SAY = Reply(text=("hello ", "there"))


class _Model(Endpoint):
    """A model that answers by what the newest prompt asks for."""

    async def _stream(self, reader: Any, writer: Any, reply: Reply) -> bool:
        messages = self.asked[-1].body["messages"]
        if messages[-1]["role"] == "tool":
            reply = _SAY
        elif (said := str(messages[-1]["content"]).split()[-1]) == "it":
            reply = _TOUCH
        elif said == "hang":
            reply = Reply(text=("begun ",), stall_after=2)
        else:
            reply = _SAY
        return await super()._stream(reader, writer, reply)


@asynccontextmanager
async def _native() -> AsyncIterator[tuple[Kind, dict[str, Any]]]:
    async with _Model(_SAY) as model:
        kind = Kind("native", "coder", "say hello", "touch it", "hang")
        kind.env = {"OPENAI_API_KEY": "sk-of-no-use-0000"}
        yield kind, {"model": "openai/fake-1", "base_url": model.url}


@asynccontextmanager
async def _acp() -> AsyncIterator[tuple[Kind, dict[str, Any]]]:
    yield ACP, {}


KINDS = {"native": _native, "acp": _acp}


@pytest_asyncio.fixture(params=KINDS, scope="module", loop_scope="module")
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Daemon, Kind, dict[str, Any]]]:
    """One daemon for all tests of a kind; each has a session of its own."""
    home = tmp_path_factory.mktemp("contract")
    async with KINDS[request.param]() as (kind, wish), a_daemon(home, kind.env) as daemon:
        yield daemon, kind, wish


@pytest_asyncio.fixture(loop_scope="module")
async def stage(
    house: tuple[Daemon, Kind, dict[str, Any]], request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    daemon, kind, wish = house
    folder = daemon.home / "work" / request.node.originalname
    async with on_stage(daemon, folder, kind) as made:
        await made.open(**wish)
        yield made
        await made.kill()


async def test_a_prompt_is_answered_and_streamed(stage: Stage) -> None:
    assert await stage.turn(stage.kind.says) == "end_turn"
    assert await stage.text() == "hello there"
    kinds = [event["kind"] for event in await stage.events()]
    assert kinds.index("turn.prompted") < kinds.index("text.streamed") < kinds.index("turn.ended")
    streamed = await stage.bodies("text.streamed")
    assert "".join(body["text"] for body in streamed) == "hello there"


async def test_a_call_waits_for_a_person_and_then_runs(stage: Stage) -> None:
    turn = await stage.prompt(stage.kind.touches)
    await stage.until("blocked", turn)
    assert not (stage.folder / "made").exists()
    await stage.answer(True)
    assert next(iter((await stage.until("ended", turn)).reasons.values())) == "end_turn"
    assert (stage.folder / "made").exists()
    kinds = [event["kind"] for event in await stage.events() if event["kind"].startswith(
        ("tool.p", "tool.started", "tool.finished", "permission")
    )]  # fmt: skip
    assert kinds[:2] == ["tool.proposed", "permission.asked"]
    assert set(kinds[2:4]) == {"permission.answered", "tool.started"}
    assert kinds[-1] == "tool.finished"


async def test_a_call_that_is_refused_does_not_run(stage: Stage) -> None:
    await stage.turn(stage.kind.touches, answer=False)
    assert not (stage.folder / "made").exists()
    (failed,) = await stage.bodies("tool.failed")
    assert failed["cause"] == "denied"


async def test_prompts_wait_for_each_other(stage: Stage) -> None:
    first = await stage.prompt(stage.kind.touches)
    await stage.until("blocked", first)
    second = asyncio.ensure_future(stage.prompt(stage.kind.says))
    await stage.wait_for(lambda events: any(e["kind"] == "turn.queued" for e in events))
    await stage.answer(True)
    await stage.until("ended", await second)
    reasons = [body["reason"] for body in await stage.bodies("turn.ended")]
    assert reasons == ["end_turn", "end_turn"]


async def test_a_cancel_before_the_first_word_ends_the_turn(stage: Stage) -> None:
    await stage.prompt(stage.kind.hangs)
    await stage.stop()
    (ended,) = await stage.bodies("turn.ended")
    assert ended["reason"] == "cancelled"
    assert await stage.turn(stage.kind.says) == "end_turn"


async def test_a_cancel_in_the_middle_ends_the_turn(stage: Stage) -> None:
    await stage.prompt(stage.kind.hangs)
    await stage.wait_for(lambda events: events[-1]["kind"] != "turn.prompted")
    await asyncio.sleep(0.2)
    await stage.stop()
    (ended,) = await stage.bodies("turn.ended")
    assert ended["reason"] == "cancelled"


async def test_a_cancel_while_a_question_waits_settles_it(stage: Stage) -> None:
    turn = await stage.prompt(stage.kind.touches)
    await stage.until("blocked", turn)
    await stage.stop()
    (answered,) = await stage.bodies("permission.answered")
    assert (answered["allowed"], answered["by"]) == (False, "cancel")
    assert not (await stage.ask_inbox())
    assert not (stage.folder / "made").exists()
    assert await stage.turn(stage.kind.says) == "end_turn"


async def test_a_cancel_right_after_the_answer_leaves_nothing_open(stage: Stage) -> None:
    turn = await stage.prompt(stage.kind.touches)
    await stage.until("blocked", turn)
    await stage.answer(True)
    await stage.stop()
    await stage.until("ended", turn)
    proposed = await stage.bodies("tool.proposed")
    ends = await stage.bodies("tool.finished") + await stage.bodies("tool.failed")
    assert len(proposed) == len(ends) == 1


async def test_a_cancel_of_nothing_changes_nothing(stage: Stage) -> None:
    await stage.turn(stage.kind.says)
    before = len(await stage.events())
    await stage.stop()
    assert len(await stage.events()) == before


async def test_a_killed_agent_ends_for_good(stage: Stage) -> None:
    await stage.prompt(stage.kind.hangs)
    await stage.kill()
    kinds = [event["kind"] for event in await stage.events()]
    assert kinds[-1] == "agent.exited"
    assert kinds.index("turn.ended") < kinds.index("agent.exited")


async def test_a_killed_daemon_leaves_no_turn_open_and_the_agent_goes_on(stage: Stage) -> None:
    await stage.prompt(stage.kind.hangs)
    await stage.wait_for(lambda events: events[-1]["kind"] != "turn.prompted")
    await stage.daemon.kill()
    await stage.daemon.begin()
    await stage.connect()
    await stage.stop()
    await stage.wait_for(lambda events: any(e["kind"] == "turn.ended" for e in events))
    assert await stage.turn(stage.kind.says) == "end_turn"


async def test_a_daemon_killed_while_a_question_waits_asks_for_nothing_that_is_gone(
    stage: Stage,
) -> None:
    turn = await stage.prompt(stage.kind.touches)
    await stage.until("blocked", turn)
    await stage.daemon.kill()
    await stage.daemon.begin()
    await stage.connect()
    await stage.stop()
    await stage.wait_for(lambda events: any(e["kind"] == "turn.ended" for e in events))
    assert not await stage.ask_inbox()
    assert not (stage.folder / "made").exists()
    assert await stage.turn(stage.kind.says) == "end_turn"
