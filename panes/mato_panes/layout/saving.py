"""When a changed arrangement is sent: once it has been left alone for a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mato_sessions.events.session import WindowNode

Windows = tuple[WindowNode, ...]


class Saving:
    """Sends the newest windows of one session at a time; what comes meanwhile is older.

    Of two clients that arrange at once the one that was sent last wins, whole.
    """

    def __init__(
        self,
        current: Callable[[], tuple[str, Windows]],
        send: Callable[[str, Windows], Awaitable[object]],
    ) -> None:
        """`current` gives the session and its windows as they are now."""
        self._current = current
        self._send = send
        self.unsent = False
        """The windows here are newer than those of the daemon."""

    def changed(self) -> bool:
        """The windows were changed here; True when `save` is to be called in a moment."""
        first = not self.unsent
        self.unsent = True
        return first

    async def save(self) -> None:
        """Send until what was sent is what there is."""
        sent: tuple[str, Windows] | None = None
        while self.unsent and (now := self._current()) != sent:
            await self._send(*now)
            sent = now
        self.unsent = False
