"""What must hold of agents that agents start: one for each call, begun with its task."""

from __future__ import annotations

from typing import Any

import msgspec

from mato_sessions.codec import Envelope


class _Agent(msgspec.Struct):
    session: str
    depth: int


class Kin:
    """The agents of a journal; every envelope with its body is noted, position ascending."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        """What the events show to be wrong."""
        self._agents: dict[str, _Agent] = {}
        self._running: dict[tuple[str, str], str | None] = {}
        """Session and call → its agent, from its start to its end."""
        self._started_by: set[tuple[str, str]] = set()
        self._due: tuple[str, str | None, str] | None = None
        """Session, agent and turn that must be queued next there."""

    def note(self, envelope: Envelope, body: dict[str, Any]) -> None:
        """Take the next event; `body` is its JSON."""
        if self._due is not None and envelope.session == self._due[0]:
            if (envelope.kind, envelope.agent, envelope.turn) != ("turn.queued", *self._due[1:]):
                self.broken.append(f"the agent {self._due[1]} was started without its task")
            self._due = None
        call = (envelope.session, str(body.get("call", "")))
        match envelope.kind:
            case "agent.spawned":
                self._spawned(envelope, body)
            case "tool.started":
                self._running[call] = envelope.agent
            case "tool.finished" | "tool.failed":
                self._running.pop(call, None)
            case _:
                pass

    def _spawned(self, envelope: Envelope, body: dict[str, Any]) -> None:
        agent, parent = envelope.agent or "", str(body.get("parent", ""))
        depth = int(body.get("depth", 0))
        self._agents[agent] = _Agent(envelope.session, depth)
        if not parent:
            return
        call = (envelope.session, str(body.get("call", "")))
        self._due = (envelope.session, envelope.agent, str(body.get("task", "")))
        if call in self._started_by:
            self.broken.append(f"the call {call[1]} started a second agent, {agent}")
        self._started_by.add(call)
        if self._running.get(call) != parent:
            self.broken.append(f"the agent {agent} was started by {call[1]}, which did not run")
        above = self._agents.get(parent)
        if above is None or above.session != envelope.session or depth != above.depth + 1:
            self.broken.append(f"the agent {agent} at depth {depth} has no parent one above")
