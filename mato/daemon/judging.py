"""The policy of an agent, from what rules, trust and settings say about its folder now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mato.config.paths import Paths
from mato.config.settings import Sandboxing
from mato.permissions.desk import Policy
from mato.permissions.grants import Standing
from mato.permissions.reading import rules
from mato.permissions.taint import Taint
from mato.sandbox.hole import widened
from mato.sandbox.sandbox import Sandbox
from mato_sessions.events import AgentSpawned
from mato_sessions.events.agent import Hole, LaunchSpec


def bare(sandbox: Sandbox, spec: LaunchSpec, wanted: Sandboxing) -> bool:
    """Whether nothing is around commands and nobody said that this is wanted."""
    nothing = wanted.tier == "none" or sandbox.offer().tier == "none"
    return nothing and not (spec.unconfined or wanted.unconfined)


def hole(sandbox: Sandbox, spec: LaunchSpec, wanted: Sandboxing) -> Hole:
    """What is open to an agent's processes, by its profile and by the settings.

    Raises:
        ConfigError: the tier that the settings want does not work here.
    """
    return widened(spec.hole, wanted.network if sandbox.tier(wanted.tier) == "full" else ())


def policy(
    paths: Paths,
    sandbox: Sandbox,
    spawned: AgentSpawned,
    session: str,
    wanted: Sandboxing,
    trusted: bool,
    standing: Callable[[], Standing],
) -> Policy:
    """What holds for an agent. Reads files.

    Raises:
        ConfigError: the rules cannot be read.
    """
    spec = spawned.spec
    return Policy(
        rules(paths, Path(spec.cwd)),
        agent=spec.profile,
        # A child's name is its parent's choice: it may tighten, and never allow by itself.
        name="" if spawned.parent else spawned.name,
        above=(spawned.name, *spawned.above) if spawned.parent else (),
        session=session,
        tier=sandbox.tier(wanted.tier),
        bare=bare(sandbox, spec, wanted),
        watched=not (spec.unconfined or wanted.unconfined),
        seen=Taint(spawned.private, spawned.untrusted or not trusted),
        folder=spec.cwd,
        networked=bool(hole(sandbox, spec, wanted).network),
        standing=standing,
    )
