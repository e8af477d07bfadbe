"""Commands about windows."""

from __future__ import annotations

from mato_panes import palette
from mato_panes.commands.group import Group
from mato_panes.layout import tree
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.picker import Picker
from mato_panes.screens.rename import Rename


class Windows(Group):
    """They act on the current window."""

    async def new_window(self) -> None:
        agent = await self._pick_agent("New window: what shall it show?")
        if agent is not None:
            self.app.open_window(agent)

    def next_window(self) -> None:
        self._go_step(1)

    def previous_window(self) -> None:
        self._go_step(-1)

    def _go_step(self, step: int) -> None:
        self.desk.go_step(step)
        self.work.show_desk(focus=True)

    def go_to_window(self, key: str) -> None:
        windows = self.desk.windows
        if key.isdigit() and 1 <= int(key) <= len(windows):
            self.desk.go(windows[int(key) - 1].window)
            self.work.show_desk(focus=True)
        else:
            self.work.say(f"there is no window {key}")

    async def pick_window(self) -> None:
        choices = palette.windows(self.desk.windows, self.work.agents)
        window = await self.app.ask(Picker("Windows", choices, at=self.desk.current))
        if window is not None:
            self.desk.go(window)
            self.work.show_desk(focus=True)

    async def rename_window(self) -> None:
        window = self.desk.window
        if window is None:
            return
        name = await self.app.ask(Rename("Name of the window", window.name))
        if name is not None:
            self.desk.rename_window(window.window, name)
            self.work.rearranged()

    async def close_window(self) -> None:
        window = self.desk.window
        if window is None:
            return
        count = len(list(tree.panes(window.root)))
        text = f"{count} pane{'s' if count > 1 else ''} will be hidden; no agent is ended."
        answers = {"y": "close the window; its agents go on", "n": "leave it as it is"}
        if await self.app.ask(Confirm("Close this window?", text, answers)) == "y":
            self.desk.close_window(window.window)
            self.work.rearranged()
