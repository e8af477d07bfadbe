"""What the client knows, folded from events: transcripts of one session, summaries of all."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mato.protocol.methods import ListSessionsResult
from mato_sessions.catalog import Catalog, SessionSummary
from mato_sessions.events import (
    AgentReconfigured,
    AgentStateChanged,
    Event,
    ModelAsked,
    TurnQueued,
    TurnReturned,
)
from mato_sessions.events.agent import ANSWERS, silence
from mato_sessions.ledger import Total
from mato_sessions.pieces import Piece
from mato_sessions.transcript import Transcript


class Reader:
    """One view's account of which entries of a transcript it has yet to draw."""

    def __init__(self) -> None:
        self._changed: set[int] = set()

    def note(self, changed: list[int]) -> None:
        """These entries are new or different."""
        self._changed.update(changed)

    def take(self) -> list[int]:
        """What has changed since the last call, ascending."""
        taken = sorted(self._changed)
        self._changed.clear()
        return taken


@dataclass(frozen=True, slots=True)
class Wait:
    """An agent has asked its model, and nothing has come of the answer."""

    since_us: int
    """When it asked, by the clock of `mono_us`."""
    why: str = ""
    """What the model does meanwhile ("queued behind 2"), where it says so."""


class SessionStore:
    """One attached session: the transcripts of its agents, as the events and pieces make them."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.transcripts: dict[str, Transcript] = {}
        """By agent."""
        self.last_seq = 0
        self.dirty: set[str] = set()
        """Agents whose transcript has changed; who draws them takes them out."""
        self.waits: dict[str, Wait] = {}
        """By agent."""
        self._readers: dict[str, list[Reader]] = {}

    def apply(self, event: Event) -> None:
        """Take in the next event of the session; one that is known already changes nothing."""
        if event.session != self.session or event.seq <= self.last_seq:
            return
        self.last_seq = event.seq
        if event.agent is not None:
            self._await(event.agent, event)
            self.transcript(event.agent).apply(event)
            self.dirty.add(event.agent)
            return
        for agent, transcript in self.transcripts.items():
            transcript.apply(event)
            self.dirty.add(agent)

    def piece(self, piece: Piece) -> None:
        """Take in a live piece of a stream."""
        if piece.session == self.session:
            self.waits.pop(piece.agent, None)
            self.transcript(piece.agent).delta(piece)
            self.dirty.add(piece.agent)

    def _await(self, agent: str, event: Event) -> None:
        match event.body:
            case ModelAsked():
                self.waits[agent] = Wait(event.mono_us)
            case AgentStateChanged(state="working", evidence=why) if told := silence(why):
                # Also in the middle of an answer, where nothing was waited for a moment ago.
                what, since_s = told
                since_us = event.mono_us - int(since_s * 1_000_000)
                self.waits[agent] = Wait(since_us, what)
            case AgentStateChanged(state="working", evidence=why) if agent in self.waits:
                self.waits[agent] = Wait(self.waits[agent].since_us, "" if why == ANSWERS else why)
            case TurnQueued() | TurnReturned() | AgentReconfigured():
                pass
            case _:
                self.waits.pop(agent, None)

    def transcript(self, agent: str) -> Transcript:
        """The agent's transcript; an empty one where nothing is known of it yet."""
        found = self.transcripts.get(agent)
        if found is None:
            found = self.transcripts[agent] = Transcript(agent)
        return found

    def reader(self, agent: str) -> Reader:
        """A new view of the agent; several may show the same transcript.

        `take` it through `changed`, and give it back with `leave`.
        """
        reader = Reader()
        self._readers.setdefault(agent, []).append(reader)
        return reader

    def leave(self, agent: str, reader: Reader) -> None:
        """The view is gone."""
        self._readers[agent].remove(reader)

    def changed(self, agent: str, reader: Reader) -> list[int]:
        """Indices of the entries that this view has to draw again, ascending."""
        changed = self.transcript(agent).changed()
        if changed:
            for other in self._readers.get(agent, ()):
                other.note(changed)
        return reader.take()


class Overview:
    """All sessions of the daemon, as the listing and the events since make them."""

    def __init__(self) -> None:
        self._catalog = Catalog()
        self.dirty = False

    @property
    def sessions(self) -> dict[str, SessionSummary]:
        """By id, oldest first."""
        return {summary.id: summary for summary in self._catalog.sessions()}

    @property
    def position(self) -> int:
        """Of the newest event that is in here."""
        return self._catalog.position

    def load(self, result: ListSessionsResult) -> None:
        """Begin anew with what the daemon listed."""
        # The catalog counts tokens from its own ledger: it has to start from the listed totals.
        totals = {
            agent.id: Total(
                input=agent.input,
                output=agent.output,
                cached=agent.cached,
                reasoning=agent.reasoning,
                cost_usd=agent.cost_usd,
                unpriced=agent.unpriced,
            )
            for summary in result.sessions
            for agent in summary.agents
        }
        state = {
            "sessions": {summary.id: summary for summary in result.sessions},
            "ledger": {"agents": totals},
        }
        self._catalog.restore(msgspec.json.encode(state))
        self._catalog.position = result.position
        self.dirty = True

    def apply(self, event: Event) -> None:
        """Take in the next event of any session; one that is known already changes nothing."""
        if event.position <= self._catalog.position:
            return
        self._catalog.apply(event)
        self.dirty = self.dirty or bool(self._catalog.changed())
