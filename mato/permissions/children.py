"""What an agent may hand on to those that it starts: never more than it has itself; pure."""

from __future__ import annotations

from typing import TypeVar

from mato_sessions.events.agent import LaunchSpec, Limits
from mato_sessions.events.session import Mode

_LOOSENESS: dict[Mode, int] = {"read": 0, "ask": 1, "edit": 2, "full": 3}
_Amount = TypeVar("_Amount", int, float)


def looser(mode: Mode, than: Mode) -> bool:
    """Whether a mode lets an agent do more than another one."""
    return _LOOSENESS[mode] > _LOOSENESS[than]


def stricter(one: Mode, other: Mode) -> Mode:
    """The one of two modes that lets an agent do less."""
    return other if looser(one, other) else one


def narrowed(spec: LaunchSpec, parent: LaunchSpec, mode: Mode) -> LaunchSpec:
    """`spec` without all that its parent does not have; `mode` is the parent's of now.

    Made anew and not changed: what nobody has thought of here, a child does not have.
    """
    return LaunchSpec(
        profile=spec.profile,
        model=spec.model,
        base_url=spec.base_url,
        model_source=spec.model_source,
        prompt=spec.prompt,
        mode=stricter(spec.mode, mode),
        cwd=parent.cwd,
        tools=tuple(tool for tool in spec.tools if tool in parent.tools),
        env_names=tuple(name for name in spec.env_names if name in parent.env_names),
        limits=_tighter(spec.limits, parent.limits),
        unconfined=parent.unconfined,
        mcp=_common(spec.mcp, parent.mcp),
    )


def _common(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The names that are in both; None stands for all."""
    if one is None or other is None:
        return other if one is None else one
    return tuple(name for name in one if name in other)


def _tighter(one: Limits, other: Limits) -> Limits:
    return Limits(
        model_calls=_least(one.model_calls, other.model_calls),
        tokens=_least(one.tokens, other.tokens),
        cost_usd=_least(one.cost_usd, other.cost_usd),
        wall_s=_least(one.wall_s, other.wall_s),
        first_chunk_s=min(one.first_chunk_s, other.first_chunk_s),
        silence_s=min(one.silence_s, other.silence_s),
    )


def _least(one: _Amount | None, other: _Amount | None) -> _Amount | None:
    """The smaller amount; None is no limit."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
