"""The fold from events to what a person reads of one agent: entries, oldest first.

Live pieces may be shown before they are journaled. They never decide anything: once a stream is
closed, the entries are what the events alone make of them. Entries that only live pieces have made
(`seq` 0) stand after all others and take their place when their first event comes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mato_sessions.answers import Answers
from mato_sessions.calls import Calls
from mato_sessions.entries import (
    AnyEntry,
    NoticeEntry,
    PlanEntry,
    PromptEntry,
    TurnEndEntry,
)
from mato_sessions.events import (
    AgentConnected,
    AgentDecided,
    AgentExited,
    AgentReconfigured,
    ArgumentsStreamed,
    Event,
    FileContested,
    ModelAnswered,
    ModelFailed,
    OutputStreamed,
    PermissionAnswered,
    PermissionAsked,
    PermissionGranted,
    PermissionRevoked,
    PlanUpdated,
    Purged,
    ReasoningStreamed,
    SessionRenamed,
    TextStreamed,
    ToolDescribed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    TurnUndone,
    Unknown,
    UnknownSaid,
)
from mato_sessions.events.model import INTERRUPTED
from mato_sessions.pieces import Piece
from mato_sessions.shelf import Shelf, origin
from mato_sessions.streams import Stream


class _Turn(msgspec.Struct):
    """The turn that runs, for its duration."""

    turn: str | None
    epoch: int
    started_us: int
    last_us: int
    """mono_us of the newest event in it by the daemon that started it."""


class _State(msgspec.Struct, kw_only=True):
    """What a snapshot holds."""

    session: str = ""
    entries: list[AnyEntry] = []
    streams: dict[str, Stream] = {}
    """Of answers that are open, by stream id."""
    outputs: dict[str, Stream] = {}
    """Of calls that run, by call."""
    closed: list[str] = []
    """Answers (``REQUEST/ATTEMPT``) of the current turn that are over."""
    running: _Turn | None = None


class Transcript:
    """The entries of one agent. Feed it the events of its session, seq ascending, and live pieces.

    Entries are changed in place; views only read them. It is a `Projection`.
    """

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self._own(_State())

    def _own(self, state: _State) -> None:
        self._state = state
        self._shelf = Shelf(state.entries)
        self._calls = Calls(self._shelf, state.outputs)
        self._answers = Answers(self._shelf, self._calls, state.streams, state.closed)

    @property
    def entries(self) -> list[AnyEntry]:
        """Oldest first. Not to be changed."""
        return self._state.entries

    def changed(self) -> list[int]:
        """Ascending indices of what is new or different since the last call.

        The list may have become shorter: drop what was drawn beyond its end. When entries moved,
        each index that shows another one now counts as changed.
        """
        return self._shelf.drain()

    def snapshot(self) -> bytes:
        """The whole state, open streams included."""
        # JSON, because arguments may hold integers that msgpack cannot.
        return msgspec.json.encode(self._state)

    def restore(self, data: bytes) -> None:
        """Take up a state that `snapshot` gave; every entry counts as changed."""
        self._own(msgspec.json.decode(data, type=_State))

    def apply(self, event: Event) -> None:
        """Take in the next event of the session."""
        if event.agent is None:
            self._session_event(event)
        elif event.agent == self.agent:
            self._agent_event(event)

    def delta(self, piece: Piece) -> None:
        """Show a live piece, unless it was shown already or its stream is over."""
        if piece.agent != self.agent or self._shelf.get(f"end/{piece.turn}") is not None:
            return
        if piece.kind == "output":
            self._calls.delta(piece)
        else:
            self._answers.delta(piece)

    # ---- events

    def _session_event(self, event: Event) -> None:
        if event.session != self._state.session:
            return
        match event.body:
            case SessionRenamed(name=name):
                self._notice(event, "info", f"the session is now called {name}")
            case Unknown():
                self._unknown(event)
            case _:
                pass

    def _agent_event(self, event: Event) -> None:
        self._state.session = event.session
        match event.body:
            case ReasoningStreamed() | TextStreamed() | ArgumentsStreamed() as body:
                self._answers.streamed(event, body)
            case ModelAnswered() as body:
                self._answers.answered(event, body)
            case ModelFailed() as body:
                self._failed(event, body)
            case (
                ToolProposed()
                | ToolDescribed()
                | ToolStarted()
                | OutputStreamed()
                | ToolFinished()
                | ToolFailed()
                | ToolUnknown()
            ) as body:
                self._calls.tool(event, body)
            case PermissionAsked() | PermissionAnswered() as body:
                self._calls.permission(event, body)
            case TurnQueued() | TurnReturned() | TurnPrompted() as body:
                self._prompt(event, body)
            case TurnEnded() as body:
                self._turn_ended(event, body)
            case PlanUpdated(items=items):
                key = f"plan/{event.turn}"
                plan = self._shelf.made(PlanEntry, key) or self._shelf.place(
                    PlanEntry(key=key, **origin(event), items=items)
                )
                plan.items = items
                self._shelf.touch(plan)
            case PermissionGranted(words=words):
                self._notice(event, "info", f"allowed for the session: {words}")
            case PermissionRevoked(grant=grant, by=by):
                self._notice(event, "info", f"{grant} allows nothing any more: {by}")
            case TurnUndone(files=files):
                self._notice(event, "info", f"undone, as before the turn: {', '.join(files)}")
            case FileContested(path=path, by=by):
                self._notice(event, "warning", f"{path} has been changed by {by} too")
            case AgentReconfigured() as body:
                self._notice(event, "info", _reconfigured(body))
            case AgentConnected(how="fresh") as body:
                self._notice(event, "warning", _fresh(body))
            case AgentDecided() as body:
                why = "it had been told no" if body.against else "it did not ask"
                self._notice(event, "warning", f"{body.title}: done by the agent itself; {why}")
            case UnknownSaid(what=what):
                text = f"the agent said something that this Mato does not know: {what}"
                self._notice(event, "info", text)
            case AgentExited(reason=reason):
                self._close_all()
                self._notice(event, "info", f"the agent has ended: {reason}")
            case Unknown():
                self._unknown(event)
            case Purged():
                key = f"purged/{event.turn}"
                if self._shelf.get(key) is None:
                    text = "what was said and done here has been purged"
                    self._shelf.place(
                        NoticeEntry(key=key, **origin(event), level="info", text=text)
                    )
            case _:
                pass  # States, requests, checkpoints and usage are shown elsewhere.
        running = self._state.running
        if running is not None and running.epoch == event.epoch:
            running.last_us = event.mono_us

    # ---- turns

    def _prompt(self, event: Event, body: TurnQueued | TurnReturned | TurnPrompted) -> None:
        key = f"prompt/{event.turn}"
        entry = self._shelf.made(PromptEntry, key)
        if isinstance(body, TurnPrompted):
            self._close_all()
            self._state.closed.clear()
            self._state.running = _Turn(event.turn, event.epoch, event.mono_us, event.mono_us)
            # A queued prompt is read where its turn starts.
            entry = self._shelf.place(
                PromptEntry(key=key, **origin(event), text=_text(body), status="sent")
            )
        elif isinstance(body, TurnQueued):
            entry = entry or self._shelf.place(
                PromptEntry(key=key, **origin(event), text="", status="queued")
            )
            entry.text = _text(body)
        else:
            entry = entry or self._shelf.place(
                PromptEntry(key=key, **origin(event), text="", status="returned")
            )
            entry.status = "returned"
            entry.note = body.reason
        self._shelf.touch(entry)

    def _turn_ended(self, event: Event, body: TurnEnded) -> None:
        self._close_all()
        running = self._state.running
        duration = 0
        if running is not None and running.turn == event.turn:
            # A turn that its daemon's end cut is closed by the next daemon, perhaps days later.
            here = running.epoch == event.epoch
            duration = (event.mono_us if here else running.last_us) - running.started_us
            self._state.running = None
        key = f"end/{event.turn}"
        entry = self._shelf.made(TurnEndEntry, key) or self._shelf.place(
            TurnEndEntry(key=key, **origin(event), reason="", detail="", duration_us=duration)
        )
        entry.reason = body.reason
        entry.detail = body.detail
        self._shelf.touch(entry)

    def _close_all(self) -> None:
        """Nothing goes on beyond the end of a turn."""
        self._answers.close_all()
        self._calls.close_all(self._state.entries)

    # ---- notices

    def _failed(self, event: Event, body: ModelFailed) -> None:
        self._answers.close(f"{body.request}/{body.attempt}", cut=True)
        if body.fault == INTERRUPTED:
            self._notice(event, "warning", f"asks again: {body.message}")
        elif body.retry_in_s is None:
            self._notice(event, "error", body.message)
        else:
            wait = f"{round(body.retry_in_s, 1):g}"
            self._notice(event, "warning", f"asks again in {wait} s: {body.message}")

    def _unknown(self, event: Event) -> None:
        text = f"an event that this Mato does not know: {event.kind} version {event.version}"
        self._notice(event, "warning", text)

    def _notice(self, event: Event, level: Literal["info", "warning", "error"], text: str) -> None:
        self._shelf.place(
            NoticeEntry(key=f"notice/{event.seq}", **origin(event), level=level, text=text)
        )


def _text(body: TurnQueued | TurnPrompted) -> str:
    return "\n".join(block.text for block in body.blocks)


def _fresh(body: AgentConnected) -> str:
    why = f" ({body.why})" if body.why else ""
    return (
        f"it could not take up its session {body.lost}{why}: it starts fresh and knows nothing of "
        "what was said above"
    )


def _reconfigured(body: AgentReconfigured) -> str:
    changes: list[str] = []
    if body.model is not None:
        source = f" ({body.model_source})" if body.model_source else ""
        changes.append(f"model {body.model}{source}")
    if body.base_url:
        changes.append(f"at {body.base_url}")
    if body.mode is not None:
        changes.append(f"mode {body.mode}")
    return "from the next turn on: " + (", ".join(changes) or "as before")
