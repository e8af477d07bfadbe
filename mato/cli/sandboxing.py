"""`mato doctor --sandbox`: tries to break out of the tier in force, and says what held."""

from __future__ import annotations

import msgspec

from mato.cli import output
from mato.config.load import load
from mato.config.paths import find
from mato.sandbox import checks
from mato.sandbox.sandbox import Sandbox

_PROMISES = {
    "full": "bubblewrap and seccomp: no network, nothing but the workspace can be written",
    "partial": (
        "Landlock and seccomp: no network, nothing but the workspace can be written. It does not"
        " hide which processes run, nor Mato's folders where they are in the workspace; what"
        " configures git, editors and agents is put back after each command, not kept from change"
    ),
    "none": "nothing is around a command: each of them asks",
}


def run(as_json: bool = False) -> int:
    """Run every check; exit 1 where something got out, or where there is nothing to hold it."""
    settings = load(find()).sandbox
    sandbox = Sandbox()
    tier = sandbox.tier(settings.tier)
    offer = sandbox.offer()
    if not as_json:
        output.say(f"tier {tier}")
        output.note(_PROMISES[tier])
        for reason in offer.reasons:
            output.note(reason)
        if settings.network and tier == "full":
            output.note(f"open by your settings: {', '.join(settings.network)}")
        elif settings.network:
            output.note("the hosts of your settings can be opened in tier full alone")
        if tier != "none":
            output.note(f"{len(checks.CHECKS)} checks run")
    if tier == "none":  # there is nothing that could hold
        results = [checks.Result(each.name, False, "not tried") for each in checks.CHECKS]
    else:
        results = checks.run(sandbox, tier)
    if as_json:
        output.say_json(
            {
                "tier": tier,
                "works": list(offer.works),
                "reasons": list(offer.reasons),
                "network": list(settings.network if tier == "full" else ()),
                "checks": [msgspec.to_builtins(result) for result in results],
            }
        )
    else:
        _say(results)
    return int(not all(result.blocked for result in results))


def _say(results: list[checks.Result]) -> None:
    for result in results:
        mark = "✓" if result.blocked else "✗"
        word = "blocked" if result.blocked else "open"
        output.say(f"{mark} {result.name:<34} {word:<8} {result.detail[: output.width() - 48]}")
