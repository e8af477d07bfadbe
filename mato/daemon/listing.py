"""Agent profiles as clients are told of them."""

from __future__ import annotations

from collections.abc import Sequence

from mato.agents.profile import Profile, Profiles
from mato.config.load import VARIABLES
from mato.protocol.methods import ProfilesResult, ProfileSummary
from mato.sandbox.hole import tell


def listed(found: Profiles, named: Sequence[str]) -> ProfilesResult:
    """All profiles; `named` are variables that the settings hand to every agent's tools."""
    sound = tuple(_summary(each, named) for each in found.sound.values())
    return ProfilesResult(sound, tuple(found.broken.values()))


def _summary(each: Profile, named: Sequence[str]) -> ProfileSummary:
    return ProfileSummary(
        name=each.name,
        kind=each.kind,
        description=each.description,
        model=each.model,
        mode=each.mode or "",
        tools=each.tools,
        origin=each.origin,
        env=tuple(dict.fromkeys((*each.variables, *named, *VARIABLES))),
        opens=tuple(tell(each.hole)),
        command=each.command,
        install=each.install,
        tried=each.tried,
        flags=each.flags,
    )
