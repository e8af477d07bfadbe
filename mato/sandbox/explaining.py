"""What a model is told after a confined command: why something failed, and what was undone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mato.sandbox.tier import Tier

_NO_NETWORK = re.compile(
    r"could not resolve|name resolution|network is unreachable|EAI_AGAIN|ENOTFOUND|ENETUNREACH"
    r"|no matching distribution found|failed to establish a new connection|unable to resolve"
    r"|nodename nor servname|name or service not known|dns error|socket\.socket",
    re.IGNORECASE,
)
_PROTECTED = re.compile(r"read-only file system|device or resource busy", re.IGNORECASE)
_SHOWN = 8


def explain(tier: Tier, exit_code: int | None, output: str, put_back: Sequence[str]) -> list[str]:
    """Notes for the end of a result; [] where nothing needs one."""
    notes: list[str] = []
    if tier != "none" and exit_code:
        if _NO_NETWORK.search(output):
            notes.append(
                "commands have no network in the sandbox: nothing can be installed or fetched; use "
                "what is here, or ask the person to provide it"
            )
        if _PROTECTED.search(output):
            notes.append(
                "only the workspace and /tmp can be written, and in it not what configures git, "
                "editors and agents"
            )
    if put_back:
        names = ", ".join(put_back[:_SHOWN]) + " …" * (len(put_back) > _SHOWN)
        notes.append(
            f"protected files were changed or planted, and are put back as they were: {names}"
        )
    return notes
