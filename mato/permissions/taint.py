"""What an agent has seen: private things, and what strangers wrote; pure.

The arguments of a call say what it may see, before it runs; a search through a whole folder is
known by its output, which names the files. The words of a command line that is not understood are
taken as they stand, so what a program reads of its own accord and does not name is not seen here:
the sandbox bounds that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from mato.shell import judge
from mato.shell.commands import NETWORK
from mato.shell.paths import named, outside, secret
from mato_sessions.events import AgentSpawned, Event, ToolFinished, ToolProposed, ToolStarted
from mato_sessions.events.permission import Action


class Taint(msgspec.Struct, frozen=True):
    """Two marks that never go away again while the agent lives."""

    private: bool = False
    """It may have seen secrets, or files outside of the workspace."""
    untrusted: bool = False
    """It may have read text from strangers: the network, a folder that nobody trusts."""

    def __or__(self, other: Taint) -> Taint:
        return Taint(self.private or other.private, self.untrusted or other.untrusted)


def taint(arguments: Mapping[str, object], action: Action | None = None) -> Taint:
    """What a call with these arguments marks its agent with."""
    found = Taint(untrusted=action == "reach")
    for name, value in arguments.items():
        if not isinstance(value, str):
            continue
        if name == "command":
            found |= _of_line(value)
        elif name == "path":
            found |= Taint(private=secret(value))  # tools do not leave the workspace
    return found


_NAMED = re.compile(r"^(?:\./)?([^\s:]{1,400}):", re.MULTILINE)
"""The file at the beginning of a line, as search tools write it."""
_AT = re.compile(r"^[^\s:]{1,400}:([^\s:]{1,400}):", re.MULTILINE)
"""The same behind a revision, as `git grep` writes it."""
_DIFFERING = re.compile(r"^(?:\+\+\+|---) \"?(?:[ab]/)?([^\t\n\"]{1,400})", re.MULTILINE)
"""The file that the lines below come from, as `git show`, `git log -p` and `diff` write it."""
_REDACTED = "[redacted"


def seen_in(output: str) -> Taint:
    """What the output of a call marks its agent with: lines of secret files, secrets taken out."""
    if _REDACTED in output:
        return Taint(private=True)
    files = {found[1] for each in (_NAMED, _AT, _DIFFERING) for found in each.finditer(output)}
    return Taint(private=any(secret(file) for file in files))


def seen(events: Iterable[Event]) -> Taint:
    """What an agent with these events is marked with: from its start, by its calls, their results.

    Events of others are not looked at by whom they are; give it those of one agent.
    """
    found = Taint()
    proposed: dict[str, ToolProposed] = {}
    for event in events:
        match event.body:
            case AgentSpawned() as body:
                found |= Taint(body.private, body.untrusted)
            case ToolProposed() as body:
                proposed[body.call] = body
            case ToolStarted(call=call) if call in proposed:
                found |= taint(proposed[call].arguments, proposed[call].action)
            case ToolFinished() as body:
                found |= seen_in(body.content) | Taint(body.private, body.untrusted)
            case _:
                pass
    return found


_SYSTEM = ("//", "/usr/", "/bin/", "/lib/", "/sbin/", "/dev/null")
"""What every machine has; the first is the middle of an address."""
_BETWEEN = re.compile(r"[\s'\"=;|&<>()`$:,@{}]+")


_QUOTES = re.compile(r"\\\n|\$(?=['\"])|['\"\\]")
"""What a shell takes out of a word, so that `.e""nv` is `.env`."""
_SEARCHES = frozenset(("grep", "egrep", "fgrep", "rg", "ag", "ack"))
_OPTIONS = re.compile(r"-[A-Za-z]+").fullmatch


def _of_line(line: str) -> Taint:
    lines = (line, _QUOTES.sub("", line))
    words = [word for one in lines for word in _BETWEEN.split(one) if word and word != "/dev/null"]
    secrets = any(named(word) for word in words) or _nameless(words)
    elsewhere = any(outside(word) and not word.startswith(_SYSTEM) for word in words)
    network = "://" in line or any(word.rpartition("/")[2] in NETWORK for word in words)
    return Taint(
        private=secrets or elsewhere,
        untrusted=network or judge(line).kind == "out",
    )


def _nameless(words: list[str]) -> bool:
    """Whether folders are searched without saying which file a line is from."""
    tools = {word.rpartition("/")[2] for word in words} & _SEARCHES
    letters = {letter for word in words if _OPTIONS(word) for letter in word[1:]}
    if not tools:
        return False
    if "--no-filename" in words or ("rg" in tools and "I" in letters):
        return True
    deep = bool({"r", "R"} & letters) or "--recursive" in words or "git" in words
    return deep and "h" in letters and "rg" not in tools
