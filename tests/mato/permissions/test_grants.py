"""What a yes for the session covers, and all that it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mato.permissions.desk import Policy
from mato.permissions.grants import Standing, covering, patterns, words
from mato.permissions.rules import Rule
from mato.permissions.taint import Taint
from mato.shell import judge
from mato_sessions.events.permission import Action, Pattern
from mato_sessions.grants import Grant
from mato_sessions.grants import standing as in_force
from tests.mato.permissions.test_ordinary_commands import COMMANDS

UNJUDGED = (
    "bash -c 'pytest'", "pytest; $(id)", "x=1 pytest", "pytest > .envrc", "pytest & id",
    "env pytest", "pytest\nid", "make test SHELL=id", "git -c a.b=c commit", "./run.sh",
    "python3 -c 1", "find . -exec id {} ;", "pytest `id`", "pytest -p../x", "cat .env",
)  # fmt: skip


def allowed(line: str, *, held: bool = True, action: Action = "execute") -> Grant:
    """The grant that a yes to `line` gives."""
    return Grant(
        grant="g-1",
        call="c-1",
        action=action,
        patterns=patterns(action, line, held=held),
        words=words(patterns(action, line, held=held)),
        by="",
        at_us=0,
        expires_us=1,
    )


def covers(given: str, asked: str, *, held: bool = True, action: Action = "execute") -> bool:
    grant = allowed(given, held=held, action=action)
    return covering([grant], action, asked, held=held) is not None


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("pytest -q", "pytest tests/test_a.py"),
        ("pytest -q", "npm run build"),
        ("make test", "pytest -q 2>&1 | tail -n 20"),
        ("git commit -m a", "git commit -am 'b c'"),
        ("git commit -m a", "git status && git commit -m b"),
        ("git commit -m a && git add b", "git commit -m b"),
        ("rm a.txt", "rm -f src/b.txt"),
        ("git push origin main", "git push origin main"),
    ],
)
def test_what_is_like_it_is_covered(given: str, asked: str):
    assert covers(given, asked)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("pytest -q", "git commit -m a"),
        ("git commit -m a", "git merge main"),
        ("git stash push", "git stash pop"),
        ("git commit -m a", "git commit -m b && rm c"),
        ("pytest -q", "pytest -q && git push"),
        ("pytest -q", "pytest -q > out.txt"),
        ("git push origin main", "git push origin main --force"),
        ("git push origin main", "git push origin  main"),
        ("git push origin main", "git push origin other"),
        ("git push origin main", "ls; git push origin main"),
        ("git push origin main", "git commit -m a"),
        ("rm a.txt", "rm -rf src"),
        ("rm a.txt", "rm .envrc"),
        ("cat a", "rm a"),
    ],
)
def test_what_does_more_is_not(given: str, asked: str):
    assert not covers(given, asked)


@pytest.mark.parametrize("line", UNJUDGED)
def test_what_is_not_understood_can_only_be_allowed_once(line: str):
    assert patterns("execute", line, held=True) == ()
    forged = replace(allowed("pytest"), patterns=(Pattern("command", "pytest"), Pattern("tests")))
    assert covering([forged], "execute", line, held=True) is None


def test_tests_are_named_together_only_where_the_sandbox_holds_them():
    assert patterns("execute", "pytest -q", held=True) == (Pattern("tests"),)
    assert patterns("execute", "pytest -q", held=False) == (Pattern("command", "pytest"),)
    assert covering([allowed("pytest", held=True)], "execute", "pytest", held=False) is None
    assert covers("pytest -q", "pytest", held=False)
    assert not covers("pytest -q", "make test", held=False)


@pytest.mark.parametrize(
    ("given", "asked", "is_covered"),
    [
        ("src/app.py", "src/other.py", True),
        ("src/app.py", "./src//deep/../other.py", False),
        ("src/app.py", "src/./deep/other.py", True),
        ("src/app.py", "srcs/other.py", False),
        ("src/app.py", "src", False),
        ("README.md", "README.md", True),
        ("README.md", "LICENSE", False),
        ("src/app.py", "src/.env", False),
        ("src/app.py", "src/.git/hooks/pre-commit", False),
        ("src/app.py", "src/../.envrc", False),
        ("src/app.py", "/etc/passwd", False),
        ("src/app.py", "", False),
        ("/abs/app.py", "/abs/other.py", False),
        ("..", "a", False),
        (".", "a", False),
    ],
)
def test_writing_is_allowed_by_folder(given: str, asked: str, is_covered: bool):
    assert covers(given, asked, action="write") is is_covered


def test_reading_needs_no_grant_and_gives_none():
    assert patterns("read", "a", held=True) == patterns("note", "", held=True) == ()


def test_it_is_said_in_words():
    assert words(patterns("execute", "pytest && git commit -m a", held=True)) == (
        "the project's own tests, builds and scripts, in the sandbox; git commit, with any"
        " arguments inside the workspace"
    )
    assert words(patterns("write", "src/a.py", held=True)) == "writing files in src/ and below"
    assert words(patterns("execute", "git push", held=True)) == "exactly: git push"
    assert words(()) == ""


@given(st.sampled_from(COMMANDS), st.sampled_from(COMMANDS), st.booleans())
def test_no_grant_covers_what_leaves_unless_it_is_the_same_line(
    given_line: str, asked: str, held: bool
):
    found = covering([allowed(given_line, held=held)], "execute", asked, held=held)
    verdict = judge(asked)
    if verdict.kind == "unknown":
        assert found is None
    if verdict.kind == "out" and given_line != asked:
        assert found is None
    if given_line == asked and patterns("execute", asked, held=held):
        assert found is not None, "what was said yes to is covered"


STRANGERS = Taint(private=True, untrusted=True)


@pytest.mark.parametrize("line", ["git push origin main", "pytest -q"])
def test_two_marks_and_a_way_out_ask_again_and_offer_nothing(line: str):
    tier = "partial"
    policy = Policy(tier=tier, standing=lambda: Standing((allowed(line, held=False),)))
    assert policy.decide("edit", "execute", line, Taint()).effect == "allow"
    asked = policy.decide("edit", "execute", line, STRANGERS)
    assert (asked.effect, asked.by, asked.patterns, asked.lasting) == ("ask", "taint", (), "")
    assert asked.marks == STRANGERS


def test_rules_that_ask_or_deny_are_stronger_than_a_grant():
    line = "git commit -m a"
    for effect in ("ask", "deny"):
        policy = Policy(
            (Rule(effect, "execute", "git commit*"),),
            tier="full",
            standing=lambda: Standing((allowed(line),)),
        )
        decision = policy.decide("edit", "execute", line, Taint())
        assert (decision.effect, decision.patterns) == (effect, ())


def test_nothing_of_an_agent_that_is_ended_is_allowed():
    policy = Policy(tier="full", standing=lambda: Standing((allowed("pytest"),), killed=True))
    for action, resource in (("read", "a"), ("write", "a"), ("execute", "pytest"), ("note", "")):
        decision = policy.decide("full", action, resource, Taint())
        assert (decision.effect, decision.by) == ("deny", "killed")


def test_a_grant_answers_until_it_is_taken_back():
    held = [allowed("git commit -m a")]
    policy = Policy(tier="full", standing=lambda: Standing(tuple(held)))
    first = policy.decide("edit", "execute", "git commit -m b", Taint())
    assert (first.effect, first.by, first.grant) == ("allow", "grant", "g-1")
    held.clear()
    again = policy.decide("edit", "execute", "git commit -m b", Taint())
    assert (again.effect, again.lasting) == (
        "ask",
        "git commit, with any arguments inside the workspace",
    )


def test_bare_commands_ask_in_spite_of_a_grant():
    policy = Policy(bare=True, standing=lambda: Standing((allowed("ls", held=False),)))
    decision = policy.decide("full", "execute", "ls", Taint())
    assert (decision.effect, decision.patterns) == ("ask", ())


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", ".envrc", "sub/.vscode/tasks.json"])
@pytest.mark.parametrize("mode", ["ask", "edit", "full"])
def test_a_file_that_makes_programs_run_is_asked_about_in_every_mode(path: str, mode: str):
    policy = Policy(folder="/w")
    for written in (path, f"/w/{path}"):
        decision = policy.decide(mode, "write", written, Taint())  # pyright: ignore[reportArgumentType] - one of Mode
        assert (decision.effect, decision.patterns) == ("ask", ())
    wanted = Policy((Rule("allow", "write", path),)).decide("ask", "write", path, Taint())
    assert wanted.effect == "allow", "whoever writes that rule means it"


def test_a_path_in_the_workspace_is_the_same_in_both_spellings():
    policy = Policy(folder="/w", standing=lambda: Standing((allowed("src/a.py", action="write"),)))
    assert policy.decide("ask", "write", "/w/src/b.py", Taint()).effect == "allow"
    assert policy.decide("ask", "write", "/v/src/b.py", Taint()).effect == "ask"


def test_it_runs_out():
    grant = allowed("pytest")
    assert in_force([grant], 0) == (grant,)
    assert in_force([grant], 1) == ()
