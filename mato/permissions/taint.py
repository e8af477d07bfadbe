"""What an agent has seen: private things, and what strangers wrote; pure.

Only the arguments of a call are looked at, not what came of it. The words of a command line that
is not understood are taken as they stand, so what a program reads of its own accord is not seen
here: the sandbox bounds that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from mato.shell import judge
from mato.shell.commands import NETWORK
from mato.shell.paths import outside, secret


class Taint(msgspec.Struct, frozen=True):
    """Two marks that never go away again while the agent lives."""

    private: bool = False
    """It may have seen secrets, or files outside of the workspace."""
    untrusted: bool = False
    """It may have read text from strangers: the network, a folder that nobody trusts."""

    def __or__(self, other: Taint) -> Taint:
        return Taint(self.private or other.private, self.untrusted or other.untrusted)


def taint(arguments: Mapping[str, object]) -> Taint:
    """What a call with these arguments marks its agent with."""
    found = Taint()
    for name, value in arguments.items():
        if not isinstance(value, str):
            continue
        if name == "command":
            found |= _of_line(value)
        elif name == "path":
            found |= Taint(private=secret(value))  # tools do not leave the workspace
    return found


_SYSTEM = ("//", "/usr/", "/bin/", "/lib/", "/sbin/", "/dev/null")
"""What every machine has; the first is the middle of an address."""
_BETWEEN = re.compile(r"[\s'\"=;|&<>()`$:,@{}]+")


def _of_line(line: str) -> Taint:
    words = [word for word in _BETWEEN.split(line) if word and word != "/dev/null"]
    named = any(secret(word) for word in words)
    elsewhere = any(outside(word) and not word.startswith(_SYSTEM) for word in words)
    network = "://" in line or any(word.rpartition("/")[2] in NETWORK for word in words)
    return Taint(
        private=named or elsewhere,
        untrusted=network or judge(line).kind == "out",
    )
