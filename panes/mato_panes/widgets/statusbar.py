"""The line at the bottom: session, windows, what waits for a person, model, connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from mato.text import display
from mato_panes.bindings import shortest
from mato_panes.connection import CONNECTED, Connection
from mato_panes.layout import tree
from mato_panes.rendering import words
from mato_panes.rendering.line import Line, Role, Span, cells, clip, fit
from mato_panes.widgets import paint
from mato_panes.widgets.states import GLYPHS, PAUSED, RUNNING, most_urgent
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.events.agent import AgentState
from mato_sessions.events.session import WindowNode

_COUNTED: tuple[AgentState, ...] = ("failed", "working", "done")


_NAME_CELLS = 24
_ENDLESS = 10_000


@dataclass(frozen=True, slots=True)
class WindowTab:
    """A window as the bar names it."""

    window: str
    name: str
    state: AgentState
    """The most urgent one of its agents."""


def tab_of(window: WindowNode, agents: Mapping[str, AgentSummary]) -> WindowTab:
    """The tab of a window whose agents are among `agents`."""
    leaves = tree.panes(window.root)
    states: list[AgentState] = [agents[leaf.agent].state for leaf in leaves if leaf.agent in agents]
    return WindowTab(window.window, window.name, most_urgent(states) if states else "idle")


@dataclass(frozen=True, slots=True)
class Bar:
    """What the bar says; texts are cleaned by it."""

    session: str = ""
    windows: tuple[WindowTab, ...] = ()
    current: str = ""
    zoomed: bool = False
    states: tuple[AgentState, ...] = ()
    """Of all agents of all sessions that are not put away."""
    waits: int = 0
    """Calls that wait for a person: as many as the inbox lists."""
    later: int = 0
    """Of these, those that a person has put off."""
    paused: int = 0
    """Agents that go on only when a person lets them."""
    cost_usd: float | None = None
    model: str = ""
    source: str = ""
    """Why this model: "flag", "OPENAI_API_KEY", "embedded" …"""
    mode: str = ""
    armed: str = ""
    """The prefix, while the next key is waited for."""
    note: str = ""
    """One sentence that takes the place of the windows for a moment."""
    note_role: Role = "text"
    connection: Connection = CONNECTED
    mouse: bool = True
    prefix: str = ""
    """What the keys that the bar names begin with."""


def with_facts(
    bar: Bar,
    sessions: Iterable[SessionSummary],
    session: SessionSummary | None,
    agent: AgentSummary | None,
    windows: Iterable[WindowNode],
) -> Bar:
    """The bar with what is known of all sessions, the attached one and the focused agent."""
    agents = {each.id: each for each in session.agents} if session else {}
    known = [each for other in sessions if not other.archived for each in other.agents]
    spent = [each.cost_usd for each in agents.values() if each.input or each.output]
    return replace(
        bar,
        session=(session.name or session.id) if session else "",
        windows=tuple(tab_of(window, agents) for window in windows),
        states=tuple(each.state for each in known),
        waits=sum(len(each.pending) for each in known),
        paused=sum(each.state == "blocked" and not each.pending for each in known),
        cost_usd=sum(spent) if any(spent) else None,
        model=agent.model if agent else "",
        source=agent.model_source if agent else "",
        mode=agent.mode if agent else "",
    )


class StatusBar(Widget):
    """One line, drawn when told."""

    DEFAULT_CSS = """
    StatusBar { dock: bottom; height: 1; width: 1fr; background: $mato-surface-bar; }
    """

    class WindowPressed(Message):
        """The mouse chose a window."""

        def __init__(self, window: str) -> None:
            super().__init__()
            self.window = window

    class InboxPressed(Message):
        """The mouse chose the number of waiting calls."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = Bar()
        self._places: list[tuple[int, int, str]] = []

    def show(self, bar: Bar) -> None:
        """Draw this, where it differs from what is there."""
        if bar != self.bar:
            self.bar = bar
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        # Windows before the model's name; but who waits always has room.
        wanted = cells(self._left(_ENDLESS))
        right = self._right(width - (wanted + 1 if self.bar.note else min(wanted, width * 3 // 5)))
        room = width - cells(right)
        left = self._left(room)
        gap: Line = ((" " * max(room - cells(left), 0), "text"),)
        return paint.strip(self, (*left, *gap, *right), width, "bar")

    def _left(self, room: int) -> Line:
        bar = self.bar
        if bar.note:
            return clip(((" ", "text"), (display(bar.note, newline=False), bar.note_role)), room)
        spans: list[Span] = []
        if bar.armed:
            spans.append((f" {bar.armed} … ", "badge"))
        name = fit(display(bar.session, newline=False), min(max(8, room // 3), _NAME_CELLS))
        spans.append((f" {name} ", "badge"))
        spans.append(("│", "faint"))
        self._places = []
        at = cells(tuple(spans))
        for line, window in self._tabs(room - at):
            if window:
                self._places.append((at, at + cells(line), window))
            spans.extend(line)
            at += cells(line)
        return tuple(spans)

    def _tabs(self, room: int) -> Sequence[tuple[Line, str]]:
        """The windows as tabs; where they have no room for all, those around the current one."""
        tabs = [self._tab(number, tab) for number, tab in enumerate(self.bar.windows, 1)]
        names = [tab.window for tab in self.bar.windows]
        at = names.index(self.bar.current) if self.bar.current in names else 0
        first, last = at, at
        used = cells(tabs[at]) if tabs else 0
        while tabs:
            before = cells(tabs[first - 1]) if first > 0 else None
            behind = cells(tabs[last + 1]) if last < len(tabs) - 1 else None
            if behind is not None and used + behind + 2 <= room:
                last, used = last + 1, used + behind
            elif before is not None and used + before + 2 <= room:
                first, used = first - 1, used + before
            else:
                break
        shown: list[tuple[Line, str]] = []
        if first > 0:
            shown.append(((("‹", "dim"),), ""))
        shown += list(zip(tabs[first : last + 1], names[first : last + 1], strict=True))
        if last < len(tabs) - 1:
            shown.append(((("›", "dim"),), ""))
        return shown

    def _tab(self, number: int, tab: WindowTab) -> Line:
        current = tab.window == self.bar.current
        name = fit(display(tab.name, newline=False), 18) or "window"
        flags = ("*" if current else "") + ("Z" if current and self.bar.zoomed else "")
        mark: Line = ()
        if tab.state in ("blocked", "failed", "done"):
            mark = ((GLYPHS[tab.state], tab.state),)
        return (
            (f" {number}:{name}{flags}", "strong" if current else "dim"),
            *mark,
            (" ", "text"),
        )

    def _right(self, room: int) -> Line:
        """From the most to the least important; what has no room is left out."""
        bar = self.bar
        parts: list[Line] = []
        at_work = any(state in RUNNING for state in bar.states)
        key = self._key("restart_daemon")
        if said := bar.connection.line(key, room - 2, at_work=at_work):
            parts.append(said)
        counts = Counter(bar.states)
        if waiting := bar.waits - bar.later:
            word = "waits" if waiting == 1 else "wait"
            parts.append(((f"{GLYPHS['blocked']} {waiting} {word}", "blocked"),))
        if bar.later:
            parts.append(((f"{GLYPHS['blocked']} {bar.later} later", "dim"),))
        if bar.paused:
            parts.append(((f"{PAUSED} {bar.paused} paused", "blocked"),))
        counted: list[Span] = []
        for state in _COUNTED:
            if counts[state]:
                counted.append((" " if counted else "", "text"))
                counted.append((f"{GLYPHS[state]} {counts[state]}", state))
        if counted:
            parts.append(tuple(counted))
        if not bar.mouse:
            parts.append((("mouse off", "warning"),))
        if bar.mode:
            parts.append(((bar.mode, "dim"),))
        if tier := display(bar.connection.sandbox, newline=False):
            parts.append(((f"sandbox {tier}", "dim" if tier == "full" else "warning"),))
        source = fit(display(bar.source, newline=False), 24)
        if bar.model:
            model: Line = ((fit(display(bar.model, newline=False), 28), "text"),)
            parts.append((*model, (f" ({source})", "dim")) if source else model)
        if bar.cost_usd is not None:
            parts.append(((words.cost(bar.cost_usd), "dim"),))
        if bar.prefix:
            parts.append((self._key("help"), (" help", "dim")))
        kept: Line = ((" ", "text"),)
        for part in parts:
            longer: Line = (*part, ("  ", "text"), *kept) if cells(kept) > 1 else (*part, *kept)
            if cells(longer) > room:
                break
            kept = longer
        return kept

    def _key(self, command: str) -> Span:
        return display(shortest(command, self.bar.prefix), newline=False), "key"

    def on_click(self, event: events.Click) -> None:
        for start, end, window in self._places:
            if start <= event.x < end:
                self.post_message(self.WindowPressed(window))
                return
        if self.bar.waits and event.x > self.size.width // 2:
            self.post_message(self.InboxPressed())
