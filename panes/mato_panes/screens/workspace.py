"""The main screen: sidebar, the current window with its panes, status bar; one tick draws it."""

from __future__ import annotations

import asyncio
from time import monotonic

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from mato.text import display
from mato_panes.feed import Reading
from mato_panes.kinds.chat import ChatPane
from mato_panes.layout import tree
from mato_panes.layout.desk import Desk
from mato_panes.layout.view import WindowView
from mato_panes.rendering.line import Role
from mato_panes.shown_time import ShownTime
from mato_panes.widgets.listing import Listing
from mato_panes.widgets.notice import Notice
from mato_panes.widgets.paint import app_of
from mato_panes.widgets.sidebar import Around, Sidebar
from mato_panes.widgets.states import RUNNING, line_of
from mato_panes.widgets.statusbar import Bar, StatusBar, with_facts
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.clock import Clock
from mato_sessions.events.session import PaneNode, WindowNode

FRAME_S = 1 / 30
"""At most so often anything is drawn because something came."""
SIDEBAR_FROM = 100
"""Columns from which the sidebar shows by itself."""
HINT = "Nothing is shown here.\n{prefix} c opens an agent; {prefix} ? is help."
NOTE_S = 6.0
"""How long a sentence stands in the status bar."""


class Workspace(Screen[None]):
    """Draws the folds; it asks nothing of the daemon."""

    DEFAULT_CSS = """
    Workspace { background: $mato-surface-ground; layers: base; }
    Workspace > Horizontal { height: 1fr; }
    """
    AUTO_FOCUS = None

    class Rearranged(Message):
        """The shared windows were changed here."""

    class Seen(Message):
        """A person looks at an agent whose turn has ended."""

        def __init__(self, agent: str) -> None:
            super().__init__()
            self.agent = agent

    def __init__(self, reading: Reading, clock: Clock, *, sidebar: bool, prefix: str) -> None:
        super().__init__()
        self.reading = reading
        self.desk = Desk()
        self.armed = ""
        """The prefix, while the next key is waited for."""
        self.mouse = True
        self.put_off = 0
        """How many calls that wait are put off."""
        self._clock = clock
        self._time = ShownTime(clock.wall_us)
        self._prefix = prefix
        self._sidebar: bool | None = None if sidebar else False
        self._note: tuple[str, Role] = ("", "text")
        self._note_timer: Timer | None = None
        self._frame_timer: Timer | None = None
        self._second_timer: Timer | None = None
        self._drawn_s = 0.0
        self.frames = 0
        """How often the tick has drawn."""
        self._late: set[str] = set()  # agents whose panes show a running time
        self._seen = ("", 0)
        self.ready = asyncio.Event()
        """The first panes are there."""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Sidebar()
            yield WindowView(self._make_pane, self._pane_line)
        yield Notice()
        yield StatusBar()

    def on_mount(self) -> None:
        self.attached()

    def on_screen_resume(self) -> None:
        self.changed()  # a dialog is gone: what is done has been seen now

    # What there is

    @property
    def session(self) -> SessionSummary | None:
        """The attached session."""
        return self.reading.overview.sessions.get(self.reading.store.session)

    @property
    def agents(self) -> dict[str, AgentSummary]:
        """The agents of the attached session, by id."""
        return {agent.id: agent for agent in self.session.agents} if self.session else {}

    @property
    def focused_agent(self) -> AgentSummary | None:
        """The agent of the focused pane."""
        return self.agents.get(self.desk.focused.agent) if self.desk.focused else None

    @property
    def focused_pane(self) -> ChatPane | None:
        """The widget of the focused pane."""
        pane = self.desk.focused
        widget = self.view.widgets.get(pane.pane) if pane else None
        return widget if isinstance(widget, ChatPane) else None

    def chats(self) -> list[ChatPane]:
        """The panes of all windows that have been shown."""
        return [widget for widget in self.view.widgets.values() if isinstance(widget, ChatPane)]

    @property
    def view(self) -> WindowView:
        return self.query_one(WindowView)

    # Windows and panes

    def attached(self) -> None:
        """Show the session that `reading` reads now."""
        self.desk = Desk(self.session.windows if self.session else ())
        self.view.forget()
        self.show_desk(focus=True)

    def arranged(self, windows: tuple[WindowNode, ...]) -> None:
        """Another client arranged the windows."""
        before = self.desk.focused
        self.desk.adopt(windows)
        self.show_desk(focus=self.desk.focused != before)

    def rearranged(self) -> None:
        """The desk's windows were changed by this client."""
        self.show_desk(focus=True)
        self.post_message(self.Rearranged())

    def show_desk(self, *, focus: bool) -> None:
        """Draw the desk as it is now, and put the keyboard's focus where the desk says."""
        self.view.hint = HINT.format(prefix=display(self._prefix, newline=False))
        focused = self.desk.focused
        alive = {leaf.pane for leaf in self.desk.panes()}
        mounting = self.view.show(self.desk.shown, focused.pane if focused else None, alive)
        if focus and mounting is not None:

            async def focus_when_there() -> None:
                await mounting
                self.focus_desk()

            self.run_worker(focus_when_there(), group="focus", exclusive=True)
        elif focus:
            self.focus_desk()
        self.reading.store.dirty |= {leaf.agent for leaf in tree.panes(self.desk.shown)}
        self.changed()

    def focus_desk(self) -> None:
        """Put the keyboard's focus into the desk's focused pane."""
        self.ready.set()
        if (pane := self.focused_pane) is not None and pane.is_mounted:
            pane.focus_composer()
        elif pane is None:
            self.set_focus(None)

    def on_descendant_focus(self) -> None:
        focused = self.focused
        for pane, widget in self.view.widgets.items():
            if focused is not None and widget in focused.ancestors_with_self:
                if self.desk.focused is None or self.desk.focused.pane != pane:
                    self.desk.focus(pane)
                    self.show_desk(focus=False)
                self.view.mark_focused(pane)
                self.changed()

    def on_window_view_pane_pressed(self, event: WindowView.PanePressed) -> None:
        if self.desk.focused is None or self.desk.focused.pane != event.pane:
            self.desk.focus(event.pane)
            self.show_desk(focus=True)

    def on_window_view_border_moved(self, event: WindowView.BorderMoved) -> None:
        size = self.view.size
        self.desk.move_border(event.border, event.cells, size.width, size.height)
        self.show_desk(focus=False)

    def on_window_view_border_dropped(self) -> None:
        self.rearranged()

    def on_status_bar_window_pressed(self, event: StatusBar.WindowPressed) -> None:
        self.desk.go(event.window)
        self.show_desk(focus=True)

    def _make_pane(self, leaf: PaneNode) -> Widget:
        agent = self.agents.get(leaf.agent)
        if agent is None:  # arranged by somebody before its agent was known here
            agent = AgentSummary(id=leaf.agent, name=leaf.agent, kind="", since_us=0)
        return ChatPane(
            leaf.pane,
            agent,
            self.reading.store,
            tick_us=self._clock.mono_us,
            wall_us=self._time.now_us,
        )

    def _pane_line(self, leaf: PaneNode) -> str:
        agent = self.agents.get(leaf.agent)
        return line_of(agent) if agent else display(leaf.agent, newline=False)

    # The sidebar

    def on_resize(self, event: events.Resize) -> None:
        self._place_sidebar(event.size.width)
        self.changed()

    def step_sidebar(self) -> None:
        """Show the sidebar, else go to it, else hide it."""
        bar = self.query_one(Sidebar)
        listing = bar.query_one(Listing)
        if not bar.display:
            self._sidebar = True
            self._place_sidebar(self.size.width)
            listing.focus()
        elif not listing.has_focus:
            listing.focus()
        else:
            self._sidebar = False
            self._place_sidebar(self.size.width)
            self.focus_desk()
        self.changed()

    def _place_sidebar(self, width: int) -> None:
        wanted = width >= SIDEBAR_FROM if self._sidebar is None else self._sidebar
        self.query_one(Sidebar).display = wanted

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape" and isinstance(self.focused, Listing):
            event.stop()
            self.focus_desk()

    # The tick

    def changed(self) -> None:
        """Something is to be drawn: now, or when the last picture is old enough."""
        if self._frame_timer is None and self.is_mounted:
            wait = max(self._drawn_s + FRAME_S - monotonic(), 0.001)
            self._frame_timer = self.set_timer(wait, self._draw)

    def _draw(self) -> None:
        self._frame_timer = None
        if not self.is_attached or self._pruning:
            return  # it is about to go, and some of its widgets have gone
        self._drawn_s = monotonic()
        self.frames += 1
        agents = self.agents
        store = self.reading.store
        overview = self.reading.overview
        due = store.dirty | self._late
        news = overview.dirty
        if self._time.go_on(at_once=news or bool(self._late)):
            due |= {agent.id for agent in agents.values() if agent.state in RUNNING}
            news = True
        if overview.dirty:
            due |= set(agents)
            overview.dirty = False
        store.dirty.clear()
        self._late.clear()
        leaves = {leaf.pane: leaf.agent for leaf in tree.panes(self.desk.shown)}
        for pane in self.view.visible_panes():
            widget = self.view.widgets.get(pane)
            if leaves.get(pane) in due and isinstance(widget, ChatPane) and widget.is_mounted:
                agent = agents.get(leaves[pane])
                if agent is not None:
                    widget.sync(agent)
        if self.view.lines_shown():
            self.view.refresh()
        self._draw_frame(news)
        self._look()
        if self._second_timer is None and any(a.state in RUNNING for a in agents.values()):
            self._second_timer = self.set_timer(1.0, self._second)

    def _second(self) -> None:
        """The running times have grown by a second."""
        self._second_timer = None
        running = {agent.id for agent in self.agents.values() if agent.state in RUNNING}
        if running:
            self._late |= running
            self.changed()

    def _draw_frame(self, news: bool) -> None:
        self.query_one(StatusBar).show(self._bar())
        around = Around(
            session=self.reading.store.session,
            focused=self.desk.focused.agent if self.desk.focused else "",
            shown=frozenset(leaf.agent for leaf in self.desk.panes()),
            now_us=self._time.now_us(),
        )
        self.query_one(Sidebar).show(self.reading.overview.sessions.values(), around, news=news)

    def _bar(self) -> Bar:
        note, role = self._note
        bar = Bar(
            current=self.desk.current,
            zoomed=self.desk.zoomed,
            armed=self.armed,
            note=note,
            note_role=role,
            connection=self.reading.connection,
            mouse=self.mouse,
            later=self.put_off,
            prefix=self._prefix,
        )
        sessions = self.reading.overview.sessions.values()
        return with_facts(bar, sessions, self.session, self.focused_agent, self.desk.windows)

    def _look(self) -> None:
        """Tell that a person sees the end of a turn: its pane has the focus of all there is."""
        agent = self.focused_agent
        if agent is None or agent.state != "done" or self.reading.connection.read_only:
            return
        end = (agent.id, agent.since_us)
        if app_of(self).app_focus and self.is_active and end != self._seen:
            self._seen = end
            self.post_message(self.Seen(agent.id))

    # One sentence

    def say(self, text: str, role: Role = "text") -> None:
        """Show one sentence in the status bar for a moment."""
        if self._note_timer is not None:
            self._note_timer.stop()
            self._note_timer = None
        self._note = (text, role)
        if text:
            self._note_timer = self.set_timer(NOTE_S, lambda: self.say(""))
        self.changed()
