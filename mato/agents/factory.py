"""Makes agents: one function for all kinds, so that the daemon knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from mato.agents.base import Agent, Sink, TakeUp
from mato.agents.native.runtime import NativeAgent
from mato.models.sources import Models
from mato.permissions.desk import Policy
from mato.tools.base import Registry
from mato.tools.workspace import Workspace
from mato_sessions.clock import Clock
from mato_sessions.events import Event
from mato_sessions.events.agent import AgentKind, LaunchSpec
from mato_sessions.ids import Ids
from mato_sessions.redact import Redactor


def build(
    kind: AgentKind,
    spec: LaunchSpec,
    sink: Sink,
    models: Models,
    registry: Registry,
    workspace: Workspace,
    clock: Clock,
    ids: Ids,
    env: Callable[[], Mapping[str, str]],
    redactor: Redactor,
    trusted_instructions: str = "",
    history: Sequence[Event] = (),
    take_up: TakeUp | None = None,
    policy: Policy | None = None,
) -> Agent:
    """An agent that is not running yet: call its `run` as a branch of a TaskGroup.

    With `history` (the session's events so far, with its `agent.spawned`) it takes up where the
    journal ends; what is open there goes on as `take_up` says. The workspace stays the caller's
    to close.
    """
    match kind:
        case "native":
            return NativeAgent(
                spec,
                sink,
                models,
                registry,
                workspace,
                clock,
                ids,
                env,
                redactor,
                trusted_instructions,
                history,
                take_up,
                policy,
            )
        case _:
            assert_never(kind)
