"""The first line of a pane: who, doing what, on which model, for how long and at what cost."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from mato.text import one_line
from mato_panes.rendering import words
from mato_panes.rendering.line import Line, Role, Span, cells, clip
from mato_panes.widgets import paint
from mato_panes.widgets.states import GLYPHS, since_us
from mato_sessions.catalog import AgentSummary

NAME_CELLS = 24
MODEL_CELLS = 36


def header_line(agent: AgentSummary, width: int, wall_us: int, *, active: bool) -> Line:
    """As much as fits in `width` cells; the state and the name are the last to go.

    The figures stand at the right edge and keep their width, so that nothing moves as they grow.
    """
    state: Role = agent.state
    word = agent.state
    name: Span = (one_line(agent.name, NAME_CELLS), "key" if active else "title")
    model = one_line(agent.model, MODEL_CELLS) if agent.model else ""
    source = f" ({one_line(agent.model_source, 24)})" if agent.model_source and model else ""
    elapsed, tokens, cost = _elapsed(agent, wall_us), _tokens(agent), _cost(agent)

    def built(*, source: str, model: str, cost: str, tokens: str, elapsed: str, word: str) -> Line:
        left: list[Span] = [(f" {GLYPHS[agent.state]} ", state)]
        if word:
            left.append((f"{word:<7}  ", state))
        left.append(name)
        if model:
            left.append((f"  {model}{source}", "dim"))
        right = [f"{text:>{least}}" for text, least in _figures(elapsed, tokens, cost)]
        end = "   ".join(right) + " " if right else ""
        gap = width - cells(tuple(left)) - cells(((end, "dim"),))
        if gap < (2 if end else 0):
            return ()
        return (*left, (" " * gap, "text"), (end, "dim"))

    # From the least to the most important: what goes first when the pane gets narrow.
    parts = {"source": source, "model": model, "cost": cost, "tokens": tokens}
    parts |= {"elapsed": elapsed, "word": word}
    for dropped in ("", *parts):
        if dropped:
            parts[dropped] = ""
        if line := built(**parts):
            return line
    return clip(((f" {GLYPHS[agent.state]} ", state), name), width)


def _figures(elapsed: str, tokens: str, cost: str) -> list[tuple[str, int]]:
    figures = [(elapsed, 5), (tokens, 9), (cost, 6)]
    return [(text, least) for text, least in figures if text]


def _elapsed(agent: AgentSummary, wall_us: int) -> str:
    since = since_us(agent)
    return words.clock(wall_us - since) if since else ""


def _shown(agent: AgentSummary, wall_us: int) -> object:
    """All that the line depends on besides its room; a summary changes in place."""
    since = since_us(agent)
    return (
        agent.state,
        agent.name,
        agent.model,
        agent.model_source,
        agent.input,
        agent.output,
        agent.cost_usd,
        agent.unpriced,
        (wall_us - since) // 1_000_000 if since else None,
    )


def _tokens(agent: AgentSummary) -> str:
    count = agent.input + agent.output
    return f"{words.tokens(count)} tok" if count else ""


def _cost(agent: AgentSummary) -> str:
    """Nothing where no price is known; a lower bound where some are not."""
    if agent.unpriced:
        return f"≥{words.cost(agent.cost_usd)}" if agent.cost_usd else ""
    return words.cost(agent.cost_usd) if agent.input + agent.output else ""


class PaneHeader(Widget):
    """The header line of one agent."""

    DEFAULT_CSS = """
    PaneHeader {
        height: 1;
        width: 1fr;
        background: $mato-surface-raised;
    }
    """

    def __init__(self, agent: AgentSummary) -> None:
        super().__init__()
        self._agent = agent
        self._wall_us = 0
        self._active = False
        self._line: Line = ()
        self._shown: object = None

    def show(self, agent: AgentSummary, wall_us: int) -> None:
        """Show this state of the agent, at this time of the wall clock."""
        self._agent, self._wall_us = agent, wall_us
        # Called for every frame in which the agent says something; the line rarely differs.
        if (shown := _shown(agent, wall_us)) != self._shown:
            self._shown = shown
            self._update()

    def activate(self, active: bool) -> None:
        """Whether the pane has the focus."""
        self._active = active
        self._update()

    def on_resize(self) -> None:
        self._update()

    def _update(self) -> None:
        line = header_line(self._agent, self.size.width, self._wall_us, active=self._active)
        if line != self._line:
            self._line = line
            self.refresh()

    def render_line(self, y: int) -> Strip:
        styles = paint.styles(self, "raised")
        segments = [Segment(text, styles[role]) for text, role in self._line]
        strip = Strip(segments, cells(self._line))
        return strip.adjust_cell_length(self.size.width, styles["text"])
