"""How it stands with the daemon, as the status bar says it: lost, restarting, older, fine."""

from __future__ import annotations

from dataclasses import dataclass

from mato_panes.rendering.line import Line, Span, cells


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection of one workspace."""

    offline: str = ""
    """Why there is none; "" while there is one."""
    restarts: bool = False
    """There is none because the daemon is being restarted."""
    read_only: str = ""
    """Why nothing can be changed: the daemon is older. "" where all can be asked of it."""
    sandbox: str = ""
    """What commands run in on that machine: full, partial or none; "" where it is not known."""

    def line(self, key: Span, room: int, *, at_work: bool) -> Line:
        """What to say of it in so many cells; nothing where all is in order.

        `key` restarts the daemon; it is offered once no agent is `at_work`.
        """
        if self.offline:
            what = "the daemon restarts" if self.restarts else "reconnecting"
            return ((f"◌ disconnected, {what} …", "warning"),)
        if not self.read_only:
            return ()
        short: Line = (("read-only: an older daemon", "warning"),)
        if at_work:
            whole: Line = (*short, (", to be restarted when all are idle", "dim"))
        else:
            whole = (*short, (", ", "dim"), key, (" restarts it", "dim"))
        return whole if cells(whole) <= room else short


CONNECTED = Connection()
