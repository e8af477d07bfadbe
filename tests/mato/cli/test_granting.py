"""`mato approve --session`, `mato grants`, `mato audit` and `mato policy explain CALL` in use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mato import entry
from mato.testing.daemon import running

SCRIPT = """
[[answer]]
after = 0
calls = [
    { name = "read", arguments = { path = "a.txt" } },
    { name = "write", arguments = { path = "src/x.py", content = "x" } },
]

[[answer]]
after = 2
calls = [
    { name = "write", arguments = { path = "src/y.py", content = "y" } },
    { name = "write", arguments = { path = "z.py", content = "z" } },
]

[[answer]]
after = 4
text = "Done."
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Gives a command line; returns exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "80")

    def give(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = entry.run(list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    return give


async def test_from_the_first_question_to_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    (work := tmp_path / "work").mkdir()
    (work / "a.txt").write_text("a\n")
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    monkeypatch.setenv("MATO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MATO_MODEL", f"scripted:{script}")

    def give() -> None:
        assert run("grants")[1:] == (
            "",
            "nothing is allowed beyond single calls; `mato approve CALL --session` does so\n",
        )
        assert run("grants", "--json")[1] == "[]\n"
        assert run("new", "go", "--name", "s", "--detach", "--cwd", str(work))[0] == 0
        run("wait", "s", "--until", "blocked", "--timeout", "30")
        [asked] = json.loads(run("inbox", "--json")[1])
        assert asked["lasting"] == "writing files in src/ and below"
        assert asked["taint"] == {"private": False, "untrusted": True}, "nobody trusts that folder"
        shown = run("inbox")[1]
        assert "  asks because: mode ask: writes ask\n" in shown
        assert "  --session would allow: writing files in src/ and below\n" in shown

        assert run("approve", asked["call"], "--for", "1h")[0] == 2
        assert "is no time" in run("approve", asked["call"], "--session", "--for", "ever")[2]
        assert run("approve", asked["call"], "--session", "--for", "30m")[0] == 0
        second = asked
        while second["call"] == asked["call"]:
            run("wait", "s", "--until", "blocked", "--timeout", "30")
            second = next(iter(json.loads(run("inbox", "--json")[1])), asked)
        assert second["resource"] == "z.py", "src/y.py was not asked about"

        listed = run("grants")[1].splitlines()
        assert listed[0].endswith("  s:coder  29m left")
        assert listed[1] == "  write  writing files in src/ and below"
        assert listed[2].startswith("  approved by mato approve --session, ")
        [grant] = json.loads(run("grants", "--json")[1])
        assert grant["patterns"] == [{"kind": "folder", "name": "src"}]

        code, said, _ = run("policy", "explain", asked["call"])
        assert code == 0
        assert "then: allowed" in said
        assert "now:  allow (mode ask, sandbox " in said
        assert json.loads(run("policy", "explain", second["call"], "--json")[1])["effect"] == "ask"
        assert run("policy", "explain", "c-nothing")[0] == 3
        assert run("policy", "explain", "shell")[0] == 2
        assert run("policy", "explain", asked["call"], "--mode", "full")[0] == 2

        assert run("grants", "revoke")[0] == 2
        assert run("grants", "revoke", "g-nothing")[0] == 3
        assert run("grants", "revoke", grant["grant"][:12])[0] == 0
        assert "no grant" in run("grants", "revoke", "--all")[2]
        assert "now:  ask" in run("policy", "explain", asked["call"])[1]
        assert run("deny", second["call"])[0] == 0
        run("wait", "s", "--until", "ended", "--timeout", "30")

    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}):
        await asyncio.to_thread(give)

    # The daemon has gone; the record has not.
    code, said, _ = run("audit", "s")
    assert code == 0
    assert all(len(line) <= 80 for line in said.splitlines())
    words = " ".join(said.split())
    assert "by grant: allowed before: writing files in src/ and below; it had seen" in words
    assert (
        "by person: denied by mato deny; asked because: mode ask: writes ask; it had seen"
        " strangers' text"
    ) in words
    found = [json.loads(line) for line in run("audit", "s:coder", "--json")[1].splitlines()]
    assert [(each["what"], each["by"], each["about"]) for each in found] == [
        ("allowed", "mode", "read a.txt"),
        ("granted", "person", "write src/x.py"),
        ("allowed", "person", "src/x.py"),
        ("allowed", "grant", "write src/y.py"),
        ("revoked", "person", ""),
        ("denied", "person", "z.py"),
    ]
    assert found[1]["grant"] == found[3]["grant"] == found[4]["grant"] != ""
    assert run("audit", "--since", "1h")[1] == run("audit")[1] == said
    assert run("audit", "--since", "2999-01-01")[1] == ""
    for wrong, exit_code in (("nosuch", 3), ("s:nosuch", 3), (":", 2)):
        assert run("audit", wrong)[0] == exit_code
    assert run("audit", "--since", "yesterday")[0] == 2


def test_without_a_journal_nothing_was_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("MATO_HOME", str(tmp_path))
    assert run("audit") == (0, "", "no call has been decided yet\n")
    assert run("audit", "--json") == (0, "", "")
