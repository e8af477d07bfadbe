"""Rules: which matches, which wins, where they come from, and that a project only tightens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.config.paths import Paths
from mato.permissions.desk import Policy
from mato.permissions.reading import project_rules, rules
from mato.permissions.rules import Rule, Subject, strongest
from mato.permissions.taint import Taint
from mato_sessions.errors import ConfigError

ALLOW_TESTS = Rule("allow", "execute", "pytest*")


def test_the_strongest_effect_wins_in_any_order():
    some = [Rule("allow"), Rule("deny", "write", "*.lock"), Rule("ask")]
    subject = Subject("write", "uv.lock")
    for order in (some, some[::-1]):
        found = strongest(order, subject)
        assert found is not None
        assert found.effect == "deny"
    assert strongest(some[1:2], Subject("read", "uv.lock")) is None


@pytest.mark.parametrize(
    "line",
    ["pytest; id", "pytest && curl x", "pytest $(id)", "pytest > f", "pytest\nid", "x=1 pytest"],
)
def test_an_allowed_command_brings_no_other_with_it(line: str):
    assert strongest([ALLOW_TESTS], Subject("execute", "pytest -q")) == ALLOW_TESTS
    assert strongest([ALLOW_TESTS], Subject("execute", line)) is None


def test_each_command_of_a_line_needs_a_rule_or_only_looks():
    some = [ALLOW_TESTS, Rule("allow", "execute", "make *")]
    for line in ("pytest -q 2>&1 | tail -n 5", "make lint && pytest"):
        assert strongest(some, Subject("execute", line)) is not None
    assert strongest(some, Subject("execute", "make lint && npm test")) is None


@pytest.mark.parametrize(
    "line", ["git push", "ls; git push origin", "echo $(git push)", "(git push)"]
)
def test_a_denied_command_is_found_in_the_middle_of_a_line(line: str):
    rule = Rule("deny", "execute", "git push*")
    assert strongest([rule], Subject("execute", line)) == rule


@pytest.mark.parametrize("line", ["'git' push", "env git push", "g\\it push", "python3 -c x"])
def test_what_may_hide_a_denied_command_asks_in_every_mode(line: str):
    policy = Policy((Rule("deny", "execute", "git push*"), Rule("allow")))
    assert policy.decide("full", "execute", line, Taint()).effect == "ask"


def test_a_rule_is_for_its_agent_and_session():
    rule = Rule("deny", agent="rev*", session="s-1")
    assert strongest([rule], Subject("read", "a", "reviewer", "s-1")) == rule
    assert strongest([rule], Subject("read", "a", "writer", "s-1")) is None
    assert strongest([rule], Subject("read", "a", "reviewer", "s-2")) is None


def test_a_rule_for_a_profile_is_for_its_agents_whatever_they_are_called():
    profile, name = Rule("deny", agent="coder"), Rule("deny", agent="coder-2")
    second = Subject("read", "a", "coder", "s-1", "coder-2")
    assert strongest([profile], second) == profile
    assert strongest([name], second) == name
    assert strongest([name], Subject("read", "a", "coder", "s-1", "coder")) is None


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_a_star_stands_for_any_text(pattern: str, text: str):
    reachable: set[int] = {0}
    for character in pattern:
        if character == "*":
            reachable = set(range(min(reachable, default=len(text) + 1), len(text) + 1))
        else:
            reachable = {at + 1 for at in reachable if text[at : at + 1] == character}
    found = strongest([Rule("ask", "read", pattern)], Subject("read", text))
    assert (found is not None) == (len(text) in reachable)


def _paths(folder: Path) -> Paths:
    return Paths(folder / "config", folder / "state", folder / "cache", folder / "run")


def test_the_users_rules_and_the_projects_are_both_in_force(tmp_path: Path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "permissions.toml").write_text(
        '[[rule]]\neffect = "allow"\naction = "execute"\nresource = "pytest*"\n'
    )
    (tmp_path / ".mato").mkdir()
    (tmp_path / ".mato" / "permissions.toml").write_text(
        '[[rule]]\neffect = "deny"\naction = "write"\nresource = "vendor/*"\n'
    )
    policy = Policy(rules(_paths(tmp_path), tmp_path))
    assert policy.decide("edit", "execute", "pytest -q", Taint()).effect == "allow"
    denied = policy.decide("full", "write", "vendor/a.py", Taint())
    assert (denied.effect, denied.rule) == ("deny", "rule: deny write vendor/*")


def test_a_project_that_would_allow_something_is_refused(tmp_path: Path):
    (tmp_path / ".mato").mkdir()
    file = tmp_path / ".mato" / "permissions.toml"
    file.write_text('[[rule]]\neffect = "allow"\n')
    with pytest.raises(ConfigError, match="can only tighten"):
        project_rules(tmp_path)


@pytest.mark.parametrize("kind", ["fifo", "link", "large", "binary", "unknown key", "folder"])
def test_a_projects_file_that_is_no_list_of_rules_is_one_sentence(tmp_path: Path, kind: str):
    (tmp_path / ".mato").mkdir()
    file = tmp_path / ".mato" / "permissions.toml"
    match kind:
        case "fifo":
            os.mkfifo(file)
        case "link":
            file.symlink_to("/etc/passwd")
        case "large":
            file.write_bytes(b"#" * 70_000)
        case "binary":
            file.write_bytes(b"\xff\xfe")
        case "folder":
            file.mkdir()
        case _:
            file.write_text('[[rule]]\neffect = "deny"\nresorce = "x"\n')
    with pytest.raises(ConfigError, match=r"permissions\.toml"):
        project_rules(tmp_path)
