"""What a line can hide behind: options, quotes, look-alikes, other programs. None runs unasked."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

from mato.permissions.desk import Policy
from mato.permissions.grants import Standing, patterns
from mato.permissions.taint import Taint
from mato.shell import judge
from mato_sessions.grants import Grant

LINES = (Path(__file__).parent / "bypasses.txt").read_text().splitlines()
"""Never run, only judged."""
ALLOWED = (
    "pytest -q", "git commit -m a", "git add a", "git switch a", "git checkout a", "git stash pop",
    "git merge a", "git rebase --continue", "git cherry-pick a", "git revert a", "git init",
    "rm a", "cp a b", "mv a b", "tee a", "mkdir a", "touch a", "ls", "cat a", "grep a b",
    "find .", "sed -n 1p a", "awk '{print $1}' a", "echo a", "git push", "npm test", "make",
)  # fmt: skip
"""What a person has said yes to, for the session."""
GLOBS = (
    "ls*", "cat *", "grep *", "rg *", "find *", "git log*", "git diff*", "git show*", "git status*",
    "pytest*", "python -m pytest*", "npm *", "make*", "sed -n*", "awk *", "echo *", "go test*",
)  # fmt: skip


def everything(held: bool) -> tuple[Grant, ...]:
    return tuple(
        Grant(
            grant=f"g-{number}",
            call="c",
            action="execute",
            patterns=patterns("execute", line, held=held),
            words="",
            by="",
            at_us=0,
            expires_us=1,
        )
        for number, line in enumerate(ALLOWED)
    )


@pytest.mark.parametrize("tier", ["none", "partial", "full"])
def test_no_line_runs_unasked_whatever_was_allowed_before(tier: str):
    given = everything(held=tier == "full")
    assert all(each.patterns for each in given)
    policy = Policy(tier=tier, standing=lambda: Standing(given))  # pyright: ignore[reportArgumentType] - one of Tier
    for mode in ("read", "ask", "edit"):
        let_through = [
            line
            for line in LINES
            if policy.decide(mode, "execute", line, Taint()).effect == "allow"
        ]
        assert let_through == []


def test_none_can_be_remembered():
    assert [line for line in LINES if patterns("execute", line, held=True)] == []


def test_a_list_of_globs_would_let_many_through():
    matched = [line for line in LINES if any(fnmatch.fnmatch(line, glob) for glob in GLOBS)]
    assert len(matched) > len(LINES) // 4


@pytest.mark.parametrize("character", ["\n", "\r", "\x0b", "\x0c", "\0", "\x1b", "\u2028", "\x85"])
def test_no_control_character_divides_or_hides(character: str):
    for line in (f"ls{character}id", f"ls {character}", f"{character}ls", f"cat 'a{character}b'"):
        assert judge(line).kind == "unknown"


@pytest.mark.parametrize("character", "\u00a0\u200b\u202e\u2010\u2013\uff4c\u0430\ufeff\u00ad")
def test_no_look_alike_is_taken_for_what_it_looks_like(character: str):
    for line in (f"l{character}s", f"ls {character}la", f"ls{character}-la", f"{character}ls"):
        assert judge(line).kind == "unknown"
