"""What one command does at most; whatever is not in the table is unknown."""

from __future__ import annotations

import re

import msgspec

from mato.shell.paths import named, outside, protected, secret
from mato.shell.projects import Project, project
from mato.shell.table import GIT, GIT_TWO, RULES, Kind, Rule
from mato.shell.words import Simple


def each(words: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(words.split())


class Found(msgspec.Struct, frozen=True):
    """What one command does at most."""

    kind: Kind
    reason: str
    key: str = ""
    """The command with its sub-command, as a grant names it; empty where it is not understood."""
    tests: bool = False
    """Whether it is one of the project's own tests and builds."""


def classify(simple: Simple) -> Found:
    """What a command does at most, with its redirections."""
    for path in (*simple.reads, *simple.writes):
        if complaint := _path(path):
            return Found("unknown", complaint)
    for path in simple.writes:
        if protected(path):
            return Found("unknown", f"{path!r} can make programs run")
    found = _command(simple.argv)
    if found.kind == "read" and simple.writes:
        return Found("write", f"writes {simple.writes[0]!r}", found.key)
    return found


def _path(path: str) -> str:
    """What speaks against a path; empty where nothing does."""
    if not path:
        return "an empty path"
    for part in (path, *path.split(":")):  # git takes REVISION:PATH
        if outside(part):
            return f"{path!r} may be outside the workspace"
        if secret(part):
            return f"{path!r} looks like a secret"
    if ".git" in path.lower().split("/"):
        return f"{path!r} is inside .git"
    return ""


def _command(argv: tuple[str, ...]) -> Found:
    name = argv[0]
    if argv[1:] == ("--version",) and name in _VERSIONED:
        return Found("read", "says its version", name)
    if _out(argv):
        return Found("out", f"{_head(argv)} can carry data away")
    if (found := project(argv)) is not None:
        return _of_project(found, argv)
    rule = RULES.get(name)
    rest = argv[1:]
    if name == "git" and rest:
        rule = GIT.get(rest[0])
        name = f"git {rest[0]}"
        if rule is None and rest[:2] in GIT_TWO:
            rule = GIT_TWO[rest[:2]]
            name = f"git {rest[0]} {rest[1]}"
            rest = rest[1:]
        rest = rest[1:]
    if rule is None:
        return Found("unknown", f"nothing is known about {name}")
    if complaint := _against(rule, rest):
        return Found("unknown", f"{name}: {complaint}")
    match rule.kind:
        case "project":
            return Found("project", f"{name} can run hooks and filters of the project", name)
        case "write":
            return Found("write", f"{name} changes files", name)
        case _:
            return Found("read", f"{name} only looks", name)


def _of_project(found: Project, argv: tuple[str, ...]) -> Found:
    for word in argv[1:]:
        for part in re.split(r"[=:,]", word):
            if outside(re.sub(r"^-[A-Za-z]", "", part)):
                return Found("unknown", f"{part!r} may be outside the workspace")
            if protected(part):
                return Found("unknown", f"{part!r} can make programs run")
    if found.key == "go run" and any("@" in word for word in found.rest):
        return Found("unknown", "go run fetches what has a version behind @")
    if found.rule is not None and (complaint := _against(found.rule, found.rest)):
        return Found("unknown", f"{found.key}: {complaint}")
    return Found("project", f"{found.key} runs code of the project", found.key, tests=True)


def _head(argv: tuple[str, ...]) -> str:
    return " ".join(word for word in argv[:2] if not word.startswith("-"))


def _against(rule: Rule, words: tuple[str, ...]) -> str:
    """What speaks against the words of a command; empty where all are known."""
    plain: list[str] = []
    given_pattern = False
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            plain += words[at:]
            break
        if not word.startswith("-") or word == "-" or rule.words == "find":
            plain.append(word)
            continue
        given_pattern = given_pattern or word == "--files"
        if word in rule.flags or (rule.count and word[1:].isdigit()):
            continue
        name, equals, value = word.partition("=")
        if not word.startswith("--") and word[:2] in rule.values and len(word) > 2:
            name, equals, value = word[:2], "=", word[2:]
        kind = rule.values.get(name)
        if kind is not None:
            if not equals and (name.startswith("--") or kind == "digits"):
                return f"the value of {name} is not joined to it"
            if not equals:
                if at >= len(words):
                    return f"{name} has no value"
                value = words[at]
                at += 1
            if kind in ("number", "digits") and not re.fullmatch(r"[+-]?\d+[kKMG]?(,\d+)?", value):
                return f"{name} {value!r} is no number"
            if kind == "files" and any(map(named, re.split("[:,{}]", value))):
                return f"{value!r} looks for a secret"
            given_pattern = given_pattern or name in ("-e", "--regexp")
            continue
        if word.startswith("--") or not set(word[1:]) <= set(rule.letters):
            return f"nothing is known about {word!r}"
    return _against_words(rule, plain, given_pattern)


def _against_words(rule: Rule, plain: list[str], given_pattern: bool) -> str:
    if rule.words == "find":
        return _against_find(plain)
    if rule.words == "text":
        unclear = [word for word in plain if rule.check is not None and not rule.check(word)]
        return f"{unclear[0]!r} is more than is understood" if unclear else ""
    if rule.words == "a path" and (len(plain) != 1 or plain == ["-"]):
        return "where to is not said"
    if rule.words == "none":
        return f"{plain[0]!r} is not expected" if plain else ""
    if rule.words == "pattern" and not given_pattern:
        if not plain:
            return "a pattern is missing"
        if rule.check is not None and not rule.check(plain[0]):
            return f"{plain[0]!r} is more than is understood"
        plain = plain[1:]
    if rule.words == "one path" and len(plain) > 1:
        return f"{plain[1]!r} may be written"
    for word in plain:
        if word != "-" and (complaint := _path(word)):
            return complaint
        # After a `cd` the names that follow do not show which folder they are in.
        if (rule.kind == "write" or rule.words == "a path") and protected(word):
            return f"{word!r} can make programs run"
    return ""


def _against_find(words: list[str]) -> str:
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word in _FIND_ALONE:
            continue
        if word in _FIND_VALUED:
            at += 1
            continue
        if word.startswith("-"):
            return f"nothing is known about {word!r}"
        if complaint := _path(word):
            return complaint
    return ""


_FIND_ALONE = frozenset(("(", ")", "-not", "-o", "-a", "-and", "-or", "-print", "-print0", "-empty",
                         "-prune", "-ls"))  # fmt: skip
_FIND_VALUED = frozenset((
    "-name", "-iname", "-path", "-ipath", "-type", "-maxdepth", "-mindepth", "-mtime", "-mmin",
    "-size",
))  # fmt: skip
_VERSIONED = each("git python python3 node gcc make bash rg uv pip")
NETWORK = each(
    "curl wget ssh scp sftp rsync nc ncat netcat socat telnet ftp tftp nslookup dig "
    "host ping traceroute whois mail mailx sendmail mutt gh glab hub aws gcloud az "
    "kubectl helm docker podman xclip xsel pbcopy wl-copy clip clip.exe open xdg-open "
    "sensible-browser lynx w3m links aria2c http https rclone gsutil smbclient mosh "
    "git-send-email nmap twine"
)
_OUT_WORDS: dict[str, frozenset[str]] = {
    "git": each("push fetch pull clone ls-remote send-email request-pull svn submodule"),
    "npm": each("publish install i ci add update login audit exec"),
    "pnpm": each("publish install i add update login audit dlx"),
    "yarn": each("publish install add up login audit dlx"),
    "pip": each("install download"),
    "pip3": each("install download"),
    "uv": each("publish sync add pip tool"),
    "poetry": each("publish install add update"),
    "cargo": each("publish install add update login fetch"),
    "go": each("get install mod"),
    "gem": each("push install"),
    "tmux": each("set-buffer load-buffer"),
}


def _out(argv: tuple[str, ...]) -> bool:
    words = _OUT_WORDS.get(argv[0], frozenset())
    return argv[0] in NETWORK or any(word in words for word in argv[1:2])
