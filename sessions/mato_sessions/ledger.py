"""The fold from usage reports to tokens and cost, of each agent and each session."""

from __future__ import annotations

import msgspec

from mato_sessions.events import Event, UsageReported


class Total(msgspec.Struct, kw_only=True):
    """Sums over model requests. `input` includes `cached`, `output` includes `reasoning`."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    cost_usd: float = 0.0
    """Of the requests whose price is known."""
    unpriced: int = 0
    """Requests whose price is not known: with any, the cost is a lower bound."""

    def add(self, body: UsageReported) -> None:
        """Count one request."""
        self.requests += 1
        self.input += body.input
        self.output += body.output
        self.cached += body.cached
        self.reasoning += body.reasoning
        if body.cost_usd is None:
            self.unpriced += 1
        else:
            self.cost_usd += body.cost_usd


class _State(msgspec.Struct):
    sessions: dict[str, Total] = {}
    agents: dict[str, Total] = {}
    seen: dict[str, list[str]] = {}
    """``REQUEST/ATTEMPT`` already counted, by session."""


class Ledger:
    """Tokens and cost over any number of sessions. It is a `Projection`."""

    def __init__(self) -> None:
        self._own(_State())

    def _own(self, state: _State) -> None:
        self._state = state
        self._seen = {session: set(names) for session, names in state.seen.items()}

    def apply(self, event: Event) -> None:
        """Count a usage report; the same request and attempt counts once."""
        body = event.body
        if not isinstance(body, UsageReported):
            return
        name = f"{body.request}/{body.attempt}"
        seen = self._seen.setdefault(event.session, set())
        if name in seen:
            return
        seen.add(name)
        self._state.seen.setdefault(event.session, []).append(name)
        self._state.sessions.setdefault(event.session, Total()).add(body)
        if event.agent is not None:
            self._state.agents.setdefault(event.agent, Total()).add(body)

    def session(self, session: str) -> Total:
        """All requests of a session."""
        return self._state.sessions.get(session) or Total()

    def agent(self, agent: str) -> Total:
        """All requests of an agent."""
        return self._state.agents.get(agent) or Total()

    def snapshot(self) -> bytes:
        """The whole state."""
        return msgspec.json.encode(self._state)

    def restore(self, data: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        self._own(msgspec.json.decode(data, type=_State))
