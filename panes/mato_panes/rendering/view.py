"""How an entry is looked at: the width, what is unfolded, the time."""

from __future__ import annotations

from dataclasses import dataclass

from mato_panes.rendering.reply import Reply


@dataclass(frozen=True, slots=True)
class View:
    """What rendering an entry depends on besides the entry."""

    width: int
    """Cells of a line."""
    expanded: bool = False
    now_us: int = 0
    """The same clock as the events' mono_us."""
    focused: bool = False
    """Whether keys go to the transcript."""
    answering: Reply | None = None
    """The answer to a waiting call that is on its way; None: there is none."""
