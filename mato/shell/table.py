"""The commands whose options are known.

A rule lists what is allowed, never what is forbidden: an option that a later version of a command
brings is unknown until somebody has read its manual.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import msgspec

Kind = Literal["read", "write", "project", "out", "unknown"]
"""What the line does at most.

read: only looks, inside the workspace. write: changes files of the workspace. project: runs code of
the project (its tests, its build, its hooks). out: can carry data away. unknown: anything.
"""

Value = Literal["text", "number", "digits", "files"]
"""Of an option; digits: only joined to it, as in -U3; files: says which files are looked at. A long
option has its value after `=`."""
Words = Literal["none", "text", "path", "one path", "a path", "pattern", "find"]
"""What the words after the options are; one path: at most one; a path: exactly one;
pattern: one text, then paths; find: its expression."""


class Rule(msgspec.Struct, frozen=True):
    """The options of a command that are known, and what its words are."""

    words: Words
    letters: str = ""
    """Options of one letter that take no value; they may stand together."""
    flags: tuple[str, ...] = ()
    """Long options without a value."""
    values: dict[str, Value] = {}
    """Options that take a value, with what it is."""
    check: Callable[[str], bool] | None = None
    """What the pattern has to be."""
    kind: Kind = "read"
    count: bool = False
    """Whether -20 means 20 lines."""


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_N: dict[str, Value] = {"-n": "number", "-c": "number", "--lines": "number", "--bytes": "number"}
_SEARCH: dict[str, Value] = {
    "-e": "text", "--regexp": "text", "-m": "number", "-A": "number", "-B": "number",
    "-C": "number", "--max-count": "number", "--context": "number", "--color": "text",
}  # fmt: skip
_GREP: dict[str, Value] = {
    **_SEARCH, "--include": "files", "--exclude": "text", "--exclude-dir": "text",
}  # fmt: skip
_RG: dict[str, Value] = {
    **_SEARCH, "-g": "files", "--glob": "files", "-t": "text", "--type": "text", "-T": "text",
    "--max-depth": "number",
}  # fmt: skip
RULES: dict[str, Rule] = {
    "ls": Rule("path", "lahAtrSR1dFpsi", ("--all", "--human-readable", "--color=never")),
    "pwd": Rule("none", "LP"),
    "cd": Rule("a path"),
    "cat": Rule("path", "nbsAETv", ("--number",)),
    "head": Rule("path", "qv", values=_N, count=True),
    "tail": Rule("path", "qv", values=_N, count=True),
    "wc": Rule("path", "lwcmL", ("--lines", "--words")),
    "nl": Rule("path", "", values={"-b": "text"}),
    "tac": Rule("path"),
    "rev": Rule("path"),
    "stat": Rule("path", "L", values={"-c": "text", "--format": "text"}),
    "file": Rule("path", "bi", ("--brief", "--mime-type")),
    "du": Rule("path", "shacm", values={"-d": "number", "--max-depth": "number"}),
    "basename": Rule("text"),
    "dirname": Rule("text"),
    "realpath": Rule("path"),
    "readlink": Rule("path", "f"),
    "echo": Rule("text", "n"),
    "printf": Rule("text"),
    "test": Rule("path", "fdesrwx"),
    "find": Rule("find"),
    "rg": Rule("pattern", "nilcvwoFUS", ("--files", "--no-heading", "--count"), _RG),
    "true": Rule("none"),
    "false": Rule("none"),
    "date": Rule("text", "uI", ("--utc",), check=_matches(r"\+.*")),
    "whoami": Rule("none"),
    "uname": Rule("none", "asrmno"),
    "nproc": Rule("none"),
    "sleep": Rule("pattern", check=_matches(r"\d{1,3}(\.\d+)?")),
    "seq": Rule("text"),
    "which": Rule("text", "a"),
    "sort": Rule("path", "nrufVhbg", values={"-k": "text", "-t": "text"}),
    "uniq": Rule("one path", "cdiu"),
    "cut": Rule("path", "s", values={"-d": "text", "-f": "text", "-c": "text"}),
    "tr": Rule("text", "dsc"),
    "comm": Rule("path", "123"),
    "paste": Rule("path", "s", values={"-d": "text"}),
    "fold": Rule("path", "s", values={"-w": "number"}),
    "column": Rule("path", "t", values={"-s": "text"}),
    "cmp": Rule("path", "s"),
    "diff": Rule("path", "urqNwbiB", ("--brief", "--stat"), {"-U": "digits"}),
    "md5sum": Rule("path"),
    "sha256sum": Rule("path"),
    "tree": Rule("path", "adfhs", values={"-L": "number", "-I": "text", "-P": "text"}),
    "grep": Rule(
        "pattern", "nriIlLcvwxoqhHEFPsa", ("--recursive", "--line-number"), _GREP, count=True
    ),
    "sed": Rule(
        "pattern", "nE", check=_matches(r"\d+(,(\d+|\$))?p|/[\w .-]+/p|s/[\w .-]*/[\w .-]*/g?")
    ),
    "awk": Rule(
        "pattern",
        values={"-F": "text"},
        check=_matches(r"\{ ?print \$(\d+|NF)(, ?\$(\d+|NF))* ?\}"),
    ),
    "jq": Rule(
        "pattern", "rcSe", check=_matches(r"\.(?:[\w.]|\[\d*\])*(?: ?\| ?(?:keys|length))?")
    ),
    "mkdir": Rule("path", "pv", ("--parents",), kind="write"),
    "rmdir": Rule("path", "p", kind="write"),
    "touch": Rule("path", kind="write"),
    "cp": Rule("path", "rRapvnfu", ("--recursive",), kind="write"),
    "mv": Rule("path", "vnf", kind="write"),
    "rm": Rule("path", "fv", kind="write"),
    "tee": Rule("path", "a", kind="write"),
}
_LOG: dict[str, Value] = {
    "-n": "number", "--max-count": "number", "--since": "text", "--until": "text",
    "--author": "text", "--grep": "text", "-S": "text", "-G": "text", "--format": "text",
    "--pretty": "text", "-U": "digits", "--diff-filter": "text", "-L": "files",
}  # fmt: skip
_SHOWN = (
    "--stat", "--oneline", "--graph", "--all", "--decorate", "--name-only", "--name-status",
    "--cached", "--staged", "--shortstat", "--numstat", "--patch", "--no-color", "--follow",
    "--no-pager", "--merges", "--no-merges", "--reverse", "--check", "--no-patch", "--summary",
    "--word-diff", "--no-ext-diff", "--no-textconv", "--abbrev-commit", "--quiet", "--first-parent",
)  # fmt: skip
_SHOW = Rule("path", "psw1", _SHOWN, _LOG, count=True)
GIT: dict[str, Rule] = {
    "status": Rule("path", "sbu", ("--short", "--branch", "--porcelain", "--ignored")),
    "diff": _SHOW,
    "log": _SHOW,
    "show": _SHOW,
    "shortlog": Rule("path", "sne", ("--all",)),
    "rev-parse": Rule(
        "path",
        "",
        ("--short", "--abbrev-ref", "--show-toplevel", "--verify", "--is-inside-work-tree"),
    ),
    "rev-list": Rule("path", "", ("--count", "--all"), {"-n": "number"}),
    "merge-base": Rule("path"),
    "describe": Rule("path", "", ("--tags", "--always", "--dirty")),
    "ls-files": Rule("path", "comdst", ("--others", "--modified", "--exclude-standard")),
    "ls-tree": Rule("path", "rdl", ("--name-only",)),
    "cat-file": Rule("path", "pts"),
    "blame": Rule("path", "wse", values={"-L": "text"}),
    "grep": Rule("pattern", "nilcvwEF", values={"-e": "text"}),
    "branch": Rule(
        "none", "avrl", ("-vv", "--all", "--list", "--show-current", "--merged", "--no-merged")
    ),
    "tag": Rule("none", "ln", ("--list",)),
    "reflog": Rule("none", values={"-n": "number"}, count=True),
}
GIT.update({
    # These change the index and the list of stashes alone, and no hook is about them.
    "add": Rule("path", "Au", ("--all",), kind="write"),
    "mv": Rule("path", kind="write"),
    "commit": Rule(
        "path", "aqv", ("--no-edit", "--all", "--quiet"),
        {"-m": "text", "-am": "text", "--message": "text"}, kind="project",
    ),
    "switch": Rule("one path", values={"-c": "text"}, kind="project"),
    "checkout": Rule("one path", values={"-b": "text"}, kind="project"),
    "merge": Rule("path", "", ("--no-ff", "--ff-only", "--no-edit", "--abort"), kind="project"),
    "rebase": Rule("path", "", ("--continue", "--abort"), kind="project"),
    "cherry-pick": Rule("path", "x", ("--continue", "--abort"), kind="project"),
    "revert": Rule("path", "", ("--no-edit", "--abort"), kind="project"),
    "init": Rule("none", kind="project"),
})  # fmt: skip
GIT_TWO: dict[tuple[str, ...], Rule] = {
    ("stash", "push"): Rule("none", "u", values={"-m": "text"}, kind="write"),
    ("stash", "pop"): Rule("none", kind="project"),
    ("restore", "--staged"): Rule("path", kind="write"),
    ("stash", "list"): Rule("none"),
    ("stash", "show"): Rule("none", "p", ("--stat",)),
    ("remote", "-v"): Rule("none"),
    ("worktree", "list"): Rule("none"),
    ("config", "--get"): Rule("text"),
}
