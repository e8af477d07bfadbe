"""Nothing is drawn when nothing happens, and hostile names reach no terminal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from mato_panes.app import MatoApp
from mato_panes.layout import tree
from mato_panes.testing import FakeDaemon
from mato_sessions.events.session import PaneNode, WindowNode

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


class Recorder(HeadlessDriver):
    """Keeps what the app would write to the terminal."""

    written: list[str]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.written = []

    @property
    def is_headless(self) -> bool:
        return False  # or Textual would not draw at all

    def write(self, data: str) -> None:
        self.written.append(data)


async def drive(app: MatoApp, steps: Callable[[Pilot[Any], Recorder], Awaitable[None]]) -> None:
    """Run the app on a `Recorder`."""

    async def pilot(it: Pilot[Any]) -> None:
        recorder = app._driver
        assert isinstance(recorder, Recorder)
        await steps(it, recorder)
        app.exit(0)

    await app.run_async(size=(120, 40), auto_pilot=pilot)


async def quiet(recorder: Recorder) -> None:
    """Wait until nothing has been written for a while."""
    for _ in range(200):
        before = len(recorder.written)
        await asyncio.sleep(0.1)
        if len(recorder.written) == before:
            return
    raise AssertionError("it never comes to rest")


async def turns_of_the_loop(seconds: float) -> int:
    """Let the loop run for so long; gives how often it turned for this task alone."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    turns = 0
    while loop.time() < end:
        await asyncio.sleep(0.01)
        turns += 1
    return turns


async def test_no_byte_is_written_while_nothing_happens(make_app: Any) -> None:
    daemon = FakeDaemon()
    daemon.open_session("here", "calm")
    for number in range(8):
        daemon.spawn("here", f"agent{number}", state="idle")
    leaves = [PaneNode(f"p{number}", f"agent{number}") for number in range(8)]
    root = tree.arrange(leaves)
    assert root is not None
    daemon.arrange("here", WindowNode("w1", "all", root))

    async def steps(pilot: Pilot[Any], recorder: Recorder) -> None:
        await quiet(recorder)
        drawn = len(recorder.written)
        assert drawn > 0
        assert await turns_of_the_loop(1.2) > 20
        assert recorder.written[drawn:] == []
        daemon.state("here", "agent3", "working")  # the control: it does draw when there is news
        await quiet_after_news(recorder, drawn)

    await drive(make_app(daemon, driver=Recorder), steps)


async def quiet_after_news(recorder: Recorder, drawn: int) -> None:
    for _ in range(100):
        await asyncio.sleep(0.02)
        if len(recorder.written) > drawn:
            return
    raise AssertionError("the news was not drawn")


async def test_a_burst_of_news_is_drawn_at_most_thirty_times_a_second(make_app: Any) -> None:
    daemon = FakeDaemon()
    daemon.open_session("here", "busy")
    daemon.spawn("here", "agent", state="working")
    daemon.arrange("here", WindowNode("w1", "all", PaneNode("p1", "agent")))

    async def steps(pilot: Pilot[Any], recorder: Recorder) -> None:
        app = pilot.app
        assert isinstance(app, MatoApp)
        await quiet(recorder)
        loop = asyncio.get_running_loop()
        before, began, news = app.workspace.frames, loop.time(), 0
        while loop.time() < began + 1.0:
            daemon.state("here", "agent", "idle")
            daemon.state("here", "agent", "working")
            news += 2
            await asyncio.sleep(0.002)
        drawn = app.workspace.frames - before
        assert news > 100
        assert 3 <= drawn <= 33

    await drive(make_app(daemon, driver=Recorder), steps)


SCREENS = (
    [],
    ["ctrl+b", "s"],
    ["ctrl+p"],
    ["ctrl+b", "w"],
    ["ctrl+b", "%"],
    ["ctrl+b", "m"],
    ["ctrl+b", "i"],
    ["ctrl+b", "x"],
)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_hostile_names_are_shown_and_never_act(
    make_app: Any, hostile_texts: tuple[Any, ...], size: tuple[int, int]
) -> None:
    texts = [each.text for each in hostile_texts][:60]
    daemon = FakeDaemon()
    for number, text in enumerate(texts[:20]):
        daemon.open_session(f"s{number}", text or "-", cwd=text)
    daemon.open_session("here", "".join(texts[:5]))
    for number, text in enumerate(texts):
        name = f"{text}{number}"
        daemon.spawn(
            "here", f"a{number}", name, model=text, state="blocked" if number % 2 else "idle"
        )
    root = tree.arrange([PaneNode(f"p{number}", f"a{number}") for number in range(6)])
    assert root is not None
    daemon.arrange(
        "here", WindowNode("w1", texts[3], root), WindowNode("w2", texts[4], PaneNode("q", "a9"))
    )
    app: MatoApp = make_app(daemon)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for keys in (
            [],
            ["ctrl+b", "s"],
            ["ctrl+p"],
            ["ctrl+b", "w"],
            ["ctrl+b", "%"],
            ["ctrl+b", "m"],
        ):
            await pilot.press(*keys)
            await pilot.pause()
            strips = app.screen._compositor.render_strips()
            text = "".join(strip.text for strip in strips)
            assert text.strip()
            assert not CONTROLS.search(text)
            assert [strip.cell_length for strip in strips] == [size[0]] * size[1]
            if keys:
                await pilot.press("escape")
                await pilot.pause()
