"""`mato agents`: what can be started in a folder."""

from __future__ import annotations

from typing import Any

from mato.cli import output, target
from mato.client import quick
from mato.config.paths import find


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
