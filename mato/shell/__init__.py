"""What a command line would do, judged from its words alone; what is not certain asks.

Only where every character is understood does the verdict carry the words, and then a shell that is
given the line runs exactly these: so the line itself may be run.

The judge sees no files: it is no wall against a symlink or a configured hook. That is the sandbox.
"""

from __future__ import annotations

import msgspec

from mato.shell.commands import Kind, classify
from mato.shell.words import Simple, Unclear, parse

_RANK: dict[Kind, int] = {"read": 0, "write": 1, "project": 2, "out": 3, "unknown": 4}


class Verdict(msgspec.Struct, frozen=True):
    """What a command line does at most. True where it may run without asking anybody."""

    kind: Kind
    reason: str
    """For people: what decided."""
    commands: tuple[Simple, ...] = ()
    """The commands in their order; empty where the line could not be read for certain."""

    def __bool__(self) -> bool:
        return self.kind == "read"


def judge(command: str) -> Verdict:
    """What `command` does at most."""
    try:
        commands = parse(command)
    except Unclear as error:
        return Verdict("unknown", str(error))
    kind: Kind = "read"
    reason = "only looks, inside the workspace"
    for simple in commands:
        found = classify(simple)
        if _RANK[found.kind] > _RANK[kind]:
            kind, reason = found.kind, found.reason
    return Verdict(kind, reason, commands)
