"""Why an agent stands still until a person lets it go on, and the key for that, in its pane."""

from __future__ import annotations

from textual import events
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from mato.text import display
from mato_panes.messages import GoOnWanted
from mato_panes.rendering.line import Line
from mato_panes.rendering.wrapping import wrap
from mato_panes.widgets import paint
from mato_panes.widgets.states import PAUSED
from mato_sessions.catalog import AgentSummary

_MOST_LINES = 4


def why_paused(agent: AgentSummary) -> str:
    """Why it goes on only when a person lets it; "" where it does not stand still for that."""
    return agent.evidence if agent.state == "blocked" and not agent.pending else ""


class PauseLine(Widget):
    """Takes no room while the agent is not paused. A click lets it go on."""

    DEFAULT_CSS = """
    PauseLine { height: auto; width: 1fr; background: $mato-surface-raised; display: none; }
    PauseLine.-paused { display: block; }
    """

    def __init__(self, agent: str) -> None:
        super().__init__()
        self.agent = agent
        self._why = ""

    def show(self, agent: AgentSummary) -> None:
        """Show why this agent is paused, or nothing."""
        if (why := why_paused(agent)) != self._why:
            self._why = why
            self.set_class(bool(why), "-paused")
            self.refresh(layout=True)

    def _lines(self, width: int) -> list[Line]:
        said = display(self._why, newline=False)
        keys: Line = (("  C", "key"), (" in the transcript or a click lets it go on", "dim"))
        start: Line = ((f" {PAUSED} ", "blocked"),)
        rest: Line = (("   ", "text"),)
        found = wrap([(said, "blocked")], max(width - 1, 12), first=start, rest=rest)
        return [*found[: _MOST_LINES - 1], keys]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render_line(self, y: int) -> Strip:
        lines = self._lines(self.size.width)
        line = lines[y] if y < len(lines) else ()
        return paint.strip(self, line, self.size.width, "raised")

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(GoOnWanted(self.agent))
