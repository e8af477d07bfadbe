"""The column at the left: sessions and their agents, who waits for a person first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from mato.text import display
from mato_panes.rendering import words
from mato_panes.rendering.line import Line, Role, pinch
from mato_panes.widgets.listing import Listing, Row
from mato_panes.widgets.states import GLYPHS, URGENCY, most_urgent, since_us
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.kinship import ordered

WIDTH = 30
"""As in the style below."""
_BESIDE_NAME = 9
"""Cells of an agent's row that are neither its name nor its state: marks, gaps, the border."""


_DEEPEST = 4
"""No row stands further to the right: its name still has to be read."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the sidebar has to know besides the sessions."""

    session: str
    """The attached one."""
    focused: str = ""
    """The agent of the focused pane."""
    shown: frozenset[str] = frozenset()
    """Agents that have a pane somewhere."""
    now_us: int = 0
    """Wall clock."""


class Sidebar(Vertical):
    """Sessions and agents; Enter or a click goes there."""

    DEFAULT_CSS = """
    Sidebar {
        width: 30;
        height: 1fr;
        background: $mato-surface-ground;
        border-right: vkey $mato-line-border;
    }
    """

    class Wanted(Message):
        """Go to this agent, or to this session where `agent` is empty."""

        def __init__(self, session: str, agent: str) -> None:
            super().__init__()
            self.session = session
            self.agent = agent

    def compose(self) -> ComposeResult:
        yield Listing(surface="ground", quiet=True, empty="no sessions")

    def __init__(self) -> None:
        super().__init__()
        self._around: Around | None = None
        self._news = True

    def show(self, sessions: Iterable[SessionSummary], around: Around, *, news: bool) -> None:
        """Draw this, where it differs from what is there.

        Without `news` of the sessions, or of the time, only what is around them is looked at.
        """
        self._news = self._news or news
        timeless = replace(around, now_us=0)
        if not self.display or not (self._news or timeless != self._around):
            return
        self._around, self._news = timeless, False
        listing = self.query_one(Listing)
        rows = tuple(rows_of(list(sessions), around))
        if rows != listing.rows:
            listing.show(rows)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        session, _, agent = event.key.partition("/")
        self.post_message(self.Wanted(session, agent))


def rows_of(sessions: Sequence[SessionSummary], around: Around) -> Iterable[Row]:
    """The attached session with its agents, then the others: blocked ones, then by last use.

    Archived ones are left to `mato ls --all`.
    """
    here = [session for session in sessions if session.id == around.session]
    others = sorted(
        (one for one in sessions if one.id != around.session and not one.archived),
        key=lambda session: (_urgency(session) > 0, -session.last_us),
    )
    for session in here:
        yield _session_row(session, here=True)
        # Only who waits moves up: the others keep their places, so that eyes find them.
        blocked = [agent for agent in session.agents if agent.state == "blocked"]
        for agent in blocked:
            yield _agent_row(session, agent, around)
        for agent in ordered(session.agents):
            if agent not in blocked:
                yield _agent_row(session, agent, around, agent.depth)
    if others:
        yield Row("", ())
    for session in others:
        yield _session_row(session, here=False)
        for agent in session.agents:
            if agent.state == "blocked":
                yield _agent_row(session, agent, around)


def _urgency(session: SessionSummary) -> int:
    return URGENCY[most_urgent(agent.state for agent in session.agents)]


def _session_row(session: SessionSummary, *, here: bool) -> Row:
    name = display(session.name or session.id, newline=False)
    left: Line = ((name, "strong" if here else "text"),)
    if here or not session.agents:
        return Row(f"{session.id}/", left)
    state = most_urgent(agent.state for agent in session.agents)
    same = sum(agent.state == state for agent in session.agents)
    count = f"{same} " if len(session.agents) > 1 else ""
    return Row(f"{session.id}/", left, ((f"{GLYPHS[state]} {count}{state}", state),))


def _agent_row(session: SessionSummary, agent: AgentSummary, around: Around, depth: int = 0) -> Row:
    """`depth`: how far it stands to the right, under the agents that it was started by."""
    since = since_us(agent)
    elapsed = words.clock(around.now_us - since) if since and around.now_us else ""
    focused = agent.id == around.focused
    name = display(agent.name, newline=False)
    here = session.id == around.session
    # In brackets: it has no pane; Enter opens one.
    around_name = "()" if here and agent.id not in around.shown and agent.state != "stopped" else ""
    indent = " " * min(depth, _DEEPEST)
    room = WIDTH - _BESIDE_NAME - len(around_name) - len(indent)
    said = f"{agent.state} {elapsed}".rstrip()
    if elapsed and cell_len(name) + len(said) > room:
        said = elapsed  # the glyph says the state
    name = pinch(name, room - len(said))
    ink: Role = "strong" if focused else "dim" if agent.state == "stopped" else "text"
    left: Line = (
        ("┃" if focused else " ", "key"),
        (f"{indent}{GLYPHS[agent.state]} ", agent.state),
        (f"({name})" if around_name else name, ink),
    )
    return Row(f"{session.id}/{agent.id}", left, ((said, agent.state),))
