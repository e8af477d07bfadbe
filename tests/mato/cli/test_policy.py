"""`mato policy`: what it says, what it refuses, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mato import entry

RULES = """
[[rule]]
effect = "deny"
action = "execute"
resource = "git push*"
"""
CASES = """
[[case]]
tool = "shell"
resource = "git push origin main"
mode = "full"
expect = "deny"

[[case]]
tool = "shell"
resource = "ls | wc -l"
mode = "edit"
tier = "full"
expect = "{expect}"
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATO_HOME", str(tmp_path / "home"))
    (tmp_path / ".mato").mkdir()
    (tmp_path / ".mato" / "permissions.toml").write_text(RULES)
    monkeypatch.chdir(tmp_path)


def test_it_explains_by_which_rule_a_call_is_denied(capsys: pytest.CaptureFixture[str]):
    line = ["policy", "explain", "shell", "ls; git push", "--mode", "full"]
    assert entry.run(line) == 0
    assert "deny: rule: deny execute git push*" in capsys.readouterr().out
    assert entry.run([*line, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["effect"], said["command"]) == ("deny", "out")


def test_cases_that_come_out_otherwise_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "cases.toml"
    file.write_text(CASES.format(expect="allow"))
    assert entry.run(["policy", "test", str(file)]) == 0
    file.write_text(CASES.format(expect="deny"))
    assert entry.run(["policy", "test", str(file)]) == 1
    assert "case 2: shell ls | wc -l: expected deny, is allow" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "telnet", "x"],
        ["explain", "shell", "x", "--mode", "wild"],
        ["explain", "shell", "x", "--tier", "half"],
        ["test", "absent.toml"],
        ["test", ".mato/permissions.toml"],
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert entry.run(["policy", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("mato: ")
