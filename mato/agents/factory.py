"""Makes agents: one function for all kinds, so that the daemon knows none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from mato.agents.base import Agent, Given
from mato.agents.native.runtime import NativeAgent
from mato.models.sources import Models
from mato.sandbox.confinement import Confinement
from mato_sessions.errors import UsageError
from mato_sessions.events.agent import AgentKind, LaunchSpec


def build(
    kind: AgentKind,
    spec: LaunchSpec,
    given: Given,
    models: Models,
    instructions: str,
    confine: Callable[[], Confinement],
) -> Agent:
    """An agent that is not running yet: call its `run` as a branch of a TaskGroup.

    It takes up where the history that is given ends. `instructions` are those of a trusted folder;
    programs with agents of their own read them by themselves, and run in what `confine` gives.
    """
    match kind:
        case "native":
            return native(spec, given, models, instructions)
        case "acp":
            return acp(spec, given, confine)
        case "terminal":
            raise UsageError(f"this Mato starts no agents of the kind {kind!r}")
        case _:
            assert_never(kind)


def native(spec: LaunchSpec, given: Given, models: Models, instructions: str = "") -> NativeAgent:
    """An agent of Mato's own."""
    return NativeAgent(
        spec,
        given.sink,
        models,
        given.registry,
        given.workspace,
        given.clock,
        given.ids,
        given.env,
        given.redactor,
        instructions,
        given.history,
        given.take_up,
        given.policy,
    )


def acp(spec: LaunchSpec, given: Given, confine: Callable[[], Confinement]) -> Agent:
    """A program that speaks the Agent Client Protocol."""
    # The SDK's schema costs most of a second, which only who has such agents pays.
    from mato.agents.acp.agent import AcpAgent
    from mato.agents.acp.start import Start

    return AcpAgent(spec, given, Start(confine))
