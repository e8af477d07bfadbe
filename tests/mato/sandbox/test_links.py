"""A link with a protected name, or where git writes, leads nobody elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Tier


@pytest.mark.parametrize(
    "line",
    [
        "rm .envrc; echo evil > .envrc",
        "ln -sfn evil .envrc; echo evil > evil",
        "echo evil > shared/env",
        "rm -f shared/env; echo evil > shared/env",
        "mv shared away; mkdir shared; echo evil > shared/env",
        "rm by; mkdir by; echo evil > by/env",
        "rm .envrc; python3 -c \"import os; os.mknod('.envrc', 0o140000)\"",
    ],
)
def test_what_a_protected_link_leads_to_stays(run, tier: Tier, work: Path, line: str):
    (work / "shared").mkdir()
    (work / "shared/env").write_text("mine")
    (work / "by").symlink_to("shared")
    (work / ".envrc").symlink_to("by/env")
    run(tier, f"{line}; true")
    assert (work / ".envrc").read_text() == "mine"
    assert os.readlink(work / ".envrc") == "by/env"


def test_hooks_that_are_a_link_stay(run, tier: Tier, work: Path):
    (work / "tools").mkdir()
    for each in (hooks := work / ".git/hooks").iterdir():
        each.unlink()
    hooks.rmdir()
    hooks.symlink_to("../tools")
    run(tier, "echo evil > tools/pre-commit; true")
    run(tier, "rm .git/hooks; mkdir .git/hooks; echo evil > .git/hooks/pre-commit; true")
    assert os.readlink(hooks) == "../tools" and os.listdir(work / "tools") == []


@pytest.mark.parametrize("name", ["logs/HEAD", "logs/refs/heads/main", "HEAD", "refs/heads/x"])
def test_git_is_not_led_out_by_a_link_in_its_own_folder(
    run, tier: Tier, work: Path, tmp_path: Path, name: str
):
    # The subject of a commit, written to a log that is a link, would be a line of a profile.
    target = tmp_path / "home/.bashrc"
    _, _, changed = run(
        tier, f"mkdir -p .git/$(dirname {name}); rm -f .git/{name}; ln -s {target} .git/{name}"
    )
    assert not (work / ".git" / name).is_symlink()
    assert f".git/{name}" in changed


def test_a_persons_own_links_in_a_repository_are_no_finding(run, tier: Tier, work: Path):
    (work / ".git/logs").mkdir(exist_ok=True)
    (work / ".git/logs/x").symlink_to("elsewhere")
    (work / "CLAUDE.md").symlink_to("AGENTS.md")
    (work / ".claude").symlink_to(".")
    line = "echo 1 > a; git add a; git -c user.name=n -c user.email=e commit -qm one"
    assert run(tier, line)[::2] == (0, [])
    assert (work / "CLAUDE.md").is_symlink()


def test_links_in_a_circle_hold_nobody_up(run, sandbox: Sandbox, tier: Tier, work: Path):
    (work / ".envrc").symlink_to("x")
    (work / "x").symlink_to(".envrc")
    (work / ".mcp.json").symlink_to(".mcp.json/deeper")
    assert run(tier, "echo on")[:2] == (0, "on\n")
