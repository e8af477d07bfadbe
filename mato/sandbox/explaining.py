"""What a model is told after a confined command: why something failed, and what was undone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mato.sandbox.line import Traffic
from mato.sandbox.tier import Tier

_NO_NETWORK = re.compile(
    r"could not resolve|name resolution|network is unreachable|EAI_AGAIN|ENOTFOUND|ENETUNREACH"
    r"|no matching distribution found|failed to establish a new connection|unable to resolve"
    r"|nodename nor servname|name or service not known|dns error|socket\.socket",
    re.IGNORECASE,
)
_PROTECTED = re.compile(r"read-only file system|device or resource busy", re.IGNORECASE)
_NOTHING = Traffic()
_SHOWN = 8


def explain(
    tier: Tier,
    exit_code: int | None,
    output: str,
    put_back: Sequence[str],
    network: Sequence[str] = (),
    traffic: Traffic = _NOTHING,
) -> list[str]:
    """Notes for the end of a result; [] where nothing needs one.

    `network` are the hosts that were open, `traffic` is what was made of them.
    """
    notes: list[str] = []
    if traffic.reached:
        notes.append(f"reached over the network: {', '.join(traffic.reached)}")
    if traffic.refused:
        notes.append(f"refused by the sandbox: {'; '.join(traffic.refused[:_SHOWN])}")
    if tier != "none" and exit_code:
        if network and _NO_NETWORK.search(output):
            notes.append(
                f"commands reach {', '.join(network[:_SHOWN])} alone, through the proxy that "
                "HTTPS_PROXY and HTTP_PROXY name"
            )
        elif _NO_NETWORK.search(output):
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
