"""Set-up on a machine that has little: uv from a pinned wheel, tmux by root or by a sentence."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bootstrap.py"
PROGRAM = b"#!/bin/sh\necho 'uv 0.13.9 (made for a test)'\n"


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Address of a web server that gives out `tmp_path / "web"`."""
    (tmp_path / "web").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def wheel() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("uv/__init__.py", "")
        archive.writestr("uv-0.13.9.data/scripts/uv", PROGRAM)
        archive.writestr("uv-0.13.9.data/scripts/uvx", "")
    return out.getvalue()


def test_uv_comes_out_of_its_pinned_wheel_and_runs(
    bootstrap: ModuleType, served: str, tmp_path: Path
) -> None:
    (tmp_path / "web" / "uv.whl").write_bytes(wheel())
    pinned = bootstrap.Wheel(f"{served}/uv.whl", hashlib.sha256(wheel()).hexdigest())
    folder = tmp_path / "folder"
    folder.mkdir()
    uv = tmp_path / "uv"
    bootstrap.unpack(bootstrap.fetch(pinned, folder), uv)
    assert bootstrap.is_new_enough(uv)


def test_a_wheel_with_another_hash_is_refused(
    bootstrap: ModuleType, served: str, tmp_path: Path
) -> None:
    (tmp_path / "web" / "uv.whl").write_bytes(wheel())
    pinned = bootstrap.Wheel(f"{served}/uv.whl", "0" * 64)
    with pytest.raises(bootstrap.CannotSetUp, match="not the pinned file"):
        bootstrap.fetch(pinned, tmp_path)


def test_without_a_network_it_says_what_to_do(
    bootstrap: ModuleType, served: str, tmp_path: Path
) -> None:
    missing = bootstrap.Wheel(f"{served}/gone.whl", "0" * 64)
    with pytest.raises(bootstrap.CannotSetUp, match="check the network"):
        bootstrap.fetch(missing, tmp_path)


@pytest.mark.parametrize(
    ("said", "enough"),
    [
        ("uv 0.13.9 (abc 2026)", True),
        ("uv 0.14.0", True),
        ("uv 1.0.0", True),
        ("uv 0.13.8", False),
        ("uv 0.9.30", False),
        ("something else", False),
    ],
)
def test_a_uv_that_is_there_is_used_when_it_is_new_enough(
    bootstrap: ModuleType, tmp_path: Path, said: str, enough: bool
) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\necho '{said}'\n")
    uv.chmod(0o755)
    assert bootstrap.is_new_enough(uv) is enough


def test_a_uv_that_does_not_run_is_none(bootstrap: ModuleType, tmp_path: Path) -> None:
    assert not bootstrap.is_new_enough(tmp_path / "missing")
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    assert not bootstrap.is_new_enough(broken)


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 15)])
def test_another_python_is_refused_with_a_way_out(
    bootstrap: ModuleType, version: tuple[int, int]
) -> None:
    with pytest.raises(bootstrap.CannotSetUp, match=r"make PYTHON="):
        bootstrap.check_python(version)
    bootstrap.check_python((3, 11))
    bootstrap.check_python((3, 13))


class Commands:
    """Plays a system: what is on PATH, and how commands end."""

    def __init__(self, *there: str, code: int = 0) -> None:
        self.there = there
        self.code = code
        self.run: list[list[str]] = []

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.there else None

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        self.run.append(command)
        return subprocess.CompletedProcess(command, self.code)


def test_tmux_is_installed_only_where_it_is_missing_and_root(bootstrap: ModuleType) -> None:
    there = Commands("tmux", "apt-get")
    bootstrap.provide_tmux(there.which, 0, there)
    assert there.run == []
    root = Commands("apt-get")
    bootstrap.provide_tmux(root.which, 0, root)
    assert [command[1] for command in root.run] == ["update", "install"]


@pytest.mark.parametrize(("user", "there"), [(1000, ("apt-get",)), (0, ())])
def test_without_rights_it_says_in_a_sentence_how_to_get_tmux(
    bootstrap: ModuleType, user: int, there: tuple[str, ...]
) -> None:
    system = Commands(*there)
    with pytest.raises(bootstrap.CannotSetUp, match="sudo apt-get install tmux"):
        bootstrap.provide_tmux(system.which, user, system)
    assert system.run == []


def test_an_installation_that_fails_is_said(bootstrap: ModuleType) -> None:
    system = Commands("apt-get", code=100)
    with pytest.raises(bootstrap.CannotSetUp, match="failed; install tmux by hand"):
        bootstrap.provide_tmux(system.which, 0, system)


def test_bubblewrap_is_installed_by_root_and_missed_in_a_sentence_by_others(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Commands("apt-get")
    bootstrap.provide_bubblewrap(root.which, 0, root)
    assert [command[-1] for command in root.run] == ["-qq", "bubblewrap"]
    for user, system in ((1000, Commands("apt-get")), (0, Commands("apt-get", code=100))):
        capsys.readouterr()
        bootstrap.provide_bubblewrap(system.which, user, system)
        assert "confined less" in capsys.readouterr().err


def test_the_script_needs_only_the_standard_library() -> None:
    # -I -S: no site-packages, no environment: only what a bare python3 brings.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(SCRIPT)!r})"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
