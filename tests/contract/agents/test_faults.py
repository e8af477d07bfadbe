"""Programs that misbehave: whatever they do, their turn ends, and nothing is left of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mato.testing.daemon import Daemon
from tests.contract.agents.stage import ACP, Stage, a_daemon, on_stage, profile

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with a_daemon(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def stage(daemon: Daemon, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    folder = daemon.home / "work" / request.node.name.translate({ord("["): "-", ord("]"): ""})
    async with on_stage(daemon, folder, ACP) as made:
        await made.open()
        yield made
        await made.kill()


@pytest.mark.parametrize("fault", ["garbage", "stderr", "out_of_order", "unknown"])
async def test_a_turn_goes_on_after(stage: Stage, fault: str) -> None:
    assert await stage.turn(f"{fault} say:after") == "end_turn"
    assert await stage.text() == "after"
    assert await stage.turn("say:again") == "end_turn"


async def test_a_line_of_more_than_a_megabyte_is_text_like_any_other(stage: Stage) -> None:
    assert await stage.turn("long_line") == "end_turn"
    assert await stage.text() == "x" * 1_500_000


async def test_a_flood_keeps_its_order(stage: Stage) -> None:
    assert await stage.turn("flood:2000") == "end_turn"
    assert await stage.text() == "".join(f"{number} " for number in range(2000))


async def test_what_is_not_understood_is_kept_and_shown(stage: Stage) -> None:
    await stage.turn("unknown")
    whats = [body["what"] for body in await stage.bodies("agent.unknown_said")]
    assert whats[0] == "brand_new_update"
    assert '"foo": 1' in (await stage.bodies("agent.unknown_said"))[0]["raw"]
    (ended,) = await stage.bodies("turn.ended")
    assert "went_home" in ended["detail"]


async def test_what_goes_over_the_wire_is_kept_word_for_word(stage: Stage) -> None:
    await stage.turn("garbage stderr:3 say:after")
    kept = await stage.evidence()
    assert "npm warn deprecated" in kept and "session/prompt" in kept and '"eee\\n"' in kept


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("die", "exit code 3; the last it printed: fatal: out of cheese"),
        ("half_line", "exit code 0"),
    ],
)
async def test_a_death_ends_the_turn_and_the_next_prompt_starts_it_again(
    stage: Stage, fault: str, says: str
) -> None:
    assert await stage.turn(f"say:before {fault}") == "failed"
    (ended,) = await stage.bodies("turn.ended")
    assert says in ended["detail"]
    assert await stage.turn("say:_after") == "end_turn"
    assert await stage.text() == "before after"
    hows = [body["how"] for body in await stage.bodies("agent.connected")]
    assert hows == ["new", "resumed"]


async def test_a_death_is_noticed_though_a_grandchild_holds_the_pipes(stage: Stage) -> None:
    assert await stage.turn("orphan") == "failed"


async def test_an_agent_that_does_not_obey_a_cancel_is_ended(stage: Stage) -> None:
    turn = await stage.prompt("deaf")
    await stage.wait_for(lambda events: any(e["kind"] == "text.streamed" for e in events))
    await stage.stop()
    assert (await stage.until("ended", turn)).reasons == {"strange": "cancelled"}
    assert await stage.turn("say:again") == "end_turn"


async def test_what_is_said_after_the_end_of_a_turn_changes_nothing(stage: Stage) -> None:
    await stage.prompt("say:begun late")
    await stage.wait_for(lambda events: any(e["kind"] == "text.streamed" for e in events))
    await stage.stop()
    assert await stage.turn("say:_again") == "end_turn"
    assert await stage.text() == "begun again"


async def test_an_error_is_told_as_it_was_said(stage: Stage) -> None:
    assert await stage.turn("error") == "failed"
    (ended,) = await stage.bodies("turn.ended")
    assert "overloaded" in ended["detail"]


async def test_what_is_done_after_a_no_is_seen(stage: Stage) -> None:
    await stage.turn("despite", answer=False)
    (decided,) = await stage.bodies("agent.decided")
    assert decided["against"] is True


async def test_what_is_done_without_asking_is_seen(stage: Stage) -> None:
    await stage.turn("unasked unasked")
    (decided,) = await stage.bodies("agent.decided")
    assert decided["title"] == "$ touch made"


async def test_a_question_that_is_abandoned_leaves_the_inbox(stage: Stage) -> None:
    assert await stage.turn("abandoned") == "end_turn"
    assert not [call for call in await stage.ask_inbox() if call.session == stage.session]


async def test_one_question_asked_twice_has_one_answer(stage: Stage) -> None:
    assert await stage.turn("twice", answer=True) == "end_turn"
    assert len(await stage.bodies("permission.asked")) == 1


async def test_nothing_is_allowed_for_ever(stage: Stage) -> None:
    assert await stage.turn("always_only") == "end_turn"
    assert '"outcome": "cancelled"' in await stage.text()
    assert not await stage.bodies("permission.asked")


async def test_files_are_read_and_written_beneath_the_workspace_alone(stage: Stage) -> None:
    await stage.turn("read read:/etc/hostname")
    assert '{"content": "a\\n"}' in await stage.text()
    assert "outside the workspace" in await stage.text()
    await stage.turn("write:a.txt:new", answer=True)
    assert (stage.folder / "a.txt").read_text() == "new"
    (kept,) = await stage.bodies("file.checkpointed")
    assert kept["path"] == "a.txt"


async def test_a_write_that_is_refused_changes_nothing(stage: Stage) -> None:
    await stage.turn("write:a.txt:new", answer=False)
    assert (stage.folder / "a.txt").read_text() == "a\n"


async def test_a_command_of_the_agent_runs_where_mato_runs_commands(stage: Stage) -> None:
    await stage.turn("terminal:touch_made", answer=True)
    (finished,) = await stage.bodies("tool.finished")
    assert finished["exit_code"] == 0
    assert (stage.folder / "made").exists()
    assert '"exitCode": 0' in await stage.text()


async def test_an_edit_is_shown_as_a_diff(stage: Stage) -> None:
    await stage.turn("edit plan")
    (finished,) = await stage.bodies("tool.finished")
    assert finished["diff"] == "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-a\n+b\n"
    (plan,) = await stage.bodies("plan.updated")
    assert [item["status"] for item in plan["items"]] == ["completed", "in_progress"]


async def test_totals_of_tokens_are_counted_once(stage: Stage) -> None:
    for _ in range(3):
        await stage.turn("say:hi")
    used = [(body["input"], body["output"]) for body in await stage.bodies("usage.reported")]
    assert used == [(10, 5)] * 3


async def test_a_session_that_cannot_be_taken_up_is_said_and_a_summary_offered(
    daemon: Daemon, stage: Stage
) -> None:
    profile(daemon, "forgetful", "--forgets")
    await stage.kill()
    await stage.open_as("forgetful")
    await stage.turn("say:one")
    assert await stage.turn("die") == "failed"
    assert await stage.turn("say:two", answer=True) == "end_turn"
    first, second = await stage.bodies("agent.connected")
    assert (second["how"], second["lost"]) == ("fresh", first["foreign"])
    assert "You said: one" in (await stage.bodies("tool.finished"))[0]["content"]
    assert "You lost your memory" in await stage.evidence()


async def test_an_agent_without_resume_loads_and_its_past_is_not_told_again(
    daemon: Daemon, stage: Stage
) -> None:
    profile(daemon, "loader", "--no-resume")
    await stage.kill()
    await stage.open_as("loader")
    await stage.turn("die")
    await stage.turn("say:now")
    assert [body["how"] for body in await stage.bodies("agent.connected")] == ["new", "loaded"]
    assert await stage.text() == "now"


async def test_an_agent_that_wants_a_login_says_how(daemon: Daemon, stage: Stage) -> None:
    profile(daemon, "stranger", "--login")
    await stage.kill()
    await stage.open_as("stranger")
    assert await stage.turn("say:hi") == "failed"
    (ended,) = await stage.bodies("turn.ended")
    assert "wants a login" in ended["detail"] and "set K" in ended["detail"]


async def test_a_program_that_is_not_there_is_said(daemon: Daemon, stage: Stage) -> None:
    text = '+++\nkind = "acp"\ncommand = "no-such-program"\n+++\n'
    (daemon.paths.profiles / "absent.md").write_text(text)
    await stage.kill()
    await stage.open_as("absent")
    assert await stage.turn("say:hi") == "failed"
    (ended,) = await stage.bodies("turn.ended")
    assert "mato agents show absent" in ended["detail"]
