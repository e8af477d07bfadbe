"""What is written piece by piece leaves the same picture on a terminal as writing all of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor
from textual.pilot import Pilot
from textual.strip import Strip

from mato_panes import compositing
from mato_panes.app import MatoApp
from mato_panes.testing import FakeDaemon
from mato_sessions.events import TextStreamed
from mato_sessions.pieces import Piece
from tests.panes.frame.test_stillness import Recorder, drive, quiet

SIZE = (120, 40)
_TOKEN = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([0-9;]*)m|\x1b[^a-zA-Z]*[a-zA-Z]|\n|.", re.DOTALL)


class Grid:
    """A terminal that knows as much as a picture of cells needs."""

    def __init__(self, width: int, height: int) -> None:
        self.cells = [[(" ", "")] * width for _ in range(height)]

    def feed(self, data: str) -> None:
        x = y = 0
        style = ""
        for token in _TOKEN.finditer(data):
            text = token[0]
            if token[1]:
                y, x = int(token[1]) - 1, int(token[2]) - 1
            elif token[3] is not None:
                style = "" if token[3] in ("", "0") else f"{style};{token[3]}"
            elif text == "\n":
                y, x = y + 1, 0
            elif text[0] != "\x1b":
                size = get_character_cell_size(text)
                if size == 0:
                    before, own = self.cells[y][x - 1]
                    self.cells[y][x - 1] = (before + text, own)
                    continue
                self.cells[y][x] = (text, style)
                if size == 2:
                    self.cells[y][x + 1] = ("", style)
                x += size


def expected(app: MatoApp) -> Grid:
    """The whole picture, as Textual itself composes it."""
    compositor = app.screen._compositor
    chops = Compositor._render_chops(compositor, compositor.size.region, lambda y: True)
    grid = Grid(*app.size)
    for y, row in enumerate(chops):
        for x, strip in row.items():
            grid.feed(f"\x1b[{y + 1};{x + 1}H{strip.render(app.console)}")
    return grid


async def compare(app: MatoApp, recorder: Recorder, grid: Grid) -> int:
    """Take in what was written, and hold it against the whole picture; gives its length."""
    await quiet(recorder)
    written = "".join(recorder.written)
    recorder.written.clear()
    grid.feed(written)
    whole = expected(app)
    rows = [y for y in range(SIZE[1]) if grid.cells[y] != whole.cells[y]]
    assert not rows, f"rows {rows} differ"
    return len(written)


def say(daemon: FakeDaemon, agent: str, text: str, offset: int) -> int:
    piece = Piece(
        kind="text",
        session="here",
        agent=agent,
        turn=f"turn-{agent}",
        stream=f"{agent}/2/text",
        attempt=1,
        offset=offset,
        text=text,
    )
    daemon.stream(piece)
    return offset + len(text)


STEPS: list[tuple[str, ...]] = [
    ("h", "e", "l", "l", "o"),
    ("backspace", "ctrl+j", "x"),
    ("escape", "k", "k", "enter"),
    ("slash", "t", "e", "escape"),
    ("ctrl+b", "g"),
    ("s",),
    ("ctrl+b", "z"),
    ("ctrl+b", "z"),
    ("ctrl+b", "i"),
    ("down",),
    ("escape",),
    ("ctrl+b", "?"),
    ("pagedown",),
    ("escape",),
    ("ctrl+p",),
    ("w", "i", "n"),
    ("escape",),
    ("ctrl+b", "%"),
    ("escape",),
    ("ctrl+b", "space"),
    ("ctrl+b", "n"),
    ("ctrl+b", "p"),
    ("ctrl+b", "b"),
    ("ctrl+b", "b"),
    ("ctrl+b", "["),
    ("up", "up", "v", "down"),
]


async def test_every_picture_on_the_terminal_is_the_one_that_textual_composes(
    make_app: Any, daemon: FakeDaemon
) -> None:
    seen: set[str] = set()

    async def steps(pilot: Pilot[Any], recorder: Recorder) -> None:
        app = pilot.app
        assert isinstance(app, MatoApp)
        grid = Grid(*SIZE)
        await compare(app, recorder, grid)
        offset = 0
        for number, keys in enumerate(STEPS):
            await pilot.press(*keys)
            await compare(app, recorder, grid)
            for agent in ("coder", "reviewer"):
                end = say(daemon, agent, f"word {number}, *näxt* 日本 and\n" * (number % 3), offset)
            offset = end
            await compare(app, recorder, grid)
            seen.add(type(app.screen).__name__)
        assert isinstance(app.screen._compositor, compositing.FrontToBack)
        for row in grid.cells:
            row[:] = [("?", "")] * len(row)  # somebody else wrote on the terminal
        await pilot.press("ctrl+b", "r")
        await compare(app, recorder, grid)

    await drive(make_app(daemon, driver=Recorder), steps)
    assert {"Workspace", "Jump", "Inbox", "Help"} <= seen


async def test_a_word_at_the_end_of_a_line_costs_about_a_word(
    make_app: Any, daemon: FakeDaemon
) -> None:
    daemon.emit(
        "here",
        TextStreamed(stream="coder/2/text", attempt=1, offset=0, text="Some words. "),
        agent="coder",
        turn="turn-coder",
    )

    async def steps(pilot: Pilot[Any], recorder: Recorder) -> None:
        app = pilot.app
        assert isinstance(app, MatoApp)
        grid = Grid(*SIZE)
        await compare(app, recorder, grid)
        say(daemon, "coder", "first ", 12)
        await compare(app, recorder, grid)
        say(daemon, "coder", "more ", 18)
        assert 0 < await compare(app, recorder, grid) < 300

    await drive(make_app(daemon, driver=Recorder), steps)


PLAIN, BOLD = Style(), Style(bold=True)


def strip(*parts: tuple[str, Style]) -> Strip:
    return Strip([Segment(text, style) for text, style in parts])


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ([("same text", PLAIN)], [("same text", PLAIN)], None),
        ([("same text", PLAIN)], [("same ", PLAIN), ("text", PLAIN)], None),
        ([("a word          ", PLAIN)], [("a word more     ", PLAIN)], (7, 11)),
        ([("a word          ", PLAIN)], [("a word more     ", BOLD)], (0, 16)),
        ([("abcdefgh", PLAIN)], [("12345678", PLAIN)], (0, 8)),
        ([("日本語 one", PLAIN), ("x", BOLD)], [("日本語 one", PLAIN), ("y", BOLD)], (10, 11)),
        ([("e\u0301abcdef", PLAIN), ("x", BOLD)], [("e\u0301abcdef", PLAIN), ("y", BOLD)], (0, 8)),
        ([("short", PLAIN)], [("longer", PLAIN)], (0, 6)),
    ],
)
def test_only_the_cells_that_differ_are_written(
    old: list[tuple[str, Style]], new: list[tuple[str, Style]], part: tuple[int, int] | None
) -> None:
    assert compositing.difference(strip(*old), strip(*new)) == part


@pytest.fixture
def textual_changed() -> Iterator[None]:
    """A Textual whose updates are made of something else."""
    own = ChopsUpdate.__init__

    def other(self: ChopsUpdate, pieces: object) -> None: ...

    ChopsUpdate.__init__ = other  # type: ignore[method-assign]
    compositing.uninstall()
    yield
    ChopsUpdate.__init__ = own  # type: ignore[method-assign]
    compositing.install()


async def test_with_another_textual_its_own_way_stays(
    textual_changed: None, make_app: Any, daemon: FakeDaemon
) -> None:
    assert not compositing.install()
    app: MatoApp = make_app(daemon)
    assert type(app.workspace._compositor) is Compositor


async def test_the_first_picture_has_the_panes_and_what_was_said(
    make_app: Any, daemon: FakeDaemon
) -> None:
    app: MatoApp = make_app(daemon, driver=Recorder)
    await app.reading.begin(5.0)

    async def steps(pilot: Pilot[Any], recorder: Recorder) -> None:
        await quiet(recorder)
        first = next(each for each in recorder.written if "coder" in each)
        assert "a missing case in" in first
        grid = Grid(*SIZE)
        await compare(app, recorder, grid)

    await drive(app, steps)


async def test_a_daemon_that_says_nothing_is_not_waited_for(
    make_app: Any, daemon: FakeDaemon
) -> None:
    app: MatoApp = make_app(daemon, driver=Recorder)
    daemon.begin("nowhere")
    await app.reading.begin(0.01)

    async def steps(pilot: Pilot[Any], recorder: Recorder) -> None:
        await quiet(recorder)
        assert "coder" in "".join(recorder.written)
        daemon.follow("here")
        for _ in range(100):
            if "a missing case in" in "".join(recorder.written):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("what came later was not drawn")

    await drive(app, steps)
