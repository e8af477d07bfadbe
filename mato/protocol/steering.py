"""Requests about agents that live: waiting for them, changing them, having looked at them."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from mato.protocol.request import Request
from mato_sessions.events.agent import AgentState
from mato_sessions.events.session import Mode


class Wait(Request, frozen=True, kw_only=True):
    """Wait until an agent (or every agent of the session) is in a state."""

    method: ClassVar[str] = "agent.wait"
    observes: ClassVar[bool] = True

    session: str
    agent: str = ""
    turn: str = ""
    """Count only states reached once this turn has started; for `ended`: this turn's end."""
    until: AgentState | Literal["ended"]
    """ended: idle, done, failed or stopped, with nothing queued."""
    timeout_s: float | None = None


class WaitResult(msgspec.Struct, frozen=True):
    states: dict[str, str]
    """Agent name → state."""
    reasons: dict[str, str]
    """Agent name → stop reason of its last ended turn, where there is one."""


Wait.Result = WaitResult


class Reconfigure(Request, frozen=True, kw_only=True):
    """Another model from the next turn on, or another mode from the next call on."""

    method: ClassVar[str] = "agent.reconfigure"

    session: str
    agent: str
    model: str = ""
    base_url: str = ""
    mode: Mode | None = None
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Looked(Request, frozen=True, kw_only=True):
    """A person has seen the end of this agent's last turn."""

    method: ClassVar[str] = "agent.looked"

    session: str
    agent: str
