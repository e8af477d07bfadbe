"""Panes lie where the window's geometry says, after everything that moves a border."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from mato_panes.app import MatoApp
from mato_panes.layout.geometry import Box
from tests.panes.frame.test_workspace import WIDE, panes, prefix, screen_text, until


def drawn(app: MatoApp) -> dict[str, Box]:
    """Where the widgets of the shown panes are, in the window's own cells."""
    view = app.workspace.view
    at = view.region.offset
    return {
        pane: Box(region.x - at.x, region.y - at.y, region.width, region.height)
        for pane, widget in view.widgets.items()
        if widget.display and (region := widget.region)
    }


async def settled(app: MatoApp, pilot: Pilot[Any]) -> dict[str, Box]:
    """Wait until the panes are where the lines say they are."""
    view = app.workspace.view
    await pilot.pause()
    await until(pilot, lambda: drawn(app) == dict(view.where.panes))
    return drawn(app)


async def test_panes_follow_their_borders(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "off by one" in screen_text(app))
        places = [await settled(app, pilot)]
        for keys in (
            ["ctrl+right"],
            ["alt+right", "alt+right"],
            ["alt+left"],
            ["o", "ctrl+b", "alt+down"],
            ["space"],
            ["space"],
            ["}"],
            ["{"],
            ["z"],
            ["z"],
        ):
            await pilot.press("ctrl+b", *keys)
            places.append(await settled(app, pilot))
            assert places[-1] != places[-2], keys


async def test_panes_follow_the_mouse(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        before = await settled(app, pilot)
        view = app.workspace.view
        x, y = view.region.x + view.where.borders[0].box.x, 5
        await pilot.mouse_down(offset=(x, y))
        await pilot.hover(offset=(x - 10, y))
        during = await settled(app, pilot)
        assert during["p1"].width == before["p1"].width - 10
        assert during["p2"].x == before["p2"].x - 10
        await pilot.mouse_up(offset=(x - 10, y))
        assert await settled(app, pilot) == during


async def test_the_panes_that_stay_take_the_room_of_a_closed_one(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        before = await settled(app, pilot)
        await prefix(pilot, "x")
        await until(pilot, lambda: app.screen is not app.workspace)
        await pilot.press("y")
        await until(pilot, lambda: panes(app) == ["p2", "p3"])
        after = await settled(app, pilot)
        assert after["p2"].width > before["p2"].width


async def test_panes_follow_what_another_client_arranges(app: MatoApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        before = await settled(app, pilot)
        app.workspace.desk.even()
        windows = app.workspace.desk.windows
        app.workspace.arranged(windows)
        assert await settled(app, pilot) != before
