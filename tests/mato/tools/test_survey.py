"""What could instruct or execute is found, and nothing beside it is opened or waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mato.tools.survey import LARGEST_BYTES, survey
from mato_sessions.errors import PathRefused


def write(top: Path, path: str, content: str = "x") -> None:
    (top / path).parent.mkdir(parents=True, exist_ok=True)
    (top / path).write_text(content)


def test_what_instructs_or_executes_is_found_and_sources_are_not(tmp_path: Path) -> None:
    for path in (
        *("AGENTS.md", ".mato/agents/a.md", ".mato/permissions.toml", ".mcp.json", ".envrc"),
        *(".git/hooks/pre-commit", ".vscode/tasks.json", ".claude/skills/deep/er/SKILL.md"),
        *(".git/hooks/pre-commit.sample", "src/a.py", "docs/AGENTS.md", ".git/HEAD"),
    ):
        write(tmp_path, path)
    found = survey(tmp_path)
    assert set(found.files) == {
        *("AGENTS.md", ".mato/agents/a.md", ".mato/permissions.toml", ".mcp.json", ".envrc"),
        *(".git/hooks/pre-commit", ".vscode/tasks.json", ".claude/skills/deep/er/SKILL.md"),
    }
    assert found.odd == {}


def test_links_out_pipes_and_giants_are_named_and_not_read(tmp_path: Path) -> None:
    top = tmp_path / "top"
    write(tmp_path, "outside/secret.md", "SECRET")
    (top / ".mato").mkdir(parents=True)
    (top / "AGENTS.md").symlink_to(tmp_path / "outside/secret.md")
    (top / ".claude").symlink_to(tmp_path / "outside")
    (top / ".mato/inside.md").symlink_to("../real.md")
    (top / "real.md").write_text("real")
    os.mkfifo(top / ".envrc")
    with (top / ".mcp.json").open("wb") as file:
        file.truncate(1 << 30)
    os.close(os.open(os.fsencode(top / ".mato") + b"/bad\xff.md", os.O_CREAT | os.O_WRONLY))
    found = survey(top)
    assert found.files == {".mato/inside.md": b"real"}
    assert set(found.odd) == {"AGENTS.md", ".claude", ".envrc", ".mcp.json", ".mato/bad\\udcff.md"}
    assert "leads out" in found.odd["AGENTS.md"]
    assert f"{LARGEST_BYTES >> 10} KiB" in found.odd[".mcp.json"]
    assert b"SECRET" not in b"".join(found.pins().values())


def test_what_the_sandbox_holds_missing_names_with_ends_no_trust(tmp_path: Path) -> None:
    os.mknod(tmp_path / "AGENTS.md", stat.S_IFSOCK)
    (tmp_path / ".git").mkdir()
    os.mknod(tmp_path / ".git/config", stat.S_IFSOCK)
    os.mknod(tmp_path / ".vscode", stat.S_IFSOCK)
    assert survey(tmp_path).pins() == {}
    os.mknod(tmp_path / "CLAUDE.md", stat.S_IFSOCK | 0o600)
    assert set(survey(tmp_path).odd) == {"CLAUDE.md"}


def test_a_flood_of_files_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for number in range(1_100):
        write(tmp_path, f".cursor/{number}")
    with pytest.raises(PathRefused, match="cannot be trusted"):
        survey(tmp_path)


def test_tracking_a_branch_changes_no_pin_and_everything_else_in_gits_config_does(
    tmp_path: Path,
) -> None:
    plain = "[core]\n\tbare = false\n"
    write(tmp_path, ".git/config", plain)
    pins = survey(tmp_path).pins()
    write(tmp_path, ".git/config", f'{plain}[branch "x"]\n\tremote = o\n\tmerge = refs/heads/x\n')
    assert survey(tmp_path).pins() == pins
    for evil in (
        "[core]\n\tfsmonitor = ./evil\n",
        '[branch "x"]\n\tremote = o\n[core] fsmonitor = ./evil\n',
        '[branch "x"]\n\tremote = \\\n[core]\n\tfsmonitor = ./evil\n',
        '[branch "x"] [core] fsmonitor = ./evil\n',
        '[branch "x"]\n\tfsmonitor = ./evil\n',
    ):
        write(tmp_path, ".git/config", plain + evil)
        assert b"evil" in survey(tmp_path).pins()[".git/config"]
