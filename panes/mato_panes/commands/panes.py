"""Commands about panes: split, focus, resize, close."""

from __future__ import annotations

from mato_panes.bindings import FURTHER
from mato_panes.commands.group import Group
from mato_panes.layout import tree
from mato_panes.layout.geometry import Box, Direction
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.jump import Jump
from mato_sessions.events.session import PaneNode

STEP = {"left": 4, "right": 4, "up": 2, "down": 2}
"""Cells by which a key moves an edge."""
FURTHER_STEP = 5
"""The same with `FURTHER`."""


class Panes(Group):
    """They act on the focused pane."""

    async def split_right(self) -> None:
        await self._split("row", "Split side by side: what shall it show?")

    async def split_down(self) -> None:
        await self._split("column", "Split one above the other: what shall it show?")

    async def _split(self, axis: tree.Axis, title: str) -> None:
        agent = await self._pick_agent(title)
        if agent is None:
            return
        if self.desk.focused is None:
            self.app.open_window(agent)
        else:
            self.desk.split(axis, PaneNode(self.app.ids.pane(), agent))
            self.work.rearranged()

    def focus_left(self) -> None:
        self._beside("left")

    def focus_down(self) -> None:
        self._beside("down")

    def focus_up(self) -> None:
        self._beside("up")

    def focus_right(self) -> None:
        self._beside("right")

    def _beside(self, direction: Direction) -> None:
        size = self.work.view.size
        where = self.desk.whole(size.width, size.height)
        if self.desk.focus_beside(where, direction):
            self.work.show_desk(focus=True)
        else:
            self.work.focus_desk()

    def focus_next(self) -> None:
        self.desk.focus_step(1)
        self.work.show_desk(focus=True)

    def focus_last(self) -> None:
        self.desk.focus_last()
        self.work.show_desk(focus=True)

    async def jump(self) -> None:
        view = self.work.view
        offset = view.region.offset
        boxes = {
            pane: Box(box.x + offset.x, box.y + offset.y, box.width, box.height)
            for pane, box in view.where.panes.items()
        }
        if len(boxes) == 1:
            self.work.focus_desk()
        elif boxes and (pane := await self.app.ask(Jump(boxes))) is not None:
            self.desk.focus(pane)
            self.work.show_desk(focus=True)

    def zoom(self) -> None:
        self.desk.zoom()
        self.work.show_desk(focus=True)

    async def close_pane(self) -> None:
        pane, agent = self.desk.focused, self.work.focused_agent
        if pane is None:
            return
        name = agent.name if agent else pane.agent
        answers = {"y": "close the pane; the agent goes on", "n": "leave it as it is"}
        if agent is not None and agent.state != "stopped":
            answers["k"] = "close it and end the agent; its record stays"
        text = f"{name} goes on without a pane; the sidebar and the palette show it again."
        answer = await self.app.ask(Confirm("Close this pane?", text, answers))
        if answer == "k" and agent is not None and not await self._kill(agent):
            return
        if answer in ("y", "k"):
            self.desk.close(pane.pane)
            self.work.rearranged()
            if answer == "y":
                self.work.say(f"{name} goes on")

    def swap_previous(self) -> None:
        self.desk.swap_step(-1)
        self.work.rearranged()

    def swap_next(self) -> None:
        self.desk.swap_step(1)
        self.work.rearranged()

    def even(self) -> None:
        self.desk.even()
        self.work.rearranged()

    def resize_left(self, key: str) -> None:
        self._resize("left", key)

    def resize_down(self, key: str) -> None:
        self._resize("down", key)

    def resize_up(self, key: str) -> None:
        self._resize("up", key)

    def resize_right(self, key: str) -> None:
        self._resize("right", key)

    def _resize(self, direction: Direction, key: str) -> None:
        size = self.work.view.size
        cells = FURTHER_STEP if key.startswith(FURTHER) else STEP[direction]
        self.desk.resize(direction, cells, size.width, size.height)
        self.work.rearranged()

    def scroll_mode(self) -> None:
        if (pane := self.work.focused_pane) is not None:
            pane.scroll_mode()

    def search(self) -> None:
        if (pane := self.work.focused_pane) is not None:
            pane.search()
