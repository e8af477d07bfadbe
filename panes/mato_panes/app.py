"""The workspace as a Textual app: its screens, its keys, and the wishes of its widgets.

Widgets post what a person wants (`mato_panes.messages`); here it becomes requests to the daemon.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.filter import NoColor
from textual.screen import Screen
from textual.worker import WorkerFailed

from mato.config.settings import Settings
from mato.protocol.methods import Arrange, Blob, Looked, Stop
from mato.text import Shown, display
from mato_panes import compositing, gate, messages
from mato_panes.asking import Asking
from mato_panes.bindings import BY_COMMAND
from mato_panes.commands import Commands
from mato_panes.deciding import Deciding
from mato_panes.feed import Link, Reading
from mato_panes.layout.saving import Saving
from mato_panes.prefix import Choice as Prefix
from mato_panes.prefix import PrefixKeys
from mato_panes.prompting import prompt
from mato_panes.running import run
from mato_panes.screens.output import OutputViewer
from mato_panes.screens.picker import Choice
from mato_panes.screens.workspace import Workspace
from mato_panes.store import Overview
from mato_panes.terminal import HANGUP, TerminalDriver, TerminalLost
from mato_panes.trusting import Trusting
from mato_panes.typeahead import Pressed, TypeAhead, Typed
from mato_panes.widgets.sidebar import Sidebar
from mato_panes.widgets.statusbar import StatusBar
from mato_sessions.clock import Clock
from mato_sessions.errors import VersionMismatch
from mato_sessions.events.session import PaneNode, WindowNode
from mato_sessions.ids import Ids
from mato_themes.catalog import Catalog as Themes
from mato_themes.catalog import load_catalog
from mato_themes.textual import css_variables, to_theme

__all__ = ["MatoApp", "run"]

SAVE_AFTER_S = 0.25
"""An arrangement is sent once it has been left alone for so long."""

Result = TypeVar("Result")


class MatoApp(App[int]):
    """Attached to one session of a daemon."""

    TITLE = "mato"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False  # transcripts select by themselves, and know what their rows are
    CSS = """
    Input:nocolor > .input--cursor { text-style: reverse; }
    TextArea:nocolor .text-area--cursor { text-style: reverse; }
    """

    def __init__(
        self,
        link: Link,
        overview: Overview,
        session: str,
        settings: Settings,
        *,
        prefix: Prefix,
        clock: Clock,
        themes: Themes | None = None,
        theme: str = "",
        driver: type[Driver] | None = None,
    ) -> None:
        gate.install()
        compositing.install()
        self._themes = themes or load_catalog()
        self._palette = self._themes.find(theme or settings.screen.theme or "kaamos")
        super().__init__(driver_class=driver)
        if self.no_color:
            # Textual's own answer to NO_COLOR is shades of grey, which are colours to a terminal.
            self._filters.append(NoColor())
        for palette in self._themes.palettes.values():
            self.register_theme(to_theme(palette))
        self.theme = self._palette.name
        self.settings = settings
        self.prefix = prefix
        self.clock = clock
        self.ids = Ids(clock.wall_us)
        self.commands = Commands(self)
        self._keys = PrefixKeys(prefix.key)
        self.typing = TypeAhead(self, self._press)
        self.asking = Asking(link, lambda sentence: self.workspace.say(sentence, "error"))
        self.deciding = Deciding(self)
        self.trusting = Trusting(self)
        self._saving = Saving(self._windows, self._arrange)
        self._title = ""
        self.failure: Exception | None = None
        """What ended the app, where it was a fault of its own."""
        self.reading = Reading(
            link, overview, session, changed=self._changed, arranged=self._arranged
        )
        self.workspace = Workspace(
            self.reading, clock, sidebar=settings.screen.sidebar, prefix=prefix.key
        )
        compositing.hold(self.workspace)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return css_variables(self._palette)

    def get_default_screen(self) -> Screen[Any]:
        return self.workspace

    def on_mount(self) -> None:
        self.in_background(self._read())
        self.in_background(self.trusting.look())
        self.in_background(compositing.release_when(self.workspace, self.workspace.ready))
        if self.prefix.note:
            self.workspace.say(self.prefix.note)
        for problem in self._themes.problems.values():
            self.workspace.say(str(problem), "warning")

    async def _read(self) -> None:
        try:
            await self.reading.run()
        except VersionMismatch as error:
            self.leave_saying(display(str(error), newline=False))

    def leave_saying(self, sentence: Shown) -> None:
        """End with a sentence for the person, after the screen is theirs again."""
        self.exit(4, return_code=4, message=sentence)

    def end_by_signal(self, number: int) -> None:
        """SIGTERM or SIGHUP came."""
        self.exit(128 + number, return_code=128 + number)

    def _fatal_error(self) -> None:
        """End after a fault: `running` says one sentence and keeps the traceback in a log."""
        failure = self._exception
        cause = failure.error if isinstance(failure, WorkerFailed) else failure
        self.failure = cause if isinstance(cause, Exception) else failure
        self._close_messages_no_wait()

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """Keys of the table come before all widgets; while a dialog is open only Detach does."""
        if isinstance(event, Typed | Pressed) and not event.is_forwarded:
            await self.typing.take(event)
        else:
            await super().on_event(event)

    async def _press(self, event: Typed | Pressed) -> None:
        if not isinstance(event, events.Key):
            await super().on_event(event)
            return
        if self.screen is not self.workspace:
            self._keys.disarm()
            if event.key in BY_COMMAND["detach"].direct:
                self.in_background(self.leave())
                return
            await super().on_event(event)
            return
        outcome = self._keys.press(event.key, event.character, event.time)
        self._show_armed()
        match outcome:
            case "pass" | "through":
                await super().on_event(event)
            case "armed":
                pass
            case "unknown":
                key = display(event.character or event.key, newline=False)
                self.workspace.say(
                    f"{self.prefix.key} {key} does nothing; {self.prefix.key} ? helps"
                )
            case binding:
                self.commands.give(binding, event.character or event.key)

    def _show_armed(self) -> None:
        armed = self.prefix.key if self._keys.armed else ""
        if armed != self.workspace.armed:
            self.workspace.armed = armed
            self.workspace.changed()

    def action_help_quit(self) -> None:
        """ctrl+c where nothing else takes it."""
        self.workspace.say(f"ctrl+q detaches; {self.prefix.key} ctrl+c stops the agent's turn")

    # What commands use

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that waits; what it raises ends the app."""
        self.run_worker(work, group="commands")

    async def ask(self, screen: Screen[Result]) -> Result | None:
        """What the person answers to a dialog."""
        self.typing.opening(screen)
        return await self.push_screen_wait(screen)

    def open_window(self, agent: str) -> None:
        """A window of its own for an agent."""
        known = self.workspace.agents.get(agent)
        pane = PaneNode(self.ids.pane(), agent)
        name = known.name if known else "agent"
        self.workspace.desk.open_window(self.ids.window(), name, pane)
        self.workspace.desk.focus(pane.pane)
        self.workspace.rearranged()

    def go_to(self, session: str, agent: str) -> None:
        """Focus the agent's pane, opening one where it has none; the session's where it is ""."""
        if session != self.reading.store.session:
            if session not in self.reading.overview.sessions:
                return
            if self._saving.unsent:
                self.in_background(self._arrange(*self._windows()))
                self._saving.unsent = False
            self.reading.attach(session)
            self.workspace.attached()
            self._show_title()
            self.in_background(self.trusting.look())
        if not agent:
            self.workspace.focus_desk()
        elif (pane := self.workspace.desk.pane_of(agent)) is not None:
            self.workspace.desk.focus(pane.pane)
            self.workspace.show_desk(focus=True)
        elif agent in self.workspace.agents:
            self.open_window(agent)

    def theme_choices(self) -> list[Choice]:
        return [
            Choice(name, palette.title, "dark" if palette.dark else "light")
            for name, palette in self._themes.palettes.items()
        ]

    def take_mouse(self, taken: bool) -> None:
        """Whether the mouse is Mato's, or the terminal's own to select with."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.take_mouse(taken)
        self.workspace.mouse = taken
        self.workspace.say(
            "the mouse is Mato's again" if taken else "the mouse is the terminal's, to select with"
        )

    # The arrangement

    def on_workspace_rearranged(self) -> None:
        if self._saving.changed():
            self.set_timer(SAVE_AFTER_S, lambda: self.in_background(self._saving.save()))

    def _windows(self) -> tuple[str, tuple[WindowNode, ...]]:
        return self.reading.store.session, self.workspace.desk.windows

    async def _arrange(self, session: str, windows: tuple[WindowNode, ...]) -> None:
        await self.asking.keep(Arrange(session=session, windows=windows))

    def _arranged(self, windows: tuple[WindowNode, ...]) -> None:
        # What is about to be sent is newer than what comes now.
        if not self._saving.unsent and windows != self.workspace.desk.windows:
            self.workspace.arranged(windows)

    async def leave(self) -> None:
        """Detach: send what was arranged a moment ago, then go."""
        await self._saving.save()
        self.exit(0)

    # What comes

    def _changed(self) -> None:
        if self.reading.overview.dirty:
            self.deciding.came()
        self._show_title()
        self.workspace.changed()

    def _show_title(self) -> None:
        session = self.workspace.session
        title = display(f"mato · {session.name}" if session else "mato", newline=False)
        if title != self._title and isinstance(self._driver, TerminalDriver):
            self._title = title
            self._driver.set_title(title)

    def on_app_focus(self) -> None:
        self.workspace.changed()
        self.in_background(self.trusting.look())

    async def on_terminal_lost(self, event: TerminalLost) -> None:
        self.exit(HANGUP, return_code=HANGUP)

    # Wishes of widgets

    def on_prompt_submitted(self, event: messages.PromptSubmitted) -> None:
        self.in_background(prompt(self, event.agent, event.text))

    def on_stop_requested(self, event: messages.StopRequested) -> None:
        session = self.reading.store.session
        self.in_background(self.asking.send(Stop(session=session, agent=event.agent)))

    def on_call_answered(self, event: messages.CallAnswered) -> None:
        self.in_background(self.deciding.answer(event))

    def on_go_on_wanted(self, event: messages.GoOnWanted) -> None:
        self.in_background(self.deciding.go_on(event.agent))

    def on_notice_pressed(self) -> None:
        self.commands.give(BY_COMMAND["trust"], "")

    def on_put_off(self, event: messages.PutOff) -> None:
        self.deciding.put_off(event)

    def on_brought_back(self) -> None:
        self.deciding.bring_back()

    def on_whole_output_wanted(self, event: messages.WholeOutputWanted) -> None:
        self.in_background(self._show_output(event.sha256, event.title))

    async def _show_output(self, sha256: str, title: str) -> None:
        blob = await self.asking.answer(Blob(sha256=sha256))
        if blob is not None:
            await self.ask(OutputViewer(title, blob.text))

    def on_frame_focus_wanted(self) -> None:
        self.commands.give(BY_COMMAND["jump"], "")

    def on_copy_wanted(self, event: messages.CopyWanted) -> None:
        self.copy_to_clipboard(event.text)
        self.workspace.say("copied")

    def on_workspace_seen(self, event: Workspace.Seen) -> None:
        session = self.reading.store.session
        self.in_background(self.asking.send(Looked(session=session, agent=event.agent)))

    def on_sidebar_wanted(self, event: Sidebar.Wanted) -> None:
        self.go_to(event.session, event.agent)

    def on_status_bar_inbox_pressed(self, event: StatusBar.InboxPressed) -> None:
        self.commands.give(BY_COMMAND["inbox"], "")
