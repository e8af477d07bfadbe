"""The door to a workspace's files: what it opens, and that nothing leads out."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mato.testing.opener import open_inside
from mato.tools.workspace import PathMissing, Workspace
from mato_sessions.errors import PathRefused

KIT = Path(os.environ.get("MATO_KIT", Path(__file__).parents[4] / "shared/kit"))


def test_files_are_read_by_relative_absolute_and_linked_paths(top: Path):
    (top / "ws/sub").mkdir()
    (top / "ws/sub/f").write_text("inside")
    (top / "ws/link").symlink_to("sub/f")
    (top / "ws/sub/up").symlink_to("../sub")
    (top / "alias").symlink_to("ws")
    with Workspace(top / "alias") as workspace:
        for path in ("sub/f", "./sub//f", "link", "sub/up/f", "sub/../sub/f"):
            assert workspace.read_bytes(path, 100) == b"inside"
        assert workspace.read_bytes(str(top / "ws/sub/f"), 100) == b"inside"
        assert workspace.read_bytes(str(top / "alias/sub/f"), 100) == b"inside"
        assert workspace.relative(str(top / "alias/sub/./f")) == "sub/f"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "abs",
        "rel",
        "folder/secret",
        "up/outside/secret",
        "/etc/passwd",
        "proc",
        "{top}/outside/secret",
        "{top}/ws/../outside/secret",
        "{top}/ws2/secret",
        "",
        "f\0/../../outside/secret",
        "\udcff",
        "x" * 256,
        "x/" * 2047 + "x",
        "x" * 5000,
        "loop",
        "pipe",
        "socket",
        "piped",
        "f/x",
    ],
    ids=lambda path: repr(path)[:30],
)
def test_what_leads_out_or_is_no_plain_file_is_refused_in_one_sentence(top: Path, path: str):
    ws = top / "ws"
    (ws / "f").write_text("inside")
    (ws / "abs").symlink_to(top / "outside/secret")
    (ws / "rel").symlink_to("../outside/secret")
    (ws / "folder").symlink_to(top / "outside")
    (ws / "up").symlink_to("..")
    (ws / "proc").symlink_to("/proc/self/environ")
    (ws / "loop").symlink_to("loop")
    (ws / "piped").symlink_to("pipe")
    os.mkfifo(ws / "pipe")
    shutil.copytree(top / "outside", top / "ws2")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(ws / "socket"))
    with Workspace(ws) as workspace:
        path = path.format(top=top)
        for use in (
            lambda: workspace.read_bytes(path, 100),
            lambda: workspace.open_read(path),
            lambda: workspace.stat(path),
            lambda: workspace.scandir(path),
            lambda: workspace.write_bytes(path, b"x", expect=b"SECRET"),
        ):
            with pytest.raises(PathRefused) as refused:
                use()
            assert "\n" not in str(refused.value)
        assert (top / "outside/secret").read_text() == "SECRET"


@given(st.text(st.characters(), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_as_a_path_is_opened_inside_or_refused(text: str):
    with Workspace(Path(__file__).parent) as workspace:
        try:
            with workspace.open_read(text) as file:
                real = os.readlink(f"/proc/self/fd/{file.fileno()}")
                assert real.startswith(str(workspace.root))
        except PathRefused:
            pass


def test_the_kernels_own_state_is_refused_even_beneath_a_workspace():
    with Workspace(Path("/")) as workspace:
        with pytest.raises(PathRefused, match="kernel's own state"):
            workspace.read_bytes("/proc/self/environ", 1000)
        with pytest.raises(PathRefused, match="kernel's own state"):
            workspace.scandir("sys")
        with pytest.raises(PathRefused, match="no plain file"):
            workspace.read_bytes("dev/zero", 1000)
    with pytest.raises(PathRefused):
        Workspace(Path("/proc/self"))


def test_a_write_replaces_the_file_at_once_and_keeps_its_permission_bits(top: Path):
    file = top / "ws/run.sh"
    file.write_text("old")
    file.chmod(0o750)
    with Workspace(top / "ws") as workspace, file.open() as reader:
        workspace.write_bytes("run.sh", b"new", expect=b"old")
        assert reader.read() == "old"
        assert file.read_text() == "new"
        assert file.stat().st_mode & 0o7777 == 0o750
        assert os.listdir(top / "ws") == ["run.sh"]


def test_a_new_file_gets_its_folders_and_bits_whatever_the_umask(top: Path):
    before = os.umask(0o077)
    try:
        with Workspace(top / "ws") as workspace:
            workspace.write_bytes("a/b/../b/c.txt", b"new", expect=None)
    finally:
        os.umask(before)
    assert (top / "ws/a/b/c.txt").read_text() == "new"
    assert (top / "ws/a/b").stat().st_mode & 0o777 == 0o755
    assert (top / "ws/a/b/c.txt").stat().st_mode & 0o777 == 0o644


def test_a_write_is_refused_when_the_file_is_not_what_the_caller_knows(top: Path):
    file = top / "ws/f"
    file.write_text("theirs")
    with Workspace(top / "ws") as workspace:
        for expect, reason in ((b"mine", "changed"), (b"their", "changed"), (None, "made by")):
            with pytest.raises(PathRefused, match=reason):
                workspace.write_bytes("f", b"x", expect=expect)
        with pytest.raises(PathRefused, match="deleted"):
            workspace.write_bytes("gone", b"x", expect=b"something")
        with pytest.raises(PathMissing):
            workspace.write_bytes("no/folder", b"x", expect=b"something")
        with pytest.raises(PathRefused, match="folders deep"):
            workspace.write_bytes("a/" * 101 + "f", b"x", expect=None)
    assert file.read_text() == "theirs"
    assert os.listdir(top / "ws") == ["f"]


def test_links_and_files_with_several_names_are_not_written(top: Path):
    ws = top / "ws"
    (ws / "link").symlink_to(top / "outside/secret")
    (ws / "dangling").symlink_to(top / "outside/new")
    (ws / "folder").symlink_to(top / "outside")
    os.link(top / "outside/secret", ws / "hard")
    with Workspace(ws) as workspace:
        for path, expect in (
            ("link", b"SECRET"),
            ("hard", b"SECRET"),
            ("dangling", None),
            ("dangling/x", None),
            ("folder/new", None),
            (".", None),
            ("f/", None),
            ("..", None),
        ):
            with pytest.raises(PathRefused):
                workspace.write_bytes(path, b"x", expect=expect)
    assert os.listdir(top / "outside") == ["secret"]
    assert (top / "outside/secret").read_text() == "SECRET"


def test_a_workspace_that_was_deleted_or_replaced_says_so(top: Path):
    with Workspace(top / "ws") as workspace:
        os.rmdir(top / "ws")
        with pytest.raises(PathRefused, match="was deleted"):
            workspace.read_bytes("f", 10)
        with pytest.raises(PathRefused, match="was deleted"):
            workspace.write_bytes("f", b"x", expect=None)
        with pytest.raises(PathRefused, match="is gone"):
            workspace.folder()
        os.mkdir(top / "ws")
        with pytest.raises(PathRefused, match="replaced"):
            workspace.folder()
    with pytest.raises(PathRefused, match="cannot use"):
        Workspace(top / "nothing")


def test_a_missing_file_is_told_apart_from_a_refused_one(workspace: Workspace):
    with pytest.raises(PathMissing, match="'nothing' does not exist"):
        workspace.stat("nothing")


def test_reading_is_bounded(workspace: Workspace):
    (workspace.root / "big").write_bytes(b"x" * 11)
    assert len(workspace.read_bytes("big", 11)) == 11
    with pytest.raises(PathRefused, match="too large: 11 bytes"):
        workspace.read_bytes("big", 10)


@pytest.mark.parametrize(
    ("link", "to", "path", "place"),
    [
        ("plain", ".git/hooks", "plain/pre-commit", ".git/hooks/pre-commit"),
        ("docs", ".vscode", "docs/tasks.json", ".vscode/tasks.json"),
        ("notes.txt", ".env", "notes.txt", ".env"),
        ("src", "other", "src/a.txt", "other/a.txt"),
        ("up", ".", "up/.env", ""),
    ],
)
def test_no_link_gives_a_file_another_name_than_was_permitted(
    top: Path, link: str, to: str, path: str, place: str
):
    for folder in (".git/hooks", ".vscode", "other"):
        (top / folder).mkdir(parents=True, exist_ok=True)
    (top / ".env").write_text("KEY=x\n")
    (top / link).symlink_to(to)
    with Workspace(top) as workspace:
        if not place:
            assert workspace.read_bytes(path, 100) == b"KEY=x\n", "its own name says what it is"
            return
        with pytest.raises(PathRefused, match=f"is a way to '{re.escape(place)}'; use that name"):
            if path == link:
                workspace.read_bytes(path, 100)
            else:
                workspace.write_bytes(path, b"x", expect=None)
        if path != link:
            workspace.write_bytes(place, b"x", expect=None)
            with pytest.raises(PathRefused, match="is a way to"):
                workspace.remove(path, expect=b"x")


def test_walking_names_links_and_skipped_folders_but_enters_neither(top: Path):
    ws = top / "ws"
    (ws / "b/deep").mkdir(parents=True)
    (ws / "b/deep/f").write_text("x")
    (ws / ".git").mkdir()
    (ws / ".git/config").write_text("x")
    (ws / "a-link").symlink_to(top / "outside")
    (ws / "round").symlink_to(".")
    os.mkfifo(ws / "pipe")
    os.mkdir(os.fsencode(ws) + b"/bad\xff")
    with Workspace(ws) as workspace:
        walked = [(e.path, e.kind) for e in workspace.walk(skip=frozenset({".git"}))]
        assert walked == [
            (".git", "folder"),
            ("a-link", "link"),
            ("b", "folder"),
            ("b/deep", "folder"),
            ("b/deep/f", "file"),
            ("bad\ufffd", "folder"),
            ("pipe", "other"),
            ("round", "link"),
        ]
        assert [e.path for e in workspace.walk("b", depth=1)] == ["b/deep"]


SECCOMP = """
import ctypes, errno, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
rules = b"".join(struct.pack("HBBI", *rule) for rule in (
    (0x20, 0, 0, 0), (0x15, 0, 1, 437), (0x06, 0, 0, 0x00050000 | errno.ENOSYS),
    (0x06, 0, 0, 0x7FFF0000)))
buffer = ctypes.create_string_buffer(rules)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
from pathlib import Path
from mato.testing.opener import open_inside
from mato.tools.workspace import Workspace
from mato_sessions.errors import PathRefused
try:
    Workspace(Path("."))
except PathRefused as error:
    print(error)
"""


def test_a_system_without_openat2_is_told_so_in_one_sentence():
    answer = subprocess.run(
        [sys.executable, "-c", SECCOMP], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith("this system has no openat2")
    assert answer.stdout.count("\n") == 1


def test_a_workspace_that_was_deleted_is_not_an_empty_one(top: Path):
    with Workspace(top / "ws") as workspace:
        (top / "ws").rmdir()
        for look in (workspace.scandir, lambda: list(workspace.walk("."))):
            with pytest.raises(PathRefused, match="was deleted"):
                look()


@pytest.mark.skipif(not KIT.exists(), reason="the corpus of hostile paths is not here")
def test_no_path_of_the_corpus_gets_out():
    answer = subprocess.run(
        [sys.executable, str(KIT / "paths/check_paths.py"), "mato.testing.opener:open_inside"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert answer.returncode == 0, answer.stdout
    assert "harmless paths refused: 0" in answer.stdout


def test_the_plain_opener_raises_permission_errors(top: Path):
    with pytest.raises(PermissionError, match="leads out"):
        open_inside(str(top / "ws"), "../outside/secret")
