"""While its model says nothing, a pane says what the agent waits for, and for how long."""

from __future__ import annotations

from types import ModuleType

import pytest

from mato_panes.kinds.chat import ChatPane
from mato_sessions.events import AgentStateChanged, ModelAsked
from mato_sessions.events.agent import ANSWERS, silent
from mato_sessions.events.base import BlobRef

BLOB = BlobRef("ab" * 32, 1)


def asked() -> ModelAsked:
    return ModelAsked(request="r1", attempt=1, model="m", system=BLOB, tools=BLOB, messages=())


async def test_a_wait_is_told_with_its_time_until_something_comes(chat: ModuleType) -> None:
    scene = chat.Scene()
    scene.prompt("Fix it.", "t-1")
    app = chat.Panes(scene)
    async with app.run_test(size=(60, 20)) as pilot:

        async def shown() -> str:
            app.sync()
            await pilot.pause()
            return "\n".join(app.shown())

        assert "waiting" not in await shown()
        scene.event(asked())
        assert "waiting" not in await shown(), "it may come at once"
        scene.mono_us += 3 * chat.SECOND
        assert "⋯ waiting for the model 0:03" in await shown()
        scene.event(AgentStateChanged(state="working", evidence="queued\x1b[2J behind 2"))
        scene.queue("And then?", "t-2")
        scene.mono_us += chat.SECOND
        assert "⋯ queued␛[2J behind 2 0:04" in await shown()
        scene.event(AgentStateChanged(state="working", evidence=ANSWERS))
        assert "⋯ waiting for the model 0:04" in await shown()
        scene.text("r1", "Here it is", 1)
        assert "⋯" not in await shown()


async def test_a_silence_in_the_middle_of_an_answer_is_told_with_its_own_time(
    chat: ModuleType,
) -> None:
    scene = chat.Scene()
    scene.prompt("Fix it.", "t-1")
    app = chat.Panes(scene)
    async with app.run_test(size=(60, 20)) as pilot:

        async def shown() -> str:
            app.sync()
            await pilot.pause()
            return "\n".join(app.shown())

        scene.event(asked())
        scene.text("r1", "Here it is", 1)
        scene.mono_us += 60 * chat.SECOND
        assert "⋯" not in await shown()
        scene.event(AgentStateChanged(state="working", evidence=silent("the model is silent", 30)))
        assert "⋯ the model is silent 0:30" in await shown()
        scene.mono_us += 5 * chat.SECOND
        assert "⋯ the model is silent 0:35" in await shown()
        scene.text("r1", "Here it is, at last", 1)
        assert "⋯" not in await shown()


@pytest.mark.parametrize("height", [3, 4, 5, 6, 7, 8, 12, 30])
async def test_it_stands_below_the_end_that_is_followed_and_takes_nothing_from_it(
    chat: ModuleType, height: int
) -> None:
    scene = chat.Scene()
    scene.prompt("\n".join(f"line {number}" for number in range(12)), "t-1")
    scene.event(asked())
    scene.mono_us += 2 * chat.SECOND
    app = chat.Panes(scene)
    async with app.run_test(size=(60, height)) as pilot:
        app.sync()
        await pilot.pause()
        rows = [row.strip(" ▐") for row in app.shown()]
        assert "line 11" in "".join(rows)
        if len(rows) >= 5:
            assert [row for row in rows if row][-1].startswith("⋯ waiting for the model")
        app.pane.transcript.action_start()
        assert len(app.pane.transcript.reading.look(focused=True)) == len(rows)
        if height == 12:
            app.pane.transcript.action_start()
            assert "waiting" not in "".join(app.shown())


async def test_an_empty_transcript_says_what_to_do(chat: ModuleType) -> None:
    scene = chat.Scene()
    app = chat.Panes(scene)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert app.shown()[0].strip() == "Write below what coder shall do."
        pane: ChatPane = app.pane
        pane.sync(chat.agent(state="stopped"))
        assert "Write" not in app.shown()[0]
        scene.prompt("Fix it.", "t-1")
        app.sync()
        assert "Write" not in "\n".join(app.shown())
