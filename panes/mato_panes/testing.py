"""A daemon in memory: enough of it for tests of the workspace, and for pictures of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from msgspec.structs import replace

from mato.client.feed import Arrived, Connected, Disconnected, News
from mato.protocol.deciding import Decided
from mato.protocol.methods import (
    AgentNames,
    AgentRef,
    Answer,
    Arrange,
    Blob,
    BlobResult,
    FolderStanding,
    History,
    HistoryResult,
    Kill,
    KillAll,
    KillAllResult,
    ListSessionsResult,
    LookAtFolder,
    Looked,
    Profiles,
    ProfilesResult,
    ProfileSummary,
    Prompt,
    PromptResult,
    Reconfigure,
    RenameSession,
    Request,
    Resume,
    Shutdown,
    Spawn,
    Stop,
    TrustFolder,
    Undo,
    UndoResult,
    Welcome,
)
from mato.protocol.version import PROTOCOL, READABLE, read_only
from mato_sessions.catalog import Catalog
from mato_sessions.clock import ManualClock
from mato_sessions.errors import MatoError, ReadOnly
from mato_sessions.events import (
    AgentExited,
    AgentReconfigured,
    AgentSpawned,
    AgentStateChanged,
    Body,
    Event,
    PermissionAnswered,
    PermissionGranted,
    SessionArranged,
    SessionOpened,
    SessionRenamed,
    TurnPrompted,
)
from mato_sessions.events.agent import AgentState, LaunchSpec
from mato_sessions.events.session import Mode, WindowNode
from mato_sessions.events.turn import TextBlock
from mato_sessions.pieces import Piece

PROFILES = (
    ProfileSummary("coder", "native", "Writes code.", "", "ask", ("read", "edit"), "built-in", ()),
    ProfileSummary(
        "reviewer", "native", "Reads and judges.", "", "read", ("read",), "built-in", ()
    ),
)


class FakeDaemon:
    """A `Link` whose events are made by the test; it answers what a workspace asks."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.catalog = Catalog()
        self.asked: list[Request] = []
        """Every request, oldest first."""
        self.refusal: MatoError | None = None
        """Raised instead of the next answer."""
        self.broken_profiles: tuple[str, ...] = ()
        """Sentences that come with the profiles."""
        self.standing = FolderStanding(
            folder="/home/ada/parser", state="trusted", sentence="", files=(), digest="", whole=True
        )
        """Of every folder."""
        self.undo = UndoResult(session="here", agent="coder", turn="t1", files=())
        self.decided: tuple[Decided, ...] = ()
        self.blobs: dict[str, str] = {}
        self.events: dict[str, list[Event]] = {}
        self.protocol = PROTOCOL
        self.sandbox = ""
        """The tier that it tells."""
        """That it speaks from the next connection on."""
        self._position = 0
        self._followed: dict[str, int] = {}
        self._news: asyncio.Queue[News] = asyncio.Queue()
        self._names = 0

    # Made by the test

    def emit(
        self, session: str, *bodies: Body, agent: str | None = None, turn: str | None = None
    ) -> None:
        """Facts of a session, as one arrival."""
        made: list[Event] = []
        for body in bodies:
            self._position += 1
            past = self.events.setdefault(session, [])
            event = Event(
                position=self._position,
                session=session,
                seq=len(past) + 1,
                at_us=self.clock.wall_us(),
                mono_us=self.clock.mono_us(),
                boot=self.clock.boot(),
                epoch=1,
                agent=agent,
                turn=turn,
                cause=None,
                kind=body.kind,
                version=body.version,
                body=body,
                hash=bytes(32),
            )
            past.append(event)
            made.append(event)
            self.catalog.apply(event)
        followed = tuple(made) if session in self._followed else ()
        self._news.put_nowait(Arrived(followed, tuple(made), (), self._position))

    def stream(self, *pieces: Piece) -> None:
        """Live pieces, as one arrival."""
        self._news.put_nowait(Arrived((), (), pieces, self._position))

    def lose(self, reason: str = "lost the daemon", *, restarts: bool = False) -> None:
        self._news.put_nowait(Disconnected(reason, restarts))

    def come_back(self) -> None:
        welcome = Welcome(self.protocol, "0.1.0", 1, 1, self._position, self.sandbox)
        self._news.put_nowait(Connected(welcome))

    def open_session(self, session: str, name: str = "", cwd: str = "/home/ada/parser") -> None:
        self.emit(
            session,
            SessionOpened(name=name or session, cwd=cwd, mode="ask", trusted=False, mato="test"),
        )

    def spawn(
        self,
        session: str,
        agent: str,
        name: str = "",
        *,
        state: AgentState = "idle",
        model: str = "scripted",
        mode: Mode = "ask",
    ) -> None:
        spec = LaunchSpec(profile="coder", model=model, model_source="test", mode=mode)
        self.emit(
            session,
            AgentSpawned(name=name or agent, agent_kind="native", spec=spec),
            AgentStateChanged(state=state, evidence="test"),
            agent=agent,
        )

    def state(self, session: str, agent: str, state: AgentState) -> None:
        self.emit(session, AgentStateChanged(state=state, evidence="test"), agent=agent)

    def arrange(self, session: str, *windows: WindowNode) -> None:
        self.emit(session, SessionArranged(windows=windows))

    def listing(self) -> ListSessionsResult:
        return ListSessionsResult(tuple(self.catalog.sessions()), self._position)

    def requests(self, kind: type[Request]) -> Sequence[Any]:
        """What was asked of one kind."""
        return [request for request in self.asked if isinstance(request, kind)]

    def begin(self, session: str) -> None:
        """Forget what nobody has read, and give the past of `session` to who comes now."""
        self._news = asyncio.Queue()
        self._followed = {}
        self.follow(session)

    # A `Link`

    def follow(self, session: str, after: int = 0) -> None:
        self._followed[session] = after
        past = tuple(event for event in self.events.get(session, ()) if event.seq > after)
        self._news.put_nowait(Arrived(past, (), (), self._position))

    def unfollow(self, session: str) -> None:
        self._followed.pop(session, None)

    async def news(self) -> AsyncGenerator[News]:
        self.come_back()
        while True:
            yield await self._news.get()

    async def restart(self) -> None:
        await self.request(Shutdown(restart=True))

    async def request(self, request: Request) -> Any:
        self.asked.append(request)
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal
        why = read_only("0.1.0", self.protocol)
        if why and request.method not in READABLE:
            raise ReadOnly(why)
        return self._answer(request)

    def _answer(self, request: Request) -> Any:
        match request:
            case Shutdown():
                self.lose("the daemon restarts", restarts=request.restart)
            case Arrange():
                self.emit(request.session, SessionArranged(windows=request.windows))
            case RenameSession():
                self.emit(request.session, SessionRenamed(name=request.name))
            case Profiles():
                return ProfilesResult(PROFILES, self.broken_profiles)
            case Spawn():
                self._names += 1
                agent = f"spawned{self._names}"
                name = request.agent.profile
                self.spawn(request.session, agent, name)
                return AgentRef(agent, name, "native")
            case Prompt():
                self._names += 1
                turn = f"turn{self._names}"
                prompted = TurnPrompted(blocks=(TextBlock(request.text),))
                self.emit(request.session, prompted, agent=request.agent, turn=turn)
                self.state(request.session, request.agent, "working")
                return PromptResult(turn)
            case Kill():
                self.emit(request.session, AgentExited(reason="killed"), agent=request.agent)
                self.state(request.session, request.agent, "stopped")
                return AgentNames((request.agent,))
            case KillAll():
                living = [
                    (session, agent)
                    for session in self.catalog.sessions()
                    for agent in session.agents
                    if agent.state != "stopped"
                ]
                for session, agent in living:
                    self.emit(session.id, AgentExited(reason="killed"), agent=agent.id)
                    self.state(session.id, agent.id, "stopped")
                return KillAllResult(tuple(f"{s.name}:{a.name}" for s, a in living))
            case LookAtFolder():
                return self.standing
            case TrustFolder():
                self.standing = replace(self.standing, state="trusted", sentence="")
                return self.standing
            case Undo():
                return self._undone(request)
            case History():
                return HistoryResult(self.decided, complete=True)
            case Resume():
                self.state(request.session, request.agent, "working")
                return AgentNames((request.agent,))
            case Stop():
                return AgentNames((request.agent,))
            case Reconfigure():
                changed = AgentReconfigured(model=request.model or None, mode=request.mode)
                self.emit(request.session, changed, agent=request.agent)
            case Looked():
                self.state(request.session, request.agent, "idle")
            case Answer():
                self._decide(request)
            case Blob():
                return BlobResult(self.blobs[request.sha256])
            case _:
                raise MatoError(f"the daemon in memory does not know {request.method}")
        return None

    def _undone(self, request: Undo) -> UndoResult:
        files = [
            replace(each, state="undone")
            if request.apply and each.path in (request.files or ()) and each.state == "changed"
            else each
            for each in self.undo.files
        ]
        self.undo = replace(self.undo, turn=request.turn or self.undo.turn, files=tuple(files))
        return self.undo

    def _decide(self, answer: Answer) -> None:
        for call in self.catalog.pending():
            if call.call == answer.call:
                if answer.scope == "session":
                    granted = PermissionGranted(
                        grant="g-1",
                        call=call.call,
                        action=call.action,
                        patterns=call.patterns,
                        words=call.lasting,
                        by=answer.rule,
                        expires_us=2**62,
                    )
                    self.emit(call.session, granted, agent=call.agent, turn=call.turn)
                body = PermissionAnswered(
                    call=call.call,
                    allowed=answer.allowed,
                    by="person",
                    rule=answer.rule,
                    decision=answer.decision,
                )
                self.emit(call.session, body, agent=call.agent, turn=call.turn)
                self.state(call.session, call.agent, "working")
