"""What a child gets from the agent that starts it: its launch spec, its name, a pane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from mato.daemon import layout, names
from mato.daemon.launch import Ground
from mato.permissions.children import narrowed, stricter
from mato.protocol.methods import AgentWish
from mato.sandbox.hole import within
from mato.tools.spawn import Errand
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import UsageError
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.session import WindowNode
from mato_sessions.ids import Ids


def spec_of(
    ground: Ground,
    errand: Errand,
    spec: LaunchSpec,
    parent: AgentSummary,
    env: Mapping[str, str],
) -> LaunchSpec:
    """What the child is started with. Its model is the parent's where its profile names none.

    Raises:
        MatoError: there is no such profile, or it cannot be started.
    """
    profile = ground.profiles.get(errand.profile)
    if profile.kind != "native":
        raise UsageError(
            f"{errand.profile!r} is a program with an agent of its own, and nothing here can keep "
            "that within what you may do; choose another profile"
        )
    mode = stricter(profile.mode or parent.mode, parent.mode)
    wish = AgentWish(profile=errand.profile, mode=mode, unconfined=spec.unconfined)
    if not profile.model:
        wish = replace(wish, model=parent.model, base_url=parent.base_url)
    _, wished = ground.spec(wish, mode, env)
    if not profile.model:  # it is the parent's choice, wherever that came from
        wished = replace(wished, model_source=parent.model_source)
    less = narrowed(wished, spec, parent.mode)
    return replace(less, hole=within(wished.hole, spec.hole))


def standing_over(agents: Sequence[AgentSummary]) -> tuple[str, ...]:
    """All names by which rules may know these agents: their own, and those of their profiles."""
    return tuple(dict.fromkeys(name for each in agents for name in (each.name, each.profile)))


def name_of(session: SessionSummary, errand: Errand, profile: str) -> str:
    """What the child is called.

    Raises:
        UsageError: the wanted name is none, or taken.
    """
    taken = [each.name for each in session.agents]
    if errand.name:
        return names.check("agent", errand.name, taken)
    return names.number(names.check("agent", profile), taken)


def with_pane(
    session: SessionSummary, parent: AgentSummary, agent: str, ids: Ids
) -> tuple[WindowNode, ...]:
    """The windows with a pane for the child."""
    siblings = {each.id for each in session.agents if each.parent == parent.id}
    ended = {each.id for each in session.agents if each.id in siblings and each.state == "stopped"}
    return layout.joined(session.windows, siblings, ended, agent, f"{parent.name}'s", ids)
