"""What makes other programs act is neither changed nor planted, and ordinary work goes on."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from mato.sandbox.protected import FILES, FOLDERS, LATER
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Tier
from mato_sessions.errors import PathRefused


@pytest.mark.parametrize("path", [*FILES, *(f"{name}/settings.json" for name in FOLDERS)])
def test_what_is_there_stays_as_it_is(run, tier: Tier, work: Path, path: str):
    (work / path).parent.mkdir(exist_ok=True)
    (work / path).write_text("mine")
    run(tier, f"echo evil > {path}; rm -rf {path}; mv {path} x; echo evil > {path}; true")
    assert (work / path).read_text() == "mine"


@pytest.mark.parametrize("path", [*FILES, *(f"{name}/settings.json" for name in FOLDERS)])
def test_what_is_not_there_does_not_come_to_be(run, tier: Tier, work: Path, path: str):
    before = sorted(os.listdir(work))
    run(tier, f"mkdir -p $(dirname {path}); echo evil > {path}; ln -s /etc/passwd {path}; true")
    assert sorted(os.listdir(work)) == before


@pytest.mark.parametrize(
    "line",
    [
        "mv .git g && mkdir -p .git/hooks && echo evil > .git/hooks/pre-commit",
        "rm -rf .git/hooks && mkdir .git/hooks && echo evil > .git/hooks/pre-commit",
        "git config core.fsmonitor ./evil",
        "git config --file .git/config.worktree core.hooksPath evil",
        "mkdir other && echo '[core]' > other/config && echo ../other > .git/commondir",
        "mv .git/hooks h && ln -s ../evil .git/hooks",
        "ln .git/config c && echo '[core]' >> c",
        "echo '* filter=x' > .git/info/attributes; printf '[filter \"x\"]' >> .git/config",
    ],
)
def test_a_repository_runs_nothing_new(run, tier: Tier, work: Path, line: str):
    config = (work / ".git/config").read_text()
    hooks = sorted(os.listdir(work / ".git/hooks"))
    run(tier, line)
    assert (work / ".git/config").read_text() == config
    assert sorted(os.listdir(work / ".git/hooks")) == hooks
    assert not (work / ".git/commondir").exists()
    assert not (work / ".git/config.worktree").exists()


def test_a_new_repository_below_keeps_only_what_executes_nothing(run, tier: Tier, work: Path):
    run(tier, "git init -q below")
    assert (work / "below/.git/config").exists()
    _, _, changed = run(tier, "git init -q b2; git -C b2 config alias.x '!evil'; echo > b2/.envrc")
    assert not (work / "b2/.git/config").exists() and not (work / "b2/.envrc").exists()
    assert {"b2/.git/config", "b2/.envrc"} <= set(changed)


def test_what_was_planted_is_put_aside_and_not_lost(run, tier: Tier, work: Path, tmp_path: Path):
    run(tier, "mkdir sub; echo keep me > sub/.envrc")
    assert [each.read_text() for each in (tmp_path / "aside").iterdir()] == ["keep me\n"]


def test_a_stand_in_stays_while_another_command_needs_it(
    sandbox: Sandbox, full: Tier, work: Path, run, tmp_path: Path
):
    long = sandbox.confine(full)
    long.begin(work, {"HOME": str(tmp_path / "home")}, ["/bin/true"])
    run(full, "true")
    assert os.path.lexists(work / ".envrc")
    assert run(full, "git status --porcelain")[1] == ""
    long.end()
    assert sorted(os.listdir(work)) == [".git"]


def test_what_a_crash_left_goes_with_the_next_command(run, full: Tier, work: Path, sandbox):
    # A daemon that was killed never came to the end.
    Sandbox.of(sandbox.offer(), (), Path("/nonexistent")).confine(full).begin(
        work, {"HOME": "/nonexistent"}, ["/bin/true"]
    )
    assert os.path.lexists(work / ".envrc")
    run(full, "true")
    assert sorted(os.listdir(work)) == [".git"]


def test_commands_at_the_same_time_leave_nothing(run, full: Tier, work: Path):
    threads = [threading.Thread(target=run, args=(full, "sleep 0.1")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(os.listdir(work)) == [".git"]


def test_a_persons_own_empty_folder_stays(run, full: Tier, work: Path):
    (work / ".vscode").mkdir()
    assert run(full, "echo evil > .vscode/tasks.json")[0] != 0
    assert (work / ".vscode").is_dir()


def test_ordinary_work_goes_on(run, tier: Tier, work: Path, tmp_path: Path):
    (tmp_path / "home/.gitconfig").write_text("[user]\n\tname = A Person\n\temail = a@b.example\n")
    code, said, changed = run(
        tier,
        "set -e; echo 1 > a; mkdir d; mv a d/b; git add -A; git commit -qm one; git checkout -qb x;"
        " printf 'all:\\n\\ttouch made\\n' > Makefile; make >/dev/null; git stash -uq;"
        " git stash pop -q;"
        " git clean -fdxq; git status;"
        " git log --format=%an; date > $TMPDIR/x; cat $TMPDIR/x",
    )
    assert (code, changed) == (0, []), said
    assert "A Person" in said
    log = subprocess.run(
        ["git", "log", "--stat", "--format=%s"], cwd=work, capture_output=True, text=True
    )
    assert log.stdout.splitlines()[0] == "one" and "d/b | 1 +" in log.stdout


def test_the_home_and_other_variables_stay_outside(run, tier: Tier, work: Path, tmp_path: Path):
    (tmp_path / "home/.netrc").write_text("password")
    said = run(tier, f"env; cat {tmp_path}/home/.netrc; cat {tmp_path}/state/x", API_TOKEN="t0ken")
    assert "password" not in said[1] and "t0ken" not in said[1]


def test_a_workspace_that_holds_the_state_does_not_show_it(run, full: Tier, tmp_path: Path):
    (tmp_path / "state/journal.db").write_text("facts")
    code, said, _ = run(full, "ls state; cat state/journal.db", folder=tmp_path)
    assert code != 0 and "facts" not in said


def test_a_folder_of_the_system_is_no_workspace(run, tier: Tier):
    for folder in ("/", "/usr", "/etc", "/proc/self", "/dev/shm"):
        with pytest.raises(PathRefused, match="belongs to the system"):
            run(tier, "true", folder=Path(folder))


@pytest.mark.parametrize("path", [*LATER])
def test_less_known_names_stay_and_do_not_come_to_be(run, tier: Tier, work: Path, path: str):
    run(tier, f"echo evil > {path}")
    assert not (work / path).exists()
    (work / path).write_text("mine")
    run(tier, f"echo evil > {path}; mv {path} x; echo evil > {path}; true")
    assert (work / path).read_text() == "mine"


def test_the_folder_that_a_configuration_names_for_hooks_is_protected(run, tier: Tier, work: Path):
    subprocess.run(["git", "config", "core.hooksPath", "tools/hooks"], cwd=work, check=True)
    run(tier, "mkdir -p tools/hooks; echo evil > tools/hooks/pre-commit")
    assert not (work / "tools/hooks").exists()
    (work / "tools/hooks").mkdir(parents=True)
    run(tier, "echo evil > tools/hooks/pre-commit; mv tools t; mkdir -p tools/hooks; true")
    assert os.listdir(work / "tools/hooks") == []


@pytest.mark.parametrize(
    "plant",
    [
        "git init -q --bare data",
        "git init -q --bare data; rm -rf .git; ln -s data .git",
        "mkdir data; git init -q --bare data; rm -rf .git; echo 'gitdir: data' > .git",
    ],
)
def test_a_repository_by_another_name_runs_nothing(run, tier: Tier, work: Path, plant: str):
    run(tier, f"{plant}; git --git-dir data config core.fsmonitor ./evil")
    text = work / "data/config"
    assert not text.exists() or "fsmonitor" not in text.read_text()
    assert (work / ".git").is_dir() and not (work / ".git").is_symlink()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree beside its repository."""
    main = tmp_path / "main"
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    for line in (
        ("init", "-q", str(main)),
        ("-C", str(main), *identity, "commit", "-q", "--allow-empty", "-m", "first of all"),
        ("-C", str(main), "worktree", "add", "-q", str(tmp_path / "tree")),
    ):
        subprocess.run(["git", *line], check=True)
    return tmp_path / "tree"


def test_git_reads_in_a_work_tree_and_its_repository_stays_as_it_is(run, tier: Tier, tree: Path):
    main = tree.parent / "main/.git"
    config = (main / "config").read_text()
    code, said, _ = run(tier, "touch new; git status --short; git log --oneline", tree)
    assert code == 0 and "?? new" in said and "first of all" in said
    run(
        tier,
        f"git config alias.x '!evil'; echo evil > {main}/hooks/pre-commit; rm -f .git;"
        " echo 'gitdir: elsewhere' > .git; true",
        tree,
    )
    assert (main / "config").read_text() == config
    assert not (main / "hooks/pre-commit").exists()
    assert (tree / ".git").read_text().startswith(f"gitdir: {main}")


def test_a_workspace_cannot_name_a_repository_that_does_not_know_it(
    run, tier: Tier, tree: Path, work: Path
):
    private = tree.parent / "main/.git/worktrees/tree"
    (tree.parent / "thief").mkdir()
    (tree.parent / "thief/.git").write_text(f"gitdir: {private}\n")
    code, said, _ = run(tier, f"git log --oneline; cat {private}/HEAD", tree.parent / "thief")
    assert code and "first of all" not in said and "ref:" not in said


def test_git_reads_in_a_submodule(run, tier: Tier, tree: Path, work: Path):
    options = ("-c", "protocol.file.allow=always", "-C", str(work))
    source = str(tree.parent / "main")
    subprocess.run(["git", *options, "submodule", "add", "-q", source, "sub"], check=True)
    code, said, _ = run(tier, "git log --oneline", work / "sub")
    assert code == 0 and "first of all" in said
