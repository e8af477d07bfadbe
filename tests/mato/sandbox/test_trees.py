"""Trees that somebody made to be in the way: deep, full of holes, of pipes and of loops."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mato.sandbox import protected, trees, visible, worktree

DEEP = 1_100
"""More than Python calls functions in one another."""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where that can be, and swept by what knows no depth."""
    made = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield Path(made)
    subprocess.run(["rm", "-rf", made], check=True)


def nest(top: Path, depth: int) -> None:
    """Folders in one another, and a file in the last: by handles, as no path is that long."""
    top.mkdir(parents=True, exist_ok=True)
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_deep_tree_is_copied_and_removed(tmp_path: Path) -> None:
    nest(tmp_path / "from", DEEP)
    trees.copy(tmp_path / "from", tmp_path / "to")
    [*_, (_, folders, files)] = trees.walk(tmp_path / "to")
    assert (folders, files) == ([], ["f"])
    for name in ("from", "to"):
        trees.remove(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_what_no_path_can_name_still_loses_its_place(tmp_path: Path) -> None:
    nest(tmp_path / ".husky", 2_100)
    # No such folder: as if it could not be renamed over to there.
    trees.move(tmp_path / ".husky", tmp_path / "missing" / "0-.husky")
    assert not (tmp_path / ".husky").exists()


def test_a_copy_keeps_holes_links_and_permissions_and_leaves_pipes_out(tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(5_000_000)
        file.write(b"in the middle")
    (source / "script").write_text("#!/bin/sh\n")
    (source / "script").chmod(0o750)
    (source / "away").symlink_to("/etc/passwd")
    (source / "loop").symlink_to("loop")
    os.mkfifo(source / "pipe")
    trees.copy(source, target)
    info = (target / "sparse").stat()
    assert info.st_size == 1 << 30
    assert info.st_blocks * 512 < 1 << 20
    with (target / "sparse").open("rb") as file:
        file.seek(5_000_000)
        assert file.read(14) == b"in the middle\0"
    assert stat.S_IMODE((target / "script").stat().st_mode) == 0o750
    assert (target / "script").read_text() == "#!/bin/sh\n"
    assert os.readlink(target / "away") == "/etc/passwd"
    assert os.readlink(target / "loop") == "loop"
    assert not (target / "pipe").exists()


@pytest.mark.parametrize("where", [".vscode", ".git/modules"])
def test_protected_places_are_found_and_put_back_however_deep(tmp_path: Path, where: str) -> None:
    project, copies, aside = tmp_path / "p", tmp_path / "copies", tmp_path / "aside"
    (project / ".git").mkdir(parents=True)
    (project / ".git/HEAD").touch()
    nest(project / where, DEEP)
    before = protected.find(project)
    protected.keep(before, copies)
    (project / where / "planted").touch()
    changed = protected.restore(project, before, copies, aside)
    assert changed == ([] if where == ".git/modules" else [where])
    assert (project / where / "planted").exists() == (where == ".git/modules")


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_no_file_of_a_workspace_is_waited_for(tmp_path: Path, kind: str) -> None:
    names = (".venv/pyvenv.cfg", ".git", ".envrc", ".vscode/settings.json", "sub/.git/config")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if kind == "pipe":
            os.mkfifo(tmp_path / name)
        else:
            (tmp_path / name).symlink_to("/dev/zero")
    done = threading.Event()

    def look() -> None:
        protected.find(tmp_path)
        visible.view(tmp_path, dict(os.environ), ())
        worktree.outside(tmp_path)
        done.set()

    threading.Thread(target=look, daemon=True).start()
    assert done.wait(20.0)
