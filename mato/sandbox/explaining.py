"""What a model is told after a confined command: why something failed, and what was undone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mato.sandbox.line import Traffic
from mato.sandbox.protected import FILES, FOLDERS, LATER
from mato.sandbox.tier import Tier

_NO_NETWORK = re.compile(
    r"could not resolve|name resolution|network is unreachable|EAI_AGAIN|ENOTFOUND|ENETUNREACH"
    r"|no matching distribution found|failed to establish a new connection|unable to resolve"
    r"|nodename nor servname|name or service not known|dns error|socket\.socket",
    re.IGNORECASE,
)
_NAMES = "|".join(re.escape(name) for name in (".git", *FILES, *FOLDERS, *LATER))
_PROTECTED = re.compile(
    r"read-only file system|device or resource busy"
    rf"|(?<![\w.])({_NAMES})\b.*(permission denied|operation not permitted|not a directory"
    rf"|file exists|no such device or address)|zip warning: permission denied",
    re.IGNORECASE,
)
_SHARED = re.compile(r"(packed-refs|gc\.pid)\.lock': Read-only")
_REFUSED = re.compile(r"connection refused|ECONNREFUSED|couldn't connect to server", re.IGNORECASE)
_MACHINE = re.compile(
    r"docker daemon|docker\.sock|podman\.sock|system bus|not been booted with systemd|/var/lib/dpkg"
    r"|\b(sudo|doas): (command )?not found|are you root\?|effective uid is not 0",
    re.IGNORECASE,
)
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
        elif _REFUSED.search(output):
            notes.append(
                "commands have a loopback of their own in the sandbox: servers outside of it, on "
                "this machine too, are not reached; start what is needed in the same command"
            )
        if _MACHINE.search(output):
            notes.append(
                "services and packages of the machine are out of reach in the sandbox, and nobody "
                "becomes root; use what is here, or ask the person to provide it"
            )
        if _SHARED.search(output):
            notes.append(
                "this is a work tree of a repository outside: commits, branches and tags are made "
                "here, but deleting and packing them is the person's"
            )
        elif _PROTECTED.search(output):
            notes.append(
                "only the workspace and /tmp can be written, and in it not what configures git, "
                "editors and agents (.git/config, .envrc, .vscode …): leave such names out"
            )
    if put_back:
        names = ", ".join(put_back[:_SHOWN]) + " …" * (len(put_back) > _SHOWN)
        notes.append(
            f"protected files were changed or planted, and are put back as they were: {names}"
        )
    return notes
