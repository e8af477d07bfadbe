"""Commands about the session and the screen."""

from __future__ import annotations

from mato.protocol.methods import RenameSession
from mato_panes import palette
from mato_panes.commands.group import Group
from mato_panes.rendering import words
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.help import Help
from mato_panes.screens.picker import Picker
from mato_panes.screens.rename import Rename


class Frame(Group):
    """They act on what is around the panes."""

    async def pick_session(self) -> None:
        sessions = self.work.reading.overview.sessions.values()
        here = self.work.reading.store.session
        choices = palette.sessions(sessions, self.app.clock.wall_us(), here)
        session = await self.app.ask(Picker("Sessions", choices, at=here))
        if session is not None:
            self.app.go_to(session, "")

    async def rename_session(self) -> None:
        session = self.work.session
        if session is None:
            return
        name = await self.app.ask(Rename("Name of the session", session.name))
        if name is not None:
            await self.app.asking.accepted(RenameSession(session=session.id, name=name))

    async def restart_daemon(self) -> None:
        reading = self.work.reading
        working = reading.at_work()
        if reading.connection.read_only and working:
            # An older daemon may cut their turns for good.
            names = ", ".join(working)
            self.work.say(f"not yet: {names} at work; an older daemon is restarted when all idle")
            return
        text = reading.connection.read_only.partition(";")[0] or "The daemon is this Mato's own."
        if working:
            text += f"\n{words.counted(len(working), 'agent')} at work: the next daemon goes on."
        else:
            text += "\nNo agent is at work."
        answers = {"y": "restart it; everything comes back as it is", "n": "leave it"}
        if await self.app.ask(Confirm("Restart the daemon?", text, answers)) == "y":
            await self.app.asking.restart()

    async def trust(self) -> None:
        await self.app.trusting.show()

    async def detach(self) -> None:
        await self.app.leave()

    async def palette(self) -> None:
        choices = [
            *palette.commands(self.app.prefix.key),
            *palette.agents(self.work.agents.values(), self.desk),
        ]
        chosen = await self.app.ask(Picker("Commands", choices, ask="what shall be done?"))
        if chosen is None:
            return
        kind, _, name = chosen.partition(":")
        if kind == "agent":
            self.app.go_to(self.work.reading.store.session, name)
        else:
            self.app.commands.give(palette.binding(name), "")

    async def help(self) -> None:
        await self.app.ask(Help(self.app.prefix.key, self.app.prefix.note))

    def toggle_sidebar(self) -> None:
        self.work.step_sidebar()

    def toggle_mouse(self) -> None:
        self.app.take_mouse(not self.work.mouse)

    async def pick_theme(self) -> None:
        theme = await self.app.ask(Picker("Theme", self.app.theme_choices(), at=self.app.theme))
        if theme is not None:
            self.app.theme = theme

    def redraw(self) -> None:
        self.app.refresh(repaint=True, layout=True)
