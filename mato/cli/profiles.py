"""`mato agents` and `mato trust`: what can be started in a folder, and what the folder may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mato.cli import output, target
from mato.client import quick
from mato.config.paths import find
from mato.config.trust import Trust


def show(as_json: bool) -> int:
    """Print the agent profiles that can be started here."""
    params = {"cwd": target.folder()}
    found = quick.request(find(), "profile.list", params, start=True)
    profiles: list[dict[str, Any]] = found["profiles"]
    for why in found["broken"]:
        output.note(f"mato: {why}")
    if as_json:
        output.say_json(profiles)
        return 0
    output.table(
        ("PROFILE", "KIND", "MODE", "MODEL", "FROM", "WHAT IT IS FOR"),
        [
            (
                p["name"],
                p["kind"],
                p["mode"] or "–",
                p["model"] or "–",
                p["origin"],
                p["description"],
            )
            for p in profiles
        ],
        give=5,
    )
    return 0


def trust(folder: str, *, remove: bool) -> int:
    """Trust a folder's own instructions from the next session on, or no longer."""
    known = Trust(find())
    if remove:
        # It may be gone by now: the trust in it is taken back all the same.
        place = Path(folder).resolve()
        if known.untrust(place):
            output.say(f"no longer trusted: {place}")
        else:
            output.note(f"it was not trusted: {place}")
    else:
        place = Path(target.folder(folder))
        output.say(f"trusted: {known.trust(place)}; its AGENTS.md instructs new sessions")
    return 0
