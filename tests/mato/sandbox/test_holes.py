"""What a profile opens is open, nothing beside it is, and some places never are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mato.processes import MARKER
from mato.sandbox import hole as holes
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Tier
from mato_sessions.errors import ConfigError
from mato_sessions.events.agent import Hole


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    for name in (".agent", ".other"):
        (home / name).mkdir()
        (home / name / "settings").write_text("mine\n")
    return {"PATH": os.defpath, "HOME": str(home), "AGENT_KEY": "k", "OTHER": "o", MARKER: "test"}


def _child(sandbox: Sandbox, tier: Tier, work: Path, env: dict[str, str], hole: Hole, said: str):
    """What a child on pipes answers to `said`."""
    confinement = sandbox.confine(tier, hole=hole)
    try:
        start = confinement.begin(work, env, ["/bin/sh"])
        assert start is not None
        done = subprocess.run(
            start.command,
            cwd=work,
            env=start.env,
            pass_fds=start.handles,
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout + done.stderr
    finally:
        confinement.end()


def test_what_is_opened_is_open_and_nothing_beside_it(
    sandbox: Sandbox, tier: Tier, work: Path, env: dict[str, str], tmp_path: Path
):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/data").write_text("shown\n")
    hole = Hole(
        read=(str(tmp_path / "shared"), "~/missing"), write=("~/.agent/",), env=("AGENT_KEY",)
    )
    said = _child(
        sandbox,
        tier,
        work,
        env,
        hole,
        f"cat {tmp_path}/shared/data ~/.agent/settings ~/.other/settings\n"
        f"echo new > ~/.agent/made; echo new > {tmp_path}/shared/made; echo new > ~/.other/made\n"
        "echo [$AGENT_KEY$OTHER]\n",
    )
    assert said.count("shown\n") == 1 and said.count("mine\n") == 1 and "[k]" in said
    assert (tmp_path / "home/.agent/made").read_text() == "new\n"
    assert not (tmp_path / "shared/made").exists()
    assert not (tmp_path / "home/.other/made").exists()


def test_a_folder_to_be_written_to_is_made_and_a_file_is_not(
    sandbox: Sandbox, tier: Tier, work: Path, env: dict[str, str], tmp_path: Path
):
    hole = Hole(write=("~/.new/deep/", "~/.new.json"))
    _child(sandbox, tier, work, env, hole, "echo x > ~/.new/deep/made")
    assert (tmp_path / "home/.new/deep/made").exists()
    assert not (tmp_path / "home/.new.json").exists()


def test_what_is_protected_in_the_workspace_stays_so(
    sandbox: Sandbox, tier: Tier, work: Path, env: dict[str, str]
):
    hole = Hole(write=(str(work / ".git"), str(work)))
    _child(sandbox, tier, work, env, hole, "echo x > .git/hooks/pre-commit; echo x > .envrc")
    assert not (work / ".git/hooks/pre-commit").exists() and not (work / ".envrc").exists()


def test_no_variable_stands_in_a_command_line(
    sandbox: Sandbox, tier: Tier, work: Path, env: dict[str, str]
):
    confinement = sandbox.confine(tier, hole=Hole(env=("AGENT_KEY",)))
    try:
        start = confinement.begin(work, env | {"AGENT_KEY": "hush-hush"}, ["true"])
        assert start is not None
        assert start.env["AGENT_KEY"] == "hush-hush"
        assert not any("hush-hush" in word for word in start.command)
    finally:
        confinement.end()


def test_a_program_keeps_a_terminal_of_its_own_and_types_nothing_into_it(
    sandbox: Sandbox, tier: Tier, work: Path, env: dict[str, str]
):
    confinement = sandbox.confine(tier)
    typing = (
        "import fcntl, termios, sys\n"
        "try: fcntl.ioctl(0, termios.TIOCSTI, b'x'); print('typed')\n"
        "except OSError as e: print('refused', sys.stdin.isatty())"
    )
    line = f'echo up > /dev/tty; python3 -I -S -c "{typing}"'
    try:
        start = confinement.begin(work, env, ["/bin/sh", "-c", line], terminal=True)
        assert start is not None and start.handles == ()
        said = _on_terminal(start.command, start.env, work)
    finally:
        confinement.end()
    assert "up" in said and "refused True" in said and "typed" not in said


def _on_terminal(command: tuple[str, ...], env: dict[str, str], cwd: Path) -> str:
    pid, master = os.forkpty()
    if pid == 0:
        os.chdir(cwd)
        os.execve(command[0], command, env)
    said = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # EIO: its last process has ended
            break
        if not piece:
            break
        said += piece
    os.waitpid(pid, 0)
    os.close(master)
    return said.decode()


@pytest.mark.parametrize(
    "path", ["/", "~/", "~", "/etc", "/proc", "relative", "/tmp/../etc", "~other/x", "", "/a\0b"]
)
def test_what_is_too_much_or_nothing_is_refused_by_name(path: str):
    for hole in (Hole(read=(path,)), Hole(write=(path,))):
        with pytest.raises(ConfigError, match=r"x\.md"):
            holes.check(hole, "x.md")


@pytest.mark.parametrize("name", ["LD_PRELOAD", "MATO_CALL", "A=B", "", "É"])
def test_some_variables_are_never_handed_in(name: str):
    with pytest.raises(ConfigError, match="no variable"):
        holes.check(Hole(env=(name,)), "x.md")


@pytest.mark.parametrize("hidden", ["state", "link", ".", "state/deep", "home"])
def test_a_hole_never_shows_what_is_matos_nor_a_whole_home(
    sandbox: Sandbox, tier: Tier, work: Path, env: dict[str, str], tmp_path: Path, hidden: str
):
    (tmp_path / "state/deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    for hole in (Hole(read=(str(tmp_path / hidden),)), Hole(write=(str(tmp_path / hidden),))):
        with pytest.raises(ConfigError, match="no agent is shown"):
            _child(sandbox, tier, work, env, hole, "true")


def test_a_hole_is_told_in_words():
    hole = Hole(read=("~/a",), write=("~/b/",), network=("api.example.org",), env=("KEY",))
    assert holes.tell(hole) == [
        "reads ~/a",
        "reads and writes ~/b/",
        "reaches over the network api.example.org",
        "is handed the variables KEY",
    ]
    assert holes.tell(Hole()) == []
