"""What waits for a person: in which order, what is the same, and what has been put off; pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from mato_sessions.catalog import PendingCall, SessionSummary
from mato_sessions.events.permission import Action

GRAVITY: dict[Action, int] = {
    "execute": 0,
    "reach": 0,
    "write": 1,
    "spawn": 2,
    "read": 3,
    "note": 4,
}
"""What cannot be undone comes first, as in `mato inbox`."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that waits, and what is known around it."""

    call: PendingCall
    session_name: str
    kind: str
    """Of its agent, with the profile: equal requests come from equal agents."""
    cwd: str = ""

    @property
    def who(self) -> str:
        """Its agent, as people name it."""
        return f"{self.session_name}:{self.call.agent_name}"


def everything(sessions: Iterable[SessionSummary]) -> list[Waiting]:
    """All that waits: what cannot be undone first, then the oldest."""
    found = [
        Waiting(call, session.name, f"{agent.kind}/{agent.profile}", session.cwd)
        for session in sessions
        if not session.archived
        for agent in session.agents
        for call in agent.pending
    ]
    return sorted(found, key=lambda each: (GRAVITY[each.call.action], each.call.position))


def sameness(waiting: Waiting) -> Hashable:
    """Equal for requests that ask for the same: one look at one of them is a look at all.

    Whose content differs is not the same, whatever it is about; nor is what was cut off.
    """
    call = waiting.call
    if call.question == "recovery":
        return call.call
    resource = normal(call.action, call.resource)
    rest = {name: value for name, value in call.arguments.items() if value != call.resource}
    said = json.dumps(rest, sort_keys=True, default=str)
    seen = call.why, call.private, call.untrusted, call.lasting
    return waiting.kind, *seen, call.tool, call.action, resource, said, call.preview


def normal(action: Action, resource: str) -> str:
    """The resource without differences that mean nothing, where that is certain."""
    if action == "execute":
        if re.search(r"[\"'\\`$\n\r#<]", resource):
            return resource  # there, blanks may mean something
        return re.sub(r"[ \t]+", " ", resource).strip(" \t")
    if action in ("reach", "spawn"):
        return resource  # an address, or a task: no path
    return posixpath.normpath(resource) if resource else ""


def groups(waiting: Iterable[Waiting]) -> list[list[Waiting]]:
    """Equal requests together, in the order of their first ones."""
    found: dict[Hashable, list[Waiting]] = {}
    for each in waiting:
        found.setdefault(sameness(each), []).append(each)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Off:
    """How long a call is put off."""

    until_us: int | None
    """None: until something waits that is not among `known`."""
    known: frozenset[str]


class Later:
    """Calls that a person has put off: they go on waiting, and are answered by nobody."""

    def __init__(self) -> None:
        self._off: dict[str, _Off] = {}

    def put_off(
        self, calls: Iterable[str], waiting: Iterable[str], until_us: int | None = None
    ) -> None:
        """Hide the calls until then; without a time, until something else than `waiting` waits."""
        known = frozenset(waiting)
        for call in calls:
            self._off[call] = _Off(until_us, known)

    def bring_back(self) -> None:
        """Nothing is put off any more."""
        self._off.clear()

    def hidden(self, waiting: Sequence[str], now_us: int) -> frozenset[str]:
        """Those of what waits now that are put off; whose time has come is not any more."""
        now = frozenset(waiting)
        self._off = {
            call: off
            for call, off in self._off.items()
            if call in now and (now <= off.known if off.until_us is None else now_us < off.until_us)
        }
        return frozenset(self._off)
