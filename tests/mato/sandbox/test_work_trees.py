"""Commits in a work tree whose repository is outside, without a way to what that executes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mato.sandbox.tier import Tier

_IDENTITY = ("-c", "user.name=n", "-c", "user.email=e@example.org")
_NAMED = "[user]\n\tname = A Person\n\temail = a@b.example\n"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *_IDENTITY, *words], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A repository with one packed commit."""
    _git("init", "-q", "-b", "main", str(tmp_path / "main"))
    _git("-C", str(tmp_path / "main"), "commit", "-q", "--allow-empty", "-m", "first of all")
    _git("-C", str(tmp_path / "main"), "gc", "-q")
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home/.gitconfig").write_text(_NAMED)
    return tmp_path / "main"


@pytest.fixture
def tree(main: Path, tmp_path: Path) -> Path:
    """Its work tree, beside it."""
    _git("-C", str(main), "worktree", "add", "-q", str(tmp_path / "tree"))
    return tmp_path / "tree"


def _state(git: Path) -> dict[str, bytes]:
    """What git executes by, and what was there before, of a repository."""
    kept = ("config", "packed-refs", "HEAD", "index", "info", "hooks", "objects/pack")
    files = [
        each
        for name in kept
        for each in ([git / name] if (git / name).is_file() else (git / name).rglob("*"))
    ]
    return {str(each): each.read_bytes() for each in files if each.is_file()}


def test_an_agent_commits_in_a_work_tree(run, tier: Tier, main: Path, tree: Path):
    code, said, changed = run(
        tier,
        "set -e; echo 1 > a; git add a; git commit -qm one; git checkout -qb topic; echo 2 >> a;"
        " git stash -q; git stash apply -q; git commit -qam two; git tag v1; git switch -q tree;"
        " git merge -q topic; git commit -q --amend -m uno; git reset -q --hard topic;"
        " git status --short; git log --format=%s,%an",
        tree,
    )
    assert (code, changed) == (0, []), said
    assert _git("-C", str(main), "log", "--format=%s,%an", "topic").splitlines() == [
        "two,A Person",
        "one,A Person",
        "first of all,n",
    ]
    _git("-C", str(main), "fsck", "--strict")


@pytest.mark.parametrize(
    "line",
    [
        "echo evil > $G/hooks/pre-commit; echo evil > $G/hooks/post-checkout",
        "git config core.fsmonitor ./evil; printf '[core]\\n\\tpager = evil\\n' >> $G/config",
        "git config --worktree core.pager evil; echo '[core]' > $P/config.worktree",
        "mkdir o; echo '[core]' > o/config; echo $PWD/o > $P/commondir; echo $PWD > $P/gitdir",
        "rm -f $P/commondir $P/gitdir; mv $P/commondir $P/c; echo ../../../o > $P/commondir",
        "mv $P ${P}2; mkdir -p $P/hooks; echo evil > $P/hooks/pre-commit",
        "mv $G/hooks $G/h; mv $G ${G}2; mkdir -p $G/hooks; echo evil > $G/hooks/pre-commit",
        "echo '* filter=x' > $G/info/attributes; echo /tmp/o > $G/objects/info/alternates",
        "ln -sfn $PWD/evil $P/logs/HEAD; rm -f $P/HEAD; ln -s $PWD/evil $P/HEAD",
        "mkdir -p $G/logs/refs/heads; ln -sfn $PWD/evil $G/logs/refs/heads/main",
        "rm -rf $G/objects/pack; rm -f $G/objects/pack/*; rm -f $G/packed-refs $G/HEAD $G/index",
        "rm -f .git; echo gitdir: o > .git; mkdir -p .git/hooks; echo evil > .git/hooks/x",
        "ln -sfn $PWD $G/refs/heads/x; ln -sfn /etc $G/objects/ff",
    ],
)
def test_a_work_tree_is_no_way_to_what_its_repository_executes(
    run, full: Tier, main: Path, tree: Path, line: str
):
    git = main / ".git"
    private = git / "worktrees/tree"
    before = _state(git)
    own = {name: (private / name).read_bytes() for name in ("commondir", "gitdir")}
    run(full, f"G={git}; P={private}; {line}; true", tree)
    assert _state(git) == before
    assert {name: (private / name).read_bytes() for name in own} == own
    assert not (private / "config.worktree").exists() and not (private / "hooks").exists()
    assert (tree / ".git").read_text() == f"gitdir: {private}\n"
    assert [path for path in git.rglob("*") if path.is_symlink()] == []
    assert "first of all" in _git("-C", str(main), "log", "--oneline", "main")


def test_partial_puts_back_what_a_work_tree_is_redirected_to(
    run, tier: Tier, main: Path, tree: Path
):
    private = main / ".git/worktrees/tree"
    line = f"mkdir o; echo $PWD/o > {private}/commondir; echo x > {private}/config.worktree; true"
    run(tier, line, tree)
    assert (private / "commondir").read_text() == "../..\n"
    assert not (private / "config.worktree").exists()


def test_other_work_trees_stay_as_they_are(run, tier: Tier, main: Path, tree: Path):
    _git("-C", str(main), "worktree", "add", "-q", str(tree.parent / "other"))
    other = main / ".git/worktrees/other"
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    run(
        tier, f"echo evil > {other}/HEAD; echo evil > {other}/config.worktree; rm -rf {other}", tree
    )
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before


def test_a_repository_that_is_hidden_stays_so(run, full: Tier, tmp_path: Path):
    state = tmp_path / "state/main"
    state.mkdir(parents=True, exist_ok=True)
    _git("init", "-q", str(state))
    _git("-C", str(state), "commit", "-q", "--allow-empty", "-m", "first of all")
    _git("-C", str(state), "worktree", "add", "-q", str(tmp_path / "tree"))
    code, said, _ = run(full, f"git log; ls {state}/.git", tmp_path / "tree")
    assert code and "first of all" not in said and "HEAD" not in said


def test_an_agent_commits_in_a_submodule(run, tier: Tier, main: Path, work: Path, tmp_path: Path):
    options = ("-c", "protocol.file.allow=always", "-C", str(work))
    _git(*options, "submodule", "add", "-q", str(main), "sub")
    private = work / ".git/modules/sub"
    config = (private / "config").read_bytes()
    hooks = sorted(os.listdir(private / "hooks"))
    code, said, changed = run(
        tier, "set -e; echo 1 > a; git add a; git commit -qm one; git log --oneline", work / "sub"
    )
    assert (code, changed) == (0, []) and "first of all" in said, said
    run(
        tier,
        f"git config alias.x '!evil'; echo evil > {private}/hooks/pre-commit;"
        f" echo x > {private}/commondir; true",
        work / "sub",
    )
    assert (private / "config").read_bytes() == config
    assert sorted(os.listdir(private / "hooks")) == hooks
    assert not (private / "commondir").exists()


def test_a_work_tree_made_in_the_workspace_stays_and_can_be_used(run, tier: Tier, main: Path):
    code, said, changed = run(tier, "git worktree add -q below", main)
    assert (code, changed) == (0, []), said
    line = "cd below && echo 1 > a && git add a && git commit -qm below"
    code, said, changed = run(tier, line, main)
    assert (code, changed) == (0, []), said
    assert "below" in _git("-C", str(main), "log", "--format=%s", "below", "--")
    run(tier, "mkdir o; echo ../../../o > .git/worktrees/below/commondir; true", main)
    assert (main / ".git/worktrees/below/commondir").read_text() == "../..\n"


def test_a_work_tree_of_a_planted_repository_is_put_aside(run, tier: Tier, main: Path):
    run(
        tier,
        'mkdir -p new p/worktrees/x; echo "gitdir: $PWD/p/worktrees/x" > new/.git;'
        " echo $PWD/new/.git > p/worktrees/x/gitdir; echo ../../../q > p/worktrees/x/commondir;"
        " echo 'ref: refs/heads/x' > p/worktrees/x/HEAD",
        main,
    )
    assert not (main / "new/.git").exists()
