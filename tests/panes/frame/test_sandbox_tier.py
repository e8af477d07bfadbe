"""The status bar says what commands run in."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from mato_panes.app import MatoApp
from mato_panes.testing import FakeDaemon
from mato_panes.widgets.statusbar import StatusBar


@pytest.fixture(params=["full", "partial", "none"])
def daemon(request: pytest.FixtureRequest) -> FakeDaemon:
    it = FakeDaemon()
    it.sandbox = request.param
    it.open_session("here", "fix the parser")
    it.spawn("here", "coder")
    return it


async def test_the_bar_names_the_tier(app: MatoApp, daemon: FakeDaemon) -> None:
    async with app.run_test(size=(160, 40)) as pilot:
        await _until(pilot, app, f"sandbox {daemon.sandbox}")


async def _until(pilot: Pilot[Any], app: MatoApp, said: str) -> None:
    for _ in range(600):
        await pilot.pause(0.005)
        if said in app.workspace.query_one(StatusBar).render_line(0).text:
            return
    raise AssertionError(f"the bar never said {said!r}")
