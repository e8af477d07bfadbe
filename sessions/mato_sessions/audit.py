"""Who allowed what: the fold from the facts to every decision about a call, and every grant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Literal, TypedDict

import msgspec
from msgspec.structs import replace

from mato_sessions.events import (
    AgentSpawned,
    Event,
    PermissionAnswered,
    PermissionAsked,
    PermissionGranted,
    PermissionRevoked,
    SessionOpened,
    SessionRenamed,
    ToolProposed,
    TurnEnded,
)
from mato_sessions.events.permission import Action, By, Decision
from mato_sessions.rows import COLUMNS, FACTS, as_event


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, or one grant that was given or taken back."""

    position: int
    at_us: int
    session: str
    agent: str
    turn: str | None
    what: Literal["allowed", "denied", "granted", "revoked"]
    by: By
    rule: str
    """Why, for people: the mode, the rule, the grant, or who said so and where."""
    call: str = ""
    tool: str = ""
    action: Action | None = None
    """None where nobody was asked, and the journal has only what it is called."""
    about: str = ""
    """The path or command line; of a call that nobody was asked about its title."""
    why: str = ""
    """What made it ask; "" where nobody was asked."""
    private: bool = False
    untrusted: bool = False
    """What the agent had seen."""
    decision: Decision | None = None
    """Of a call that was cut off."""
    grant: str = ""
    words: str = ""
    """Of a grant: what it covers."""
    expires_us: int = 0


class _Origin(TypedDict):
    position: int
    at_us: int
    session: str
    agent: str
    turn: str | None


class _Call(msgspec.Struct, frozen=True):
    """What is known of a call that nobody has decided yet."""

    turn: str | None
    tool: str
    about: str
    asked: PermissionAsked | None = None


class Audit:
    """Given the facts of one session or of all in their order, says what was decided."""

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        """Session → its name."""
        self.agents: dict[str, tuple[str, str]] = {}
        """Agent → its session, and its name."""
        self._open: dict[tuple[str, str], _Call] = {}
        self._words: dict[str, str] = {}
        # Of the grants, by grant.

    def apply(self, event: Event) -> Decided | None:
        """What this fact decides."""
        body = event.body
        match body:
            case SessionOpened(name=name) | SessionRenamed(name=name):
                self.sessions[event.session] = name
            case AgentSpawned(name=name) if event.agent is not None:
                self.agents[event.agent] = (event.session, name)
            case ToolProposed():
                self._open[event.session, body.call] = _Call(event.turn, body.name, body.title)
            case PermissionAsked():
                key = (event.session, body.call)
                known = self._open.get(key) or _Call(event.turn, body.tool, body.resource)
                self._open[key] = replace(known, asked=body)
            case PermissionAnswered():
                return self._answered(event, body)
            case PermissionGranted():
                self._words[body.grant] = body.words
                return self._granted(event, body)
            case PermissionRevoked():
                return Decided(
                    **_origin(event),
                    what="revoked",
                    by="person",
                    rule=body.by,
                    grant=body.grant,
                    words=self._words.get(body.grant, ""),
                )
            case TurnEnded():
                gone = [key for key, each in self._open.items() if each.turn == event.turn]
                for key in gone:
                    del self._open[key]
            case _:
                pass
        return None

    def _answered(self, event: Event, body: PermissionAnswered) -> Decided:
        # Kept: a call that is cut off later is decided a second time.
        known = self._open.get((event.session, body.call)) or _Call(event.turn, "", "")
        found = Decided(
            **_origin(event),
            what="allowed" if body.allowed else "denied",
            by=body.by,
            rule=body.rule,
            call=body.call,
            tool=known.tool,
            about=known.about,
            private=body.private,
            untrusted=body.untrusted,
            decision=body.decision,
            grant=body.grant,
            words=self._words.get(body.grant, ""),
        )
        asked = known.asked
        if asked is None:
            return found
        return replace(
            found,
            action=asked.action,
            about=asked.resource or known.about,
            why=asked.why,
            private=asked.private,
            untrusted=asked.untrusted,
        )

    def _granted(self, event: Event, body: PermissionGranted) -> Decided:
        known = self._open.get((event.session, body.call)) or _Call(event.turn, "", "")
        return Decided(
            **_origin(event),
            what="granted",
            by="person",
            rule=body.by,
            call=body.call,
            tool=known.tool,
            action=body.action,
            about=known.about,
            grant=body.grant,
            words=body.words,
            expires_us=body.expires_us,
        )


def _origin(event: Event) -> _Origin:
    return {
        "position": event.position,
        "at_us": event.at_us,
        "session": event.session,
        "agent": event.agent or "",
        "turn": event.turn,
    }


def facts(connection: sqlite3.Connection) -> Iterator[Event]:
    """The facts of a journal's file, position ascending."""
    for row in connection.execute(f"{COLUMNS} WHERE true{FACTS} ORDER BY e.position"):
        yield as_event(row)


def newest(connection: sqlite3.Connection) -> int:
    """The position of the newest event, 0 where there is none."""
    [(position,)] = connection.execute("SELECT coalesce(max(position), 0) FROM envelope")
    return position


def decisions(audit: Audit, events: Iterable[Event]) -> Iterator[Decided]:
    """What was decided, oldest first; `audit` has all names at the end."""
    for event in events:
        if (found := audit.apply(event)) is not None:
            yield found
