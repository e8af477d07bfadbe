"""A stream of events that outlives its connection: it comes back with its cursors by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from mato.bus import is_fact
from mato.client.connection import Client
from mato.client.killing import insist
from mato.client.quick import SUCCESSOR_S
from mato.config.paths import Paths
from mato.protocol.frames import HEARTBEAT_S, EventFrame
from mato.protocol.methods import KillAll, Request, Shutdown, Subscribe, Welcome
from mato_sessions import codec
from mato_sessions.errors import DaemonError, MatoError, VersionMismatch
from mato_sessions.events import Event
from mato_sessions.pieces import Piece

SILENCE_S = 3 * HEARTBEAT_S
"""After so long without a heartbeat the daemon counts as gone."""
_QUICK_S = 6.0
_QUICK_DELAY_S = 0.25
_LONGEST_DELAY_S = 5.0


def delay_s(lost_s: float) -> float:
    """How long to wait before the next try, when there has been no connection for `lost_s`.

    Short while a restart may be under way, then longer and longer.
    """
    if lost_s < _QUICK_S:
        return min(0.1 + lost_s / 10, _QUICK_DELAY_S)
    return min(lost_s / _QUICK_S * _QUICK_DELAY_S, _LONGEST_DELAY_S)


@dataclass(frozen=True, slots=True)
class Connected:
    """The daemon answers; what was missed comes next."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Nothing comes any more, and why. The feed goes on trying."""

    reason: str
    restarts: bool = False
    """The daemon is being restarted."""
    stopped: bool = False
    """Somebody has stopped it, and nobody has said that another follows."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One frame, without what was given before."""

    events: tuple[Event, ...]
    """Of followed sessions: each session's seq ascending, no gaps."""
    facts: tuple[Event, ...]
    """For listings and the inbox: facts of all sessions after the feed's first position. Events of
    followed sessions are in both."""
    pieces: tuple[Piece, ...]
    """Live text of followed sessions; its offsets say what is new."""
    position: int


News = Connected | Disconnected | Arrived


class Feed:
    """Follows sessions, and the facts of all others, through lost connections and restarts.

    `position` is that of the listing which the facts are to continue; None: no facts.
    """

    def __init__(
        self,
        paths: Paths,
        *,
        position: int | None = None,
        sessions: Mapping[str, int] | None = None,
        client: str = "workspace",
    ) -> None:
        self._paths = paths
        self._name = client
        self._first = position
        self._position = position
        self._followed = dict(sessions or {})
        self._facts: dict[str, int] = {}
        self._connection: Client | None = None
        self._restarts = False

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def cursors(self) -> dict[str, int]:
        """Followed session → seq of its newest event given."""
        return dict(self._followed)

    def follow(self, session: str, after: int = 0) -> None:
        """Give everything of this session after `after` from now on."""
        self._followed[session] = after
        self._subscribe()

    def unfollow(self, session: str) -> None:
        if self._followed.pop(session, None) is not None:
            self._subscribe()

    async def request(self, request: Request) -> Any:
        """Ask the daemon over the feed's connection, while somebody reads `news`.

        Raises:
            MatoError: as `Client.request`.
        """
        if self._connection is None:
            raise DaemonError("not connected to the daemon; it is being tried again")
        answer = self._connection.request(request)
        return await (insist(self._paths, answer) if isinstance(request, KillAll) else answer)

    async def restart(self) -> None:
        """Have the daemon end in good order; the reader of `news` then starts its successor.

        Raises:
            MatoError: as `request`.
        """
        self._restarts = True
        try:
            await self.request(Shutdown(restart=True))
        except MatoError:
            self._restarts = False
            raise

    async def news(self) -> AsyncGenerator[News]:
        """Everything that comes, for ever; one reader. Close it to close the connection.

        A daemon that died is started again. One that said goodbye (it was stopped) is only waited
        for: who stopped it decides when it runs again. One that restarts is waited for too, and
        started when its successor does not come.

        Raises:
            VersionMismatch: the daemon that runs now is newer; no use in trying again.
        """
        now_s = asyncio.get_running_loop().time
        start, restarts, lost_at_s = True, False, now_s()
        while True:
            lost_s = now_s() - lost_at_s
            try:
                client = await Client.connect(
                    self._paths, self._name, start=start or (restarts and lost_s > SUCCESSOR_S)
                )
            except VersionMismatch:
                raise
            except MatoError as error:  # of the connection, or of a daemon that could not start
                yield Disconnected(str(error), restarts)
                await asyncio.sleep(delay_s(now_s() - lost_at_s))
                continue
            reason: str
            heard = False
            try:
                self._connection = client
                self._subscribe()
                yield Connected(client.welcome)
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        sign = await client.sign()
                    heard = True
                    if isinstance(sign, EventFrame):
                        yield self._sift(sign)
            except TimeoutError:
                reason = "the daemon is silent"
            except DaemonError as error:
                reason = str(error)
            finally:
                self._connection = None
                farewell = client.goodbye
                await client.close()
            start = farewell is None or self._restarts
            restarts = self._restarts or (farewell is not None and farewell.restart)
            self._restarts = False
            if heard:
                lost_at_s = now_s()
            yield Disconnected(reason, restarts, stopped=not start and not restarts)
            await asyncio.sleep(delay_s(now_s() - lost_at_s))

    def _subscribe(self) -> None:
        if self._connection is not None:
            self._connection.post(Subscribe(position=self._position, sessions=dict(self._followed)))

    def _sift(self, frame: EventFrame) -> Arrived:
        events: list[Event] = []
        facts: list[Event] = []
        for raw in frame.events:
            event = codec.unpack(raw)
            # Only the very next one: while a new subscription replaces the former, frames of the
            # former still arrive, and a fact from them must not hide the history before it.
            if event.seq == self._followed.get(event.session, event.seq) + 1:
                self._followed[event.session] = event.seq
                events.append(event)
            if self._is_new_fact(event):
                self._facts[event.session] = event.seq
                facts.append(event)
        pieces = tuple(piece for piece in frame.pieces if piece.session in self._followed)
        if self._position is not None:
            self._position = max(self._position, frame.position)
        return Arrived(tuple(events), tuple(facts), pieces, frame.position)

    def _is_new_fact(self, event: Event) -> bool:
        if self._first is None or event.position <= self._first:
            return False
        return is_fact(event.kind) and event.seq > self._facts.get(event.session, 0)
