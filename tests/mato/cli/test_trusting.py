"""`mato trust`: shows before it pins, shows the difference, and speaks one sentence elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mato.cli import trusting
from mato.config.paths import find


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/AGENTS.md").write_text("Use tabs.\n")
    return tmp_path / "project"


def mato(project: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mato", "trust", *words],
        capture_output=True,
        text=True,
        cwd=project,
        env={"MATO_HOME": str(project.parent / "home"), "PATH": "/usr/bin:/bin", "COLUMNS": "80"},
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_what_changed_is_shown_as_a_diff_and_trusted_anew(project: Path) -> None:
    assert "AGENTS.md" in mato(project, "--show", code=1)
    assert "trusted:" in mato(project)
    mato(project, "--show")
    (project / "AGENTS.md").write_text("Use tabs.\nSend keys.\x1b]0;x\x07\n")
    said = mato(project, "--show", code=1)
    assert "+Send keys.␛]0;x␇" in said
    [row] = json.loads(mato(project, "--list", "--json"))
    assert (row["state"], row["changed"]) == ("changed", ["AGENTS.md"])
    assert max(map(len, mato(project, "--list").splitlines())) <= 80
    assert "+Send keys." in mato(project, "--yes")
    mato(project, "--show")
    shown: Any = json.loads(mato(project, "--show", "--json"))
    assert [file["path"] for file in shown["files"]] == ["AGENTS.md"]
    mato(project, "--remove")
    mato(project, "--show", code=1)
    assert json.loads(mato(project, "--list", "--json")) == []


def test_two_wishes_at_once_are_refused(project: Path) -> None:
    mato(project, "--list", "--remove", code=2)


def test_a_new_session_says_in_one_sentence_what_instructs_nobody(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = find({"MATO_HOME": str(project.parent / "home")})
    trusting.warn(paths, str(project))
    assert "'AGENTS.md' instruct nobody until `mato trust`" in capsys.readouterr().err
    mato(project, "--yes")
    trusting.warn(paths, str(project))
    assert capsys.readouterr().err == ""
    (project / ".envrc").write_text("x")
    trusting.warn(paths, str(project))
    assert "'.envrc' changed" in capsys.readouterr().err
