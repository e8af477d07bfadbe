"""What each command of the key table does: a method of the same name."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from mato.protocol.methods import (
    AgentWish,
    Kill,
    Reconfigure,
    RenameSession,
    Spawn,
    Stop,
)
from mato_panes import palette
from mato_panes.asking import environment
from mato_panes.bindings import Binding
from mato_panes.layout import tree
from mato_panes.layout.geometry import Box, Direction
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.help import Help
from mato_panes.screens.inbox import Inbox
from mato_panes.screens.jump import Jump
from mato_panes.screens.picker import Picker
from mato_panes.screens.rename import Rename
from mato_sessions.catalog import AgentSummary
from mato_sessions.events.session import Mode, PaneNode

if TYPE_CHECKING:
    from mato_panes.app import MatoApp
    from mato_panes.layout.desk import Desk
    from mato_panes.screens.workspace import Workspace

STEP = {"left": 4, "right": 4, "up": 2, "down": 2}
"""Cells by which a key moves an edge."""


class Commands:
    """Methods named as in the key table. Those that ask something are coroutines."""

    def __init__(self, app: MatoApp) -> None:
        self._app = app

    def give(self, binding: Binding, key: str) -> None:
        """Carry out a command; `key` is the one that gave it, "" from the palette.

        What asks nothing is done when this returns, so that the next key finds it done.
        """
        method = cast("Callable[..., Awaitable[None] | None]", getattr(self, binding.command))
        result = method(key) if binding.argument else method()
        if inspect.iscoroutine(result):
            self._app.in_background(result)

    @property
    def _work(self) -> Workspace:
        return self._app.workspace

    @property
    def _desk(self) -> Desk:
        return self._app.workspace.desk

    # Panes

    async def split_right(self) -> None:
        await self._split("row", "Split side by side: what shall it show?")

    async def split_down(self) -> None:
        await self._split("column", "Split one above the other: what shall it show?")

    async def _split(self, axis: tree.Axis, title: str) -> None:
        if self._desk.focused is None:
            await self.new_window()
        elif (agent := await self._what(title)) is not None:
            self._desk.split(axis, PaneNode(self._app.ids.pane(), agent))
            self._work.rearranged()

    async def _what(self, title: str) -> str | None:
        """The agent that a new pane shall show: one without a pane, or a new one."""
        work = self._work
        session = work.session
        if session is None:
            return None
        profiles = await self._app.asking.profiles(session.cwd)
        shown = {leaf.agent for leaf in self._desk.panes()}
        hidden = [
            agent for agent in session.agents if agent.id not in shown and agent.state != "stopped"
        ]
        choices = palette.what_to_show(hidden, profiles)
        chosen = await self._app.ask(Picker(title, choices))
        if chosen is None:
            return None
        kind, _, name = chosen.partition(":")
        if kind == "agent":
            return name
        wanted = next((profile for profile in profiles if profile.name == name), None)
        env = environment(wanted.env if wanted else ())
        wish = AgentWish(profile=name)
        ref = await self._app.asking.answer(Spawn(session=session.id, agent=wish, env=env))
        return ref.id if ref is not None else None

    def focus_left(self) -> None:
        self._beside("left")

    def focus_down(self) -> None:
        self._beside("down")

    def focus_up(self) -> None:
        self._beside("up")

    def focus_right(self) -> None:
        self._beside("right")

    def _beside(self, direction: Direction) -> None:
        size = self._work.view.size
        where = self._desk.whole(size.width, size.height)
        if self._desk.focus_beside(where, direction):
            self._work.show_desk(focus=True)
        else:
            self._work.focus_desk()

    def focus_next(self) -> None:
        self._desk.focus_step(1)
        self._work.show_desk(focus=True)

    def focus_last(self) -> None:
        self._desk.focus_last()
        self._work.show_desk(focus=True)

    async def jump(self) -> None:
        view = self._work.view
        offset = view.region.offset
        boxes = {
            pane: Box(box.x + offset.x, box.y + offset.y, box.width, box.height)
            for pane, box in view.where.panes.items()
        }
        if len(boxes) == 1:
            self._work.focus_desk()
        elif boxes and (pane := await self._app.ask(Jump(boxes))) is not None:
            self._desk.focus(pane)
            self._work.show_desk(focus=True)

    def zoom(self) -> None:
        self._desk.zoom()
        self._work.show_desk(focus=True)

    async def close_pane(self) -> None:
        pane, agent = self._desk.focused, self._work.focused_agent
        if pane is None:
            return
        name = agent.name if agent else pane.agent
        answers = {"y": "close the pane; the agent goes on", "n": "leave it as it is"}
        if agent is not None and agent.state != "stopped":
            answers["k"] = "close it and end the agent; its record stays"
        text = f"{name} goes on without a pane; the sidebar and the palette show it again."
        answer = await self._app.ask(Confirm("Close this pane?", text, answers))
        if answer == "k" and agent is not None and not await self._kill(agent):
            return
        if answer in ("y", "k"):
            self._desk.close(pane.pane)
            self._work.rearranged()
            if answer == "y":
                self._work.say(f"{name} goes on")

    def swap_previous(self) -> None:
        self._desk.swap_step(-1)
        self._work.rearranged()

    def swap_next(self) -> None:
        self._desk.swap_step(1)
        self._work.rearranged()

    def even(self) -> None:
        self._desk.even()
        self._work.rearranged()

    def resize_left(self) -> None:
        self._resize("left")

    def resize_down(self) -> None:
        self._resize("down")

    def resize_up(self) -> None:
        self._resize("up")

    def resize_right(self) -> None:
        self._resize("right")

    def _resize(self, direction: Direction) -> None:
        size = self._work.view.size
        self._desk.resize(direction, STEP[direction], size.width, size.height)
        self._work.rearranged()

    def scroll_mode(self) -> None:
        if (pane := self._work.focused_pane) is not None:
            pane.scroll_mode()

    def search(self) -> None:
        if (pane := self._work.focused_pane) is not None:
            pane.search()

    # Windows

    async def new_window(self) -> None:
        agent = await self._what("New window: what shall it show?")
        if agent is not None:
            self._app.open_window(agent)

    def next_window(self) -> None:
        self._go_step(1)

    def previous_window(self) -> None:
        self._go_step(-1)

    def _go_step(self, step: int) -> None:
        self._desk.go_step(step)
        self._work.show_desk(focus=True)

    def go_to_window(self, key: str) -> None:
        windows = self._desk.windows
        if key.isdigit() and 1 <= int(key) <= len(windows):
            self._desk.go(windows[int(key) - 1].window)
            self._work.show_desk(focus=True)
        else:
            self._work.say(f"there is no window {key}")

    async def pick_window(self) -> None:
        choices = palette.windows(self._desk.windows, self._work.agents)
        window = await self._app.ask(Picker("Windows", choices, at=self._desk.current))
        if window is not None:
            self._desk.go(window)
            self._work.show_desk(focus=True)

    async def rename_window(self) -> None:
        window = self._desk.window
        if window is None:
            return
        name = await self._app.ask(Rename("Name of the window", window.name))
        if name is not None:
            self._desk.rename_window(window.window, name)
            self._work.rearranged()

    async def close_window(self) -> None:
        window = self._desk.window
        if window is None:
            return
        count = len(list(tree.panes(window.root)))
        text = f"{count} pane{'s' if count > 1 else ''} will be hidden; no agent is ended."
        answers = {"y": "close the window; its agents go on", "n": "leave it as it is"}
        if await self._app.ask(Confirm("Close this window?", text, answers)) == "y":
            self._desk.close_window(window.window)
            self._work.rearranged()

    # Agents

    def next_blocked(self) -> None:
        here = self._work.reading.store.session
        sessions = list(self._work.reading.overview.sessions.values())
        sessions.sort(key=lambda session: session.id != here)
        waiting = [
            (session.id, agent.id)
            for session in sessions
            for agent in session.agents
            if agent.state == "blocked"
        ]
        if not waiting:
            self._work.say("no agent waits for you")
            return
        focused = self._work.focused_agent
        now = (here, focused.id if focused else "")
        at = waiting.index(now) + 1 if now in waiting else 0
        self._app.go_to(*waiting[at % len(waiting)])

    async def inbox(self) -> None:
        call = await self._app.ask(Inbox(self._app.waiting, self._app.clock.wall_us))
        if call is not None:
            self._app.go_to(call.session, call.agent)

    async def stop_turn(self) -> None:
        agent = self._work.focused_agent
        if agent is None:
            return
        stopped = await self._app.asking.answer(
            Stop(session=self._work.reading.store.session, agent=agent.id)
        )
        if stopped is not None and not stopped.agents:
            self._work.say(f"{agent.name} has no turn to stop")

    async def pick_model(self) -> None:
        agent = self._work.focused_agent
        if agent is None:
            return
        sessions = self._work.reading.overview.sessions.values()
        picker = Picker(
            f"Model of {agent.name} from the next turn on",
            palette.models(agent, sessions, self._app.settings.model),
            ask="choose, or type a model's name",
            free="use",
            at=agent.model,
        )
        model = await self._app.ask(picker)
        if model is not None:
            await self._reconfigure(agent, f"model {model.removeprefix('=')}", model=model)

    async def pick_mode(self) -> None:
        agent = self._work.focused_agent
        if agent is None:
            return
        picker = Picker(f"What {agent.name} may do without asking", palette.MODES, at=agent.mode)
        mode = await self._app.ask(picker)
        if mode is not None:
            await self._reconfigure(agent, f"mode {mode}", mode=mode)

    async def _reconfigure(self, agent: AgentSummary, what: str, **change: str) -> None:
        model = change.get("model", "").removeprefix("=")
        mode = cast("Mode | None", change.get("mode"))
        session = self._work.session
        if session is None:
            return
        env = await self._app.asking.environment_of(agent, session.cwd)
        wish = Reconfigure(session=session.id, agent=agent.id, model=model, mode=mode, env=env)
        if await self._app.asking.accepted(wish):
            self._work.say(f"{agent.name}: {what} from now on")

    async def kill_agent(self) -> None:
        agent = self._work.focused_agent
        if agent is None or agent.state == "stopped":
            return
        text = f"{agent.name} ends now, its turn too; what it has said and done stays."
        answers = {"y": "end the agent", "n": "let it live"}
        if await self._app.ask(Confirm("End this agent?", text, answers)) == "y":
            await self._kill(agent)

    async def _kill(self, agent: AgentSummary) -> bool:
        session = self._work.reading.store.session
        return await self._app.asking.answer(Kill(session=session, agent=agent.id)) is not None

    # Session

    async def pick_session(self) -> None:
        sessions = self._work.reading.overview.sessions.values()
        here = self._work.reading.store.session
        choices = palette.sessions(sessions, self._app.clock.wall_us())
        session = await self._app.ask(Picker("Sessions", choices, at=here))
        if session is not None:
            self._app.go_to(session, "")

    async def rename_session(self) -> None:
        session = self._work.session
        if session is None:
            return
        name = await self._app.ask(Rename("Name of the session", session.name))
        if name is not None:
            await self._app.asking.accepted(RenameSession(session=session.id, name=name))

    async def detach(self) -> None:
        await self._app.leave()

    # Screen

    async def palette(self) -> None:
        choices = [
            *palette.commands(self._app.prefix.key),
            *palette.agents(self._work.agents.values(), self._desk),
        ]
        chosen = await self._app.ask(Picker("Commands", choices, ask="what shall be done?"))
        if chosen is None:
            return
        kind, _, name = chosen.partition(":")
        if kind == "agent":
            self._app.go_to(self._work.reading.store.session, name)
        else:
            self.give(palette.binding(name), "")

    async def help(self) -> None:
        await self._app.ask(Help(self._app.prefix.key, self._app.prefix.note))

    def toggle_sidebar(self) -> None:
        self._work.step_sidebar()

    def toggle_mouse(self) -> None:
        self._app.take_mouse(not self._work.mouse)

    async def pick_theme(self) -> None:
        theme = await self._app.ask(Picker("Theme", self._app.theme_choices(), at=self._app.theme))
        if theme is not None:
            self._app.theme = theme

    def redraw(self) -> None:
        self._app.refresh(repaint=True, layout=True)


def names() -> set[str]:
    """The commands there are."""
    members: list[tuple[str, Any]] = inspect.getmembers(Commands, inspect.isfunction)
    return {name for name, _ in members if not name.startswith("_") and name != "give"}
