"""What comes from the daemon goes into the folds, and whoever draws is told that something came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

from mato.client.feed import Arrived, Connected, Disconnected, News
from mato.protocol.methods import Request
from mato.protocol.version import read_only
from mato_panes.connection import CONNECTED, Connection
from mato_panes.store import Overview, SessionStore
from mato_panes.widgets.states import RUNNING
from mato_sessions.events.session import SessionArranged, WindowNode


class Link(Protocol):
    """The daemon, as a workspace needs it: `mato.client.feed.Feed`, or a fake in memory."""

    def follow(self, session: str, after: int = 0) -> None: ...

    def unfollow(self, session: str) -> None: ...

    async def request(self, request: Request) -> Any: ...

    async def restart(self) -> None: ...

    def news(self) -> AsyncGenerator[News]: ...


class Reading:
    """The folds of one workspace: all sessions in outline, one of them in full."""

    def __init__(
        self,
        link: Link,
        overview: Overview,
        session: str,
        *,
        changed: Callable[[], None],
        arranged: Callable[[tuple[WindowNode, ...]], None],
    ) -> None:
        """`changed` is called after each arrival, `arranged` with the windows of the session."""
        self.overview = overview
        self.store = SessionStore(session)
        self.connection = CONNECTED
        self._link = link
        self._news: AsyncGenerator[News] | None = None
        self._changed = changed
        self._arranged = arranged

    def at_work(self) -> list[str]:
        """Names of the agents, of all sessions, that have a turn."""
        return [
            agent.name
            for session in self.overview.sessions.values()
            for agent in session.agents
            if agent.state in RUNNING
        ]

    def attach(self, session: str) -> None:
        """Read this session in full instead of the one before."""
        if session != self.store.session:
            self._link.unfollow(self.store.session)
            self.store = SessionStore(session)
            self._link.follow(session)

    async def begin(self, within_s: float) -> None:
        """Read the session's past, for so long at most; call it before `run`, or not at all.

        Nobody is told: a first picture that is drawn afterwards has it.

        Raises:
            VersionMismatch: the daemon that runs now is another version.
        """
        self._news = self._link.news()
        try:
            async with asyncio.timeout(within_s):
                async for news in self._news:
                    self._take(news)
                    known = self.overview.sessions.get(self.store.session)
                    if known is None or self.store.last_seq >= known.seq:
                        return
        except TimeoutError:
            self._news = None  # it was ended where it waited

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            VersionMismatch: the daemon that runs now is another version.
        """
        async for news in self._news or self._link.news():
            self._take(news)
            if isinstance(news, Arrived):
                for event in news.facts:
                    # Facts only: what the replayed past of a session once arranged is over.
                    here = event.session == self.store.session
                    if here and isinstance(event.body, SessionArranged):
                        self._arranged(event.body.windows)
            self._changed()

    def _take(self, news: News) -> None:
        match news:
            case Connected(welcome=welcome):
                why = read_only(welcome.mato[:40], welcome.protocol)
                self.connection = Connection(read_only=why, sandbox=welcome.sandbox)
            case Disconnected(reason=reason, restarts=restarts):
                self.connection = Connection(reason or "no connection", restarts)
            case Arrived():
                self._fold(news)

    def _fold(self, news: Arrived) -> None:
        for event in news.events:
            self.store.apply(event)
        for event in news.facts:
            self.overview.apply(event)
        for piece in news.pieces:
            self.store.piece(piece)
