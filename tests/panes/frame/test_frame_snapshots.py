"""Pictures of the workspace at two sizes; look at them when they change."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from mato_panes.app import MatoApp

SIZES = [(80, 24), (160, 50)]


def settled(*keys: str) -> Any:
    """Press the keys once the workspace is drawn, and wait until what they open is."""

    async def run(pilot: Pilot[Any]) -> None:
        await pilot.pause(0.1)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.1)
        await pilot.pause(0.1)

    return run


@pytest.mark.parametrize("size", SIZES)
def test_the_workspace_looks_as_it_did(
    app: MatoApp, size: tuple[int, int], snap_compare: Any
) -> None:
    assert snap_compare(app, terminal_size=size, run_before=settled())


@pytest.mark.parametrize("size", SIZES)
def test_help_looks_as_it_did(app: MatoApp, size: tuple[int, int], snap_compare: Any) -> None:
    assert snap_compare(app, terminal_size=size, run_before=settled("ctrl+b", "?"))


@pytest.mark.parametrize("size", SIZES)
def test_the_palette_looks_as_it_did(
    app: MatoApp, size: tuple[int, int], snap_compare: Any
) -> None:
    keys = ("ctrl+p", *"wind")
    assert snap_compare(app, terminal_size=size, run_before=settled(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_the_inbox_looks_as_it_did(app: MatoApp, size: tuple[int, int], snap_compare: Any) -> None:
    keys = ("ctrl+b", "i", "down")
    assert snap_compare(app, terminal_size=size, run_before=settled(*keys))
